package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	foundRow = "nothing changed, 50 images of 50,000 files"
	orderRow = "8 independent images, over the best order"
)

// measureBuilds takes the time of whole `skiff build` commands: one for which nothing changed, and one of builds side by side that each
// keep a processor busy.
func measureBuilds(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("whole processes of skiff build, by the wall and by the kernel's account; nothing changed: %d runs after one that built, medians; "+
		"8 images: each built alone and then all of them, the best order is that of these times on %d processors", l.runs, runtime.NumCPU()), Samples: map[string][]float64{}}
	if err := l.measureFound(ctx, &r); err != nil {
		return r, err
	}
	return r, l.measureOrder(ctx, &r)
}

func (l *lab) measureFound(ctx context.Context, r *Result) error {
	dir := filepath.Join(l.tmp, "many")
	if err := many(dir, 50, 1000); err != nil {
		return err
	}
	if err := commit(ctx, dir); err != nil {
		return err
	}
	if _, _, err := l.build(ctx, dir); err != nil {
		return err
	}
	// What was written a moment before it was read is read again once; then the index is warm.
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	if _, _, err := l.build(ctx, dir); err != nil {
		return err
	}
	for range l.runs {
		wall, cpu, err := l.build(ctx, dir)
		if err != nil {
			return err
		}
		r.Samples["found"] = append(r.Samples["found"], milliseconds(wall))
		r.Samples["found, CPU"] = append(r.Samples["found, CPU"], milliseconds(cpu))
	}
	r.Rows = append(r.Rows,
		row("builds", foundRow, "ms", median(r.Samples["found"])),
		row("builds", foundRow+", CPU time", "ms", median(r.Samples["found, CPU"])))
	return nil
}

// measureOrder compares builds side by side with the shortest time in which the same builds can be done.
func (l *lab) measureOrder(ctx context.Context, r *Result) error {
	dir := filepath.Join(l.tmp, "eight")
	loops := []int{1, 3, 2, 1, 4, 2, 1, 3}
	for round := range 2 { // by the second one it is known how long each takes
		stamp := fmt.Sprint(time.Now().UnixNano())
		if err := eight(dir, loops, stamp); err != nil {
			return err
		}
		var alone []time.Duration
		for i := range loops {
			wall, _, err := l.build(ctx, dir, "--cache-artifacts=false", fmt.Sprintf("-b=bench-eight-%d", i))
			if err != nil {
				return err
			}
			alone = append(alone, wall)
		}
		if err := eight(dir, loops, stamp+"x"); err != nil {
			return err
		}
		wall, _, err := l.build(ctx, dir)
		if err != nil {
			return err
		}
		if round == 0 {
			continue
		}
		best := shortest(alone, runtime.NumCPU())
		r.Samples["alone"] = nil
		for _, d := range alone {
			r.Samples["alone"] = append(r.Samples["alone"], milliseconds(d))
		}
		r.Rows = append(r.Rows,
			row("builds", "8 independent images", "ms", milliseconds(wall)),
			row("builds", "the best order of the same, from each alone", "ms", milliseconds(best)),
			row("builds", orderRow, "%", 100*(float64(wall)/float64(best)-1)))
	}
	return nil
}

// build runs skiff build in a folder.
func (l *lab) build(ctx context.Context, dir string, flags ...string) (wall, cpu time.Duration, err error) {
	cmd := exec.CommandContext(ctx, l.skiff, append([]string{"build", "-q"}, flags...)...)
	cmd.Dir, cmd.Env = dir, l.environ()
	begin := time.Now()
	text, err := cmd.CombinedOutput()
	wall = time.Since(begin)
	if err != nil {
		return 0, 0, fmt.Errorf("skiff build: %w: %s", err, text)
	}
	return wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// many is a project of so many images, each made of so many files.
func many(dir string, images, files int) error {
	var b strings.Builder
	b.WriteString("apiVersion: skaffold/v4beta14\nkind: Config\nbuild:\n  artifacts:\n")
	for i := range images {
		name := fmt.Sprintf("s%02d", i)
		fmt.Fprintf(&b, "  - {image: bench-%s, context: services/%s}\n", name, name)
		service := filepath.Join(dir, "services", name)
		if err := put(filepath.Join(service, "Dockerfile"), "FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\n"); err != nil {
			return err
		}
		if err := put(filepath.Join(service, ".dockerignore"), ".git\n**/__pycache__\n*.md\n"); err != nil {
			return err
		}
		for j := range files {
			file := filepath.Join(service, "src", fmt.Sprintf("p%d", j/100), fmt.Sprintf("d%02d", j/10), fmt.Sprintf("m%d.py", j%10))
			if err := put(file, fmt.Sprintf("name = \"%d/%d\"\n", i, j)); err != nil {
				return err
			}
		}
	}
	return put(filepath.Join(dir, "skaffold.yaml"), b.String())
}

// eight is a project of images whose only step counts for a while.
func eight(dir string, loops []int, stamp string) error {
	var b strings.Builder
	b.WriteString("apiVersion: skaffold/v4beta14\nkind: Config\nbuild:\n  tagPolicy: {sha256: {}}\n  artifacts:\n")
	for i, n := range loops {
		fmt.Fprintf(&b, "  - {image: bench-eight-%d, context: c%d}\n", i, i)
		text := fmt.Sprintf("FROM busybox\nRUN i=0; while [ $i -lt %d ]; do i=$((i+1)); done; echo %s\n", n*300000, stamp)
		if err := put(filepath.Join(dir, fmt.Sprintf("c%d", i), "Dockerfile"), text); err != nil {
			return err
		}
	}
	return put(filepath.Join(dir, "skaffold.yaml"), b.String())
}

// shortest is the least time in which so many processors do the work: every way of sharing it out is tried.
func shortest(work []time.Duration, processors int) time.Duration {
	load := make([]time.Duration, processors)
	best := time.Duration(1<<63 - 1)
	var place func(i int)
	place = func(i int) {
		if slices.Max(load) >= best {
			return
		}
		if i == len(work) {
			best = slices.Max(load)
			return
		}
		for p := range load {
			load[p] += work[i]
			place(i + 1)
			load[p] -= work[i]
			if load[p] == 0 {
				break // the other idle ones are no different
			}
		}
	}
	place(0)
	return best
}
