package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// measureStart runs commands that need no cluster, and takes the time from just before the process is started until it has been
// waited for. The processor time beside it does not depend on what else the machine does.
func measureStart(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("%d runs each, by turns, medians; clocks: the wall, and the kernel's account of the process", l.runs), Samples: map[string][]float64{}}
	commands := []struct {
		name string
		args []string
	}{
		{"skiff version", []string{"version"}},
		{"skiff diagnose --yaml-only", []string{"diagnose", "--yaml-only"}},
	}
	for range l.runs {
		for _, c := range commands {
			cmd := exec.CommandContext(ctx, l.skiff, c.args...)
			cmd.Dir, cmd.Env = filepath.Join(l.root, "examples", "flask"), l.environ()
			begin := time.Now()
			text, err := cmd.Output()
			took := time.Since(begin)
			if err != nil {
				return r, fmt.Errorf("%s: %w: %s", c.name, err, text)
			}
			r.Samples[c.name] = append(r.Samples[c.name], milliseconds(took))
			r.Samples[c.name+", CPU"] = append(r.Samples[c.name+", CPU"], milliseconds(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()))
			r.Samples[c.name+", memory"] = append(r.Samples[c.name+", memory"], float64(maxResident(cmd.ProcessState))/1e6)
		}
	}
	for _, c := range commands {
		r.Rows = append(r.Rows,
			row("start", c.name, "ms", median(r.Samples[c.name])),
			row("start", c.name+", CPU time", "ms", median(r.Samples[c.name+", CPU"])),
			row("start", c.name+", most memory", "MB", percentile(r.Samples[c.name+", memory"], 100)),
		)
	}
	return r, nil
}
