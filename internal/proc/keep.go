package proc

import (
	"context"
	"time"
)

// Policy says when a process that ended is started again.
type Policy string

// The policies, as Kubernetes names them.
const (
	Always    Policy = "Always"
	OnFailure Policy = "OnFailure"
	Never     Policy = "Never"
)

// Backoff is how long to wait before a process is started again. The zero value is the kubelet's: the first time at once, then 10 s,
// doubled up to 5 min, and from the beginning after a run of 10 min.
type Backoff struct {
	First, Max, Reset time.Duration

	again bool
	next  time.Duration
}

// Next is the wait after a run that took ran.
func (b *Backoff) Next(ran time.Duration) time.Duration {
	first, most, reset := orElse(b.First, 10*time.Second), orElse(b.Max, 5*time.Minute), orElse(b.Reset, 10*time.Minute)
	if ran >= reset {
		b.again, b.next = false, 0
	}
	if !b.again {
		b.again, b.next = true, first
		return 0
	}
	wait := b.next
	b.next = min(2*b.next, most)
	return wait
}

func orElse(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

// Keep is a command that is to be kept running.
type Keep struct {
	Command  Command
	Policy   Policy // "": Always
	Backoff  Backoff
	Limit    int            // how many times it is started again at most; 0: no limit
	Again    func() Command // what is run the next time; nil: the same
	Out      func(Line)
	Started  func(p *Process)                           // may be nil
	Stopping func()                                     // may be nil; before a run is ended because ctx has
	Ended    func(e Exit, again bool, in time.Duration) // may be nil; after each run that ctx did not end
}

// Keep runs the command (as Again makes it, for a further run) and starts it again as its policy says, until ctx ends; then the tree is gone when it returns. It returns the
// last exit when the policy wants no further run.
func (g *Guard) Keep(ctx context.Context, k Keep) (Exit, error) {
	for runs := 1; ; runs++ {
		began := time.Now()
		exit := Exit{Code: -1}
		if runs > 1 && k.Again != nil {
			k.Command = k.Again()
		}
		p, err := g.Start(k.Command, k.Out)
		if err != nil {
			exit.Err = err
		} else {
			if k.Started != nil {
				k.Started(p)
			}
			select {
			case <-ctx.Done():
				if k.Stopping != nil {
					k.Stopping()
				}
				p.Stop()
			case <-p.Done():
			}
			exit = p.Wait()
		}
		if ctx.Err() != nil {
			return exit, ctx.Err()
		}
		again := k.Policy != Never && (k.Policy != OnFailure || !exit.OK()) && (k.Limit == 0 || runs <= k.Limit)
		var wait time.Duration
		if again {
			wait = k.Backoff.Next(time.Since(began))
		}
		if k.Ended != nil {
			k.Ended(exit, again, wait)
		}
		if !again {
			return exit, nil
		}
		if err := pause(ctx, wait); err != nil {
			return exit, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return ctx.Err()
	}
}
