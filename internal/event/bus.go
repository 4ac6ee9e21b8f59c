package event

import (
	"sync"
	"time"
)

// Sink takes events. A stage gets one and tells what it does; Send never blocks for long and never fails.
type Sink interface{ Send(Event) }

// SinkFunc is a function as a Sink.
type SinkFunc func(Event)

// Send calls the function.
func (f SinkFunc) Send(e Event) { f(e) }

// Discard is the Sink that forgets.
var Discard Sink = SinkFunc(func(Event) {})

// Stamped is an event with the time at which it was sent.
type Stamped struct {
	Time  time.Time
	Event Event
}

// Bus hands every event to every subscriber in the order of sending. The zero value works.
type Bus struct {
	mu     sync.Mutex
	subs   []*Subscription
	closed bool
}

// Send stamps the event and queues it for every subscriber. It never blocks: a slow reader's queue grows.
func (b *Bus) Send(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	s := Stamped{time.Now(), e}
	for _, sub := range b.subs {
		sub.push(s)
	}
}

// Subscribe returns a reader of all that is sent from now on.
func (b *Bus) Subscribe() *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	sub := &Subscription{wake: make(chan struct{}, 1), closed: b.closed}
	b.subs = append(b.subs, sub)
	return sub
}

// Close ends the bus: readers get what is queued and then the end.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, sub := range b.subs {
		sub.close()
	}
}

// Subscription is one reader's queue.
type Subscription struct {
	mu     sync.Mutex
	queue  []Stamped
	closed bool
	wake   chan struct{}
}

// Next waits for the next events and returns all that are queued; ok is false after the last.
func (s *Subscription) Next() (batch []Stamped, ok bool) {
	for {
		s.mu.Lock()
		batch, s.queue = s.queue, nil
		closed := s.closed
		s.mu.Unlock()
		if len(batch) > 0 {
			return batch, true
		}
		if closed {
			return nil, false
		}
		<-s.wake
	}
}

func (s *Subscription) push(e Stamped) {
	s.mu.Lock()
	s.queue = append(s.queue, e)
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
