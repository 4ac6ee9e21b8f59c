package status_test

import (
	"sync"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

// heard keeps what a wait tells.
type heard struct {
	mu     sync.Mutex
	events []event.Event
}

// Send is part of event.Sink.
func (h *heard) Send(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// texts is one line per event.
func (h *heard) texts() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, e := range h.events {
		switch e := e.(type) {
		case event.Ready:
			all = append(all, "ready "+e.Object)
		case event.Waiting:
			all = append(all, "waiting "+e.Object+": "+e.Reason)
		case event.Note:
			all = append(all, "note "+e.Text)
		}
	}
	return all
}

// code is the exit code that an error of this package asks for.
func code(err error) diag.Code { return diag.All(err)[0].Code }
