package watch

import (
	"errors"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// raw is one notification as it came, or the news that some were lost.
type raw struct {
	event fsnotify.Event
	at    time.Time
	lost  bool
}

// queue has no limit, so that the kernel's own, which has one, is emptied whatever we are doing.
type queue struct {
	wake chan struct{} // capacity 1

	mu    sync.Mutex
	items []raw
}

func (q *queue) push(r raw) {
	q.mu.Lock()
	q.items = append(q.items, r)
	q.mu.Unlock()
	signal(q.wake)
}

func (q *queue) take() []raw {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// pump moves everything that fs tells to the queue until fs is closed.
func (q *queue) pump(fs *fsnotify.Watcher) {
	events, errs := fs.Events, fs.Errors
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if e.Op != 0 && e.Name != "" {
				q.push(raw{event: e, at: time.Now()})
			}
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			// The others tell of watches that ended with their folder, which we know from its parent.
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				q.push(raw{lost: true, at: time.Now()})
			}
		}
	}
}
