package image

import (
	"context"
	"slices"
	"sync"
	"time"
)

// slots are how many builds may run at once. Of those that wait, the one that took longest the last time goes first: what is long and
// begins late makes everyone wait at the end. A nil slots is no limit.
type slots struct {
	mu      sync.Mutex
	free    int
	waiting []*waiter
}

type waiter struct {
	lasted time.Duration
	ready  chan struct{}
}

func (s *slots) acquire(ctx context.Context, lasted time.Duration) error {
	if s == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	w := &waiter{lasted, make(chan struct{})}
	at := slices.IndexFunc(s.waiting, func(o *waiter) bool { return o.lasted < lasted })
	if at < 0 {
		at = len(s.waiting)
	}
	s.waiting = slices.Insert(s.waiting, at, w)
	s.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		s.leave(w)
		return ctx.Err()
	}
}

// leave gives up waiting; a slot that was handed over at the same moment goes to the next one.
func (s *slots) leave(w *waiter) {
	s.mu.Lock()
	at := slices.Index(s.waiting, w)
	if at >= 0 {
		s.waiting = slices.Delete(s.waiting, at, at+1)
	}
	s.mu.Unlock()
	if at < 0 {
		s.release()
	}
}

func (s *slots) release() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.free++
		return
	}
	close(s.waiting[0].ready)
	s.waiting = s.waiting[1:]
}
