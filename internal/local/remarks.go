package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/event"
)

// remarks is what is still to be told about a plan that was applied. To find it out may take as long as to start an interpreter, so
// it is done while the processes start.
type remarks struct {
	task     *task
	findings []Finding
}

// look asks the machine what a first plan did not ask, beside all else, and tells at once what is missing.
func (t *Target) look(ctx context.Context, in Input, plan Plan) error {
	ours := plan.Listening() // by now its processes may listen
	in.Host.Free = func(port int) bool { _, held := ours[port]; return held || t.Host.Free(port) }
	r := &remarks{}
	var err error
	r.task, err = t.begin(ctx, func(context.Context) {
		r.findings = Compose(in).Findings
		t.warn(r.findings)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remarks = r
	return err
}

// differences tells what differs from a cluster, once. It waits until that is known.
func (t *Target) differences(ctx context.Context) {
	t.mu.Lock()
	r := t.remarks
	t.remarks = nil
	t.mu.Unlock()
	if r == nil || r.task == nil {
		return
	}
	select {
	case <-r.task.done:
	case <-ctx.Done():
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := slices.DeleteFunc(r.findings, func(f Finding) bool { return f.Level != Differs || t.told[f.String()] })
	for _, f := range fresh {
		t.told[f.String()] = true
	}
	if len(fresh) > 0 {
		t.sink.Send(event.Note{Text: "Not as on a cluster:\n  " + strings.Join(table(fresh, false), "\n  ")})
	}
}

// warn tells once what is missing.
func (t *Target) warn(all []Finding) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range all {
		if f.Level != Gap || t.told[f.String()] {
			continue
		}
		t.told[f.String()] = true
		text := f.String()
		if f.Hint != "" {
			text += "\n  " + f.Hint
		}
		t.sink.Send(event.Note{Text: text, Warn: true})
	}
}

// Parity is the plan's findings as a table, one line each.
func (p Plan) Parity() []string { return table(p.Findings, true) }

// table is findings as lines. What is the same of several is one line.
func table(all []Finding, levels bool) []string {
	words := map[Level]string{Differs: "differs", Gap: "missing", Broken: "does not run"}
	var lines []string
	said := map[string]bool{}
	for i, f := range all {
		kind := fmt.Sprintf("%d\x00%s\x00%s", f.Level, f.Topic, f.Text)
		if said[kind] {
			continue
		}
		said[kind] = true
		var where []string
		for _, other := range all[i:] {
			if other.Level == f.Level && other.Topic == f.Topic && other.Text == f.Text && !slices.Contains(where, other.Where) {
				where = append(where, other.Where)
			}
		}
		if len(where) > 3 {
			where = append(where[:2], fmt.Sprintf("and %d more", len(where)-2))
		}
		line := fmt.Sprintf("%-11s  %s: %s", f.Topic, strings.Join(where, "; "), f.Text)
		if levels {
			line = fmt.Sprintf("%-12s  %s", words[f.Level], line)
			if f.Hint != "" && f.Level != Differs {
				line += "\n" + strings.Repeat(" ", 29) + f.Hint
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// Failures are the findings that count as failures: what does not run, and with strict all that differs.
func (p Plan) Failures(strict bool) error {
	var failed error
	for _, f := range p.Findings {
		if strict || f.Level == Broken {
			failed = errors.Join(failed, f.Error())
		}
	}
	return failed
}
