package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// errTold is the error of a run whose failures stand on the screen already.
var errTold = errors.New("a step failed")

// step is one piece of work; it starts when all that it needs is done.
type step struct {
	name  string
	needs []string
	// run returns what it did in a few words; "" is not worth a line.
	run func(context.Context) (string, error)
}

// runSteps runs all steps, side by side where their needs allow it. The first failure ends the others.
func runSteps(parent context.Context, tell *teller, steps []step) error {
	if err := checkSteps(steps); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	done := map[string]chan struct{}{}
	for _, s := range steps {
		done[s.name] = make(chan struct{})
	}
	var group sync.WaitGroup
	var once sync.Once
	var first error
	for _, s := range steps {
		group.Go(func() {
			for _, need := range s.needs {
				select {
				case <-done[need]:
				case <-ctx.Done():
					return
				}
			}
			err := tell.step(ctx, s)
			if err == nil {
				close(done[s.name])
				return
			}
			once.Do(func() {
				first = err
				// What an interrupt has ended did not fail.
				if parent.Err() == nil {
					tell.failed(s.name, err)
				}
				cancel()
			})
		})
	}
	group.Wait()
	if parent.Err() != nil {
		return errors.New("interrupted; run it again to go on")
	}
	if first != nil {
		return errTold
	}
	return nil
}

// checkSteps holds needs to names that exist and stand earlier in the list, so that no two steps can wait for each other.
func checkSteps(steps []step) error {
	known := map[string]bool{}
	for _, s := range steps {
		for _, need := range s.needs {
			if !known[need] {
				return fmt.Errorf("step %q needs %q, which does not stand before it", s.name, need)
			}
		}
		if known[s.name] {
			return fmt.Errorf("step %q stands twice", s.name)
		}
		known[s.name] = true
	}
	return nil
}

// teller prints what happens, one line at a time.
type teller struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newTeller(out io.Writer) *teller { return &teller{out: out, start: time.Now()} }

func (t *teller) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "%6.1fs  %s\n", time.Since(t.start).Seconds(), fmt.Sprintf(format, args...))
}

// step runs one step and says how long it took; a slow one is also announced, so that the screen is never mute for long.
func (t *teller) step(ctx context.Context, s step) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	begin := time.Now()
	slow := time.AfterFunc(2*time.Second, func() { t.say("...   %s", s.name) })
	note, err := s.run(ctx)
	slow.Stop()
	if err == nil && note != "" {
		t.say("ok    %-20s %s (%s)", s.name, note, time.Since(begin).Round(10*time.Millisecond))
	}
	return err
}

func (t *teller) failed(name string, err error) {
	t.say("FAIL  %s: %s", name, strings.TrimSpace(err.Error()))
	var failure *partError
	if !errors.As(err, &failure) {
		return
	}
	lines := lastLines(failure.log, 20)
	if len(lines) == 0 {
		return
	}
	t.say("      the last lines of %s:", failure.log)
	for _, line := range lines {
		t.say("      | %s", line)
	}
}
