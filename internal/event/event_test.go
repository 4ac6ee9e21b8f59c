package event_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/event"
)

func drain(s *event.Subscription) []string {
	var got []string
	for {
		batch, ok := s.Next()
		if !ok {
			return got
		}
		for _, e := range batch {
			got = append(got, e.Event.(event.Note).Text)
		}
	}
}

func TestEverySubscriberGetsAllInOrder(t *testing.T) {
	var bus event.Bus
	first := bus.Subscribe()
	bus.Send(event.Note{Text: "a"})
	second := bus.Subscribe()
	bus.Send(event.Note{Text: "b"})
	bus.Close()
	bus.Send(event.Note{Text: "late"})
	if diff := cmp.Diff([]string{"a", "b"}, drain(first)); diff != "" {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b"}, drain(second)); diff != "" {
		t.Errorf("the second (-want +got):\n%s", diff)
	}
	if got := drain(bus.Subscribe()); got != nil {
		t.Errorf("a reader of a closed bus got %v", got)
	}
}

func TestSendDoesNotWaitForReaders(t *testing.T) {
	var bus event.Bus
	sub := bus.Subscribe()
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			for j := range 500 {
				bus.Send(event.Note{Text: fmt.Sprint(i, j)})
			}
		})
	}
	senders.Wait()
	bus.Close()
	if got := len(drain(sub)); got != 4000 {
		t.Errorf("%d events arrived, want 4000", got)
	}
}
