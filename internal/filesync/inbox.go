package filesync

import "sync"

// inbox is the queue of the goroutine that owns the state. It grows instead of blocking the sender.
type inbox struct {
	mu    *sync.Mutex
	queue *[]func(*state)
	wake  chan struct{}
}

func newInbox() inbox {
	return inbox{mu: &sync.Mutex{}, queue: new([]func(*state)), wake: make(chan struct{}, 1)}
}

func (b inbox) post(fn func(*state)) {
	b.mu.Lock()
	*b.queue = append(*b.queue, fn)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b inbox) take() []func(*state) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fns := *b.queue
	*b.queue = nil
	return fns
}
