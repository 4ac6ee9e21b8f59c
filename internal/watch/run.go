package watch

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run sends batches to out until ctx ends, and then returns nil. It does not close out. While nobody receives from out,
// what happens is folded into the batch that waits. A Watcher runs once.
func (w *Watcher) Run(ctx context.Context, out chan<- Batch) error {
	g, ctx := errgroup.WithContext(ctx)
	w.mu.Lock()
	n := w.notify
	w.mu.Unlock()
	if n != nil {
		g.Go(func() error { w.queue.pump(n.fs); return nil })
	}
	g.Go(func() error { return w.polls(ctx) })
	g.Go(func() error {
		defer w.Close()
		return w.loop(ctx, g, out)
	})
	return g.Wait()
}

func (w *Watcher) loop(ctx context.Context, g *errgroup.Group, out chan<- Batch) error {
	var ready *Batch
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := w.step(g, &ready)
		var alarm <-chan time.Time
		if wait >= 0 {
			timer.Reset(wait)
			alarm = timer.C
		}
		var to chan<- Batch
		var batch Batch
		if ready != nil {
			to, batch = out, *ready
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.queue.wake:
		case <-alarm:
		case to <- batch:
			ready = nil
		}
	}
}

// step takes in what came, moves what is due to ready, and says how long until there is more to do, -1 for never.
func (w *Watcher) step(g *errgroup.Group, ready **Batch) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.takeIn(g)
	for {
		due, ok := w.fold.Due()
		if !ok {
			return -1
		}
		if wait := time.Until(due); wait > 0 {
			return wait
		}
		if b, ok := w.settle(); ok {
			*ready = merge(*ready, b)
		}
	}
}

func (w *Watcher) takeIn(g *errgroup.Group) {
	for _, r := range w.queue.take() {
		if w.notify == nil {
			return
		}
		if r.lost {
			w.restart(g)
			w.fold.Rescan(r.at)
			continue
		}
		for _, f := range w.notify.event(r.event, r.at) {
			w.giveUp(f.target, f.err, r.at)
		}
	}
}

// giveUp polls t from now on, because its new folders cannot be watched any more.
func (w *Watcher) giveUp(t *target, err error, at time.Time) {
	if t.polled {
		return
	}
	w.notify.forget(t)
	w.note(whyPolling(t.path, err))
	t.polled, t.seen = true, t.scan()
	signal(w.poll)
	w.fold.Rescan(at)
}

// restart begins anew after notifications were lost: among them may have been renamed folders, whose watches now bear
// wrong names.
func (w *Watcher) restart(g *errgroup.Group) {
	// Close fails only on a Watcher that is closed.
	_ = w.notify.fs.Close()
	n, err := newNotifier(w.change)
	if err != nil {
		w.note(whyPolling("", err))
	}
	w.notify = n
	for _, t := range w.targets {
		if !t.polled {
			w.start(t, nil)
		}
	}
	if n != nil {
		g.Go(func() error { w.queue.pump(n.fs); return nil })
	}
}

func merge(a *Batch, b Batch) *Batch {
	if a == nil {
		return &b
	}
	paths := slices.Concat(a.Paths, b.Paths)
	slices.Sort(paths)
	return &Batch{Paths: slices.Compact(paths), First: a.First, Rescan: a.Rescan || b.Rescan}
}
