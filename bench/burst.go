package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measureBurst changes many synced files as fast as they can be written, as a formatter or a checkout does, and takes the time
// from just before the first is written until all of them have their content in the container. All of them are in the image
// already. The batches are the "synced" events of the session's log, one for each batch and container.
func measureBurst(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("%d files, %d bursts, medians; %s", l.files, l.bursts, clockName), Samples: map[string][]float64{}}
	dir, err := l.flask(ctx, "burst", modules(l.files, -1))
	if err != nil {
		return r, err
	}
	s, c, err := l.follow(ctx, dir)
	if err != nil {
		return r, err
	}
	defer func() { _ = c.close() }()
	defer s.stop()
	lost := 0
	for i := range l.bursts {
		// Flask, which looks at its modules every second, shall not be in step with the bursts.
		if err := pause(ctx, 2300*time.Millisecond); err != nil {
			return r, err
		}
		missing, err := oneBurst(ctx, dir, s, c, modules(l.files, i), r.Samples)
		if err != nil {
			return r, err
		}
		lost += missing
	}
	add := func(name, unit string, value float64) { r.Rows = append(r.Rows, row("burst", name, unit, value)) }
	add("all files right", "ms", median(r.Samples["right"]))
	add("all files right, worst", "ms", percentile(r.Samples["right"], 100))
	add("written by", "ms", median(r.Samples["written"]))
	add("batches", "", median(r.Samples["batches"]))
	add("builds", "", median(r.Samples["builds"]))
	add("files not right in time", "", float64(lost))
	return r, nil
}

func oneBurst(ctx context.Context, dir string, s *session, c *clock, files map[string][]byte, samples map[string][]float64) (missing int, err error) {
	_, offset, err := s.log(0)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return 0, err
		}
	}
	written := time.Since(begin)
	at, missing, err := c.arrived(ctx, files, 4*lostAfter)
	if err != nil {
		return missing, err
	}
	// The acknowledgement, and a second batch if there is one, are later than the files.
	if err := pause(ctx, 2*time.Second); err != nil {
		return missing, err
	}
	events, _, err := s.log(offset)
	samples["written"] = append(samples["written"], milliseconds(written))
	samples["batches"] = append(samples["batches"], float64(batches(events)))
	samples["builds"] = append(samples["builds"], float64(count(events, "buildStarted")))
	if missing == 0 {
		samples["right"] = append(samples["right"], milliseconds(at.Sub(begin)))
	}
	return missing, err
}

// modules are n Python files of about 2 kB, different in every round.
func modules(n, round int) map[string][]byte {
	files := map[string][]byte{}
	for i := range n {
		content := fmt.Appendf(nil, "round, number = %d, %d\n", round, i)
		for line := range 40 {
			content = fmt.Appendf(content, "value_%d = \"what a module of this project holds\"\n", line)
		}
		files[fmt.Sprintf("module_%03d.py", i)] = content
	}
	return files
}
