package main

import (
	"context"
	"fmt"
)

// measureIdle lets `skiff dev` do nothing over a large tree, every file of which is in the image, and reads from /proc what that
// costs: processor time over the whole span, resident memory at its end, and the folders that the kernel watches for it.
func measureIdle(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("%d files in %d folders, %s of rest, then %s measured; /proc/PID/stat, status and fdinfo", l.folders*l.inOne, l.folders, l.settle, l.idle), Samples: map[string][]float64{}}
	dir, err := l.forest(l.folders, l.inOne)
	if err != nil {
		return r, err
	}
	if err := commit(ctx, dir); err != nil {
		return r, err
	}
	s, err := l.dev(dir)
	if err != nil {
		return r, err
	}
	defer s.stop()
	watching, err := s.watching(ctx)
	if err != nil {
		return r, err
	}
	pid := s.cmd.Process.Pid
	busy, err := cpuTime(pid)
	if err != nil {
		return r, err
	}
	if err := pause(ctx, l.settle); err != nil {
		return r, err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return r, err
	}
	if err := pause(ctx, l.idle); err != nil {
		return r, err
	}
	after, err := cpuTime(pid)
	if err != nil {
		return r, err
	}
	resident, err := status(pid, "VmRSS")
	if err != nil {
		return r, err
	}
	peak, err := status(pid, "VmHWM")
	if err != nil {
		return r, err
	}
	watches, err := inotifyWatches(pid)
	add := func(name, unit string, value float64) { r.Rows = append(r.Rows, row("idle", name, unit, value)) }
	add("CPU of one core", "%", 100*(after-before).Seconds()/l.idle.Seconds())
	add("CPU time", "s", (after - before).Seconds())
	add("resident memory", "MB", float64(resident)/1e6)
	add("resident memory, peak", "MB", float64(peak)/1e6)
	add("inotify watches", "", float64(watches))
	add("\"Watching for changes\", first build included", "ms", milliseconds(watching.Sub(s.started)))
	add("CPU time until then", "s", busy.Seconds())
	return r, err
}
