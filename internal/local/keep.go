package local

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/proc"
)

// keep keeps one process of the unit running, and asks it how it is, until ctx ends.
func (u *unitRun) keep(ctx context.Context, p Process) {
	gate := u.gates[len(u.gates)-1]
	if p.Sidecar {
		gate = u.gates[p.After]
	}
	select {
	case <-gate:
	case <-ctx.Done():
		return
	}
	var probes sync.WaitGroup
	defer probes.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	if p.Sidecar && u.unit.Job {
		probes.Go(func() {
			select {
			case <-u.done:
				end()
			case <-ctx.Done():
			}
		})
	}
	stopProbes := func() {}
	defer func() { stopProbes() }()
	_, _ = u.target.Guard.Keep(ctx, proc.Keep{
		Command: u.command(p), Again: func() proc.Command { return u.command(p) }, Policy: p.Restart, Limit: p.Limit, Out: u.log(p), Stopping: func() { u.stopping(ctx, p) },
		Started: func(running *proc.Process) {
			u.change(p, func(s *state) { s.running, s.waits, s.starts, s.since = true, false, s.starts+1, time.Now() })
			probing, cancel := context.WithCancel(ctx)
			stopProbes = cancel
			probes.Go(func() { u.probe(probing, p, running) })
		},
		Ended: func(e proc.Exit, again bool, in time.Duration) {
			stopProbes()
			u.change(p, func(s *state) {
				s.running, s.ready, s.exit, s.over, s.waits = false, e.OK() && !again, e, !again, in > 0
				s.started = s.started && !again
				s.ended = fmt.Sprintf("%s/%s/%d/%d", u.unit.Object, p.Container, s.starts, time.Now().UnixNano())
			})
			if !again && u.unit.Job {
				u.worked()
			}
			u.taken(p, e)
			if again && in > 0 {
				u.note("container %q ended with %s; it is started again in %s, or when something changes", p.Container, e.Error(), in)
			}
		},
	})
}

// taken tells of ports that somebody else has by now: that may be why the process ended.
func (u *unitRun) taken(p Process, e proc.Exit) {
	if e.OK() {
		return
	}
	for _, port := range p.Ports {
		if !u.target.Host.Free(port.Local) {
			u.note("port %d of container %q is taken by another program", port.Local, p.Container)
		}
	}
}

// probe asks one run of a process how it is until the run ends.
func (u *unitRun) probe(ctx context.Context, p Process, running *proc.Process) {
	if !u.began(ctx, p, running) || p.Startup != nil && !u.startup(ctx, p, running) {
		return
	}
	u.change(p, func(s *state) { s.started = true })
	var both sync.WaitGroup
	defer both.Wait()
	if p.Live != nil {
		both.Go(func() {
			p.Live.follow(ctx, u.beside(p), false, func(ok bool, err error) {
				if !ok {
					u.note("container %q is restarted: its liveness probe failed: %v", p.Container, err)
					u.stopping(ctx, p)
					running.Stop()
				}
			})
		})
	}
	if p.Ready == nil {
		u.change(p, func(s *state) { s.ready = true })
		return
	}
	was := false
	p.Ready.follow(ctx, u.beside(p), true, func(ok bool, err error) {
		switch {
		case !ok:
			u.note("container %q is not ready: %v", p.Container, err)
		case was:
			u.target.sink.Send(event.Note{Text: fmt.Sprintf("%s: container %q is ready again", u.unit.Object, p.Container)})
		}
		was = ok
		u.change(p, func(s *state) { s.ready = ok })
	})
}

// startup waits for the startup probe; a process that does not answer in time is ended, and started again by its policy.
func (u *unitRun) startup(ctx context.Context, p Process, running *proc.Process) bool {
	limit := p.Startup.Delay + time.Duration(p.Startup.Failure)*p.Startup.Period
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	up := false
	p.Startup.follow(asking, u.beside(p), true, func(ok bool, _ error) {
		if ok {
			up = true
			cancel()
		}
	})
	if !up && ctx.Err() == nil {
		u.note("container %q is restarted: its startup probe did not succeed in %s", p.Container, limit)
		running.Stop()
	}
	return up
}
