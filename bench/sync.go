package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// lostAfter is when a save counts as lost.
const lostAfter = 5 * time.Second

// measureSync saves a file of the tutorial (app.py) again and again and takes the time from just before the first system call of the save
// until the file in the container has exactly that content, as the node sees it. The saves are by turns an overwrite in place
// (truncate and write) and an editor's writing to another file that then gets the name. The pauses between them vary, so that
// nothing is in step. Flask starts anew after every save of app.py, as it does for a user; it does not for unused.py.
func measureSync(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("%d saves of %s in examples/flask; %s", l.saves, l.file, clockName), Samples: map[string][]float64{}}
	dir, err := l.flask(ctx, "sync", map[string][]byte{"unused.py": []byte("# No other module imports this one.\n")})
	if err != nil {
		return r, err
	}
	s, c, err := l.follow(ctx, dir)
	if err != nil {
		return r, err
	}
	defer func() { _ = c.close() }()
	defer s.stop()
	file := filepath.Join(dir, l.file)
	base, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	_, offset, err := s.log(0)
	if err != nil {
		return r, err
	}
	lost := 0
	for i := range l.saves {
		if err := pause(ctx, 50*time.Millisecond+rand.N(250*time.Millisecond)); err != nil {
			return r, err
		}
		content := fmt.Appendf(nil, "%s# save %d\n", base, i)
		kind, save := "written in place", overwrite
		if i%2 == 1 {
			kind, save = "renamed", replace
		}
		begin := time.Now()
		if err := save(file, content); err != nil {
			return r, err
		}
		at, missing, err := c.arrived(ctx, map[string][]byte{l.file: content}, lostAfter)
		if err != nil {
			return r, err
		}
		if missing > 0 {
			lost++
			continue
		}
		took := milliseconds(at.Sub(begin))
		r.Samples["all"] = append(r.Samples["all"], took)
		r.Samples[kind] = append(r.Samples[kind], took)
	}
	// The last acknowledgement is later than the file.
	if err := pause(ctx, time.Second); err != nil {
		return r, err
	}
	events, _, err := s.log(offset)
	r.Samples["acknowledged"] = tooks(events)
	r.Rows = syncRows(r.Samples, lost, batches(events), count(events, "buildStarted"))
	return r, errors.Join(err, ctx.Err())
}

const clockName = "clock: inotify on the container's folder through /proc/PID/root on the node, and the content read there"

func syncRows(samples map[string][]float64, lost, batches, builds int) []Row {
	var rows []Row
	add := func(name, unit string, value float64) { rows = append(rows, row("sync", name, unit, value)) }
	all := samples["all"]
	add("save to container, p50", "ms", percentile(all, 50))
	add("save to container, p90", "ms", percentile(all, 90))
	add("save to container, p99", "ms", percentile(all, 99))
	add("save to container, max", "ms", percentile(all, 100))
	add("lost", "", float64(lost))
	add("saves that arrived", "", float64(len(all)))
	add("batches", "", float64(batches))
	add("builds", "", float64(builds))
	add("written in place, p50", "ms", percentile(samples["written in place"], 50))
	add("renamed, p50", "ms", percentile(samples["renamed"], 50))
	add("first notification to acknowledged, p50 (event log)", "ms", percentile(samples["acknowledged"], 50))
	return rows
}

// overwrite saves as a program does that opens the file itself.
func overwrite(file string, content []byte) error { return os.WriteFile(file, content, 0o644) }

// replace saves as an editor does that never leaves half a file.
func replace(file string, content []byte) error {
	other := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".tmp")
	if err := os.WriteFile(other, content, 0o644); err != nil {
		return err
	}
	return os.Rename(other, file)
}

// follow starts a session over a copy of the tutorial, and a clock in its container.
func (l *lab) follow(ctx context.Context, dir string) (*session, *clock, error) {
	if err := l.gone(ctx, flaskPod); err != nil {
		return nil, nil, err
	}
	s, err := l.dev(dir)
	if err != nil {
		return nil, nil, err
	}
	c, err := l.clockOf(ctx, s)
	if err != nil {
		s.stop()
		return nil, nil, err
	}
	return s, c, nil
}

func (l *lab) clockOf(ctx context.Context, s *session) (*clock, error) {
	if _, err := s.watching(ctx); err != nil {
		return nil, err
	}
	id, err := l.running(ctx, flaskPod)
	if err != nil {
		return nil, err
	}
	return openClock(id, flaskFolder)
}

// tooks are the times of the copies, in ms, as the event log has them: from the first notification to the acknowledgement.
func tooks(events []logged) []float64 {
	var all []float64
	for _, e := range events {
		if e.Kind == "synced" && !e.Replay {
			all = append(all, milliseconds(e.Took))
		}
	}
	return all
}

// batches is how many batches went to the tutorial's one container: each is told once, with its time.
func batches(events []logged) int { return len(tooks(events)) }

func count(events []logged, kind string) int {
	n := 0
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}
