package logs

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/event"
)

// tail follows one container of one pod through all its instances.
type tail struct {
	namespace, pod, container, artifact string

	since  time.Time // older lines are left out
	source Source
	sink   event.Sink
	cancel context.CancelFunc

	mu     sync.Mutex
	status status
	wake   chan struct{}

	// What follows belongs to the goroutine of run.
	drained string // the container ID of the last instance that was read to its end
	seen    seen
	lines   int // how many were read over all
}

// status is what the pod last said about the container.
type status struct {
	current, previous life
	deleted           bool
}

// life is one instance of a container.
type life struct {
	id       string // empty: there is none
	started  time.Time
	ended    bool
	finished time.Time
}

func lifeOf(s corev1.ContainerState, id string) life {
	switch {
	case s.Running != nil:
		return life{id: id, started: s.Running.StartedAt.Time}
	case s.Terminated != nil:
		return life{id: s.Terminated.ContainerID, started: s.Terminated.StartedAt.Time, ended: true, finished: s.Terminated.FinishedAt.Time}
	}
	return life{}
}

// farewell is how long the rest of a log may take to come when its pod is already gone.
const farewell = 2 * time.Second

func (t *tail) update(c corev1.ContainerStatus, deleted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status = status{current: lifeOf(c.State, c.ContainerID), previous: lifeOf(c.LastTerminationState, ""), deleted: deleted}
	if deleted {
		time.AfterFunc(farewell, t.cancel)
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *tail) now() status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// The pauses before a stream that ended is opened again. The first leaves time for the news of a restart: a container's
// next instance must not be read before the rest of the one before.
const (
	firstPause = 300 * time.Millisecond
	lastPause  = 5 * time.Second
)

// due says when the next step makes sense.
type due int

const (
	onNews due = iota // when there is news of the container
	later             // after a pause, or when there is news
	now               // at once
)

// run reads until the pod is gone or ctx ends.
func (t *tail) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		s, lines := t.now(), t.lines
		next := t.step(ctx, s)
		if s.deleted && next != now {
			return
		}
		if t.lines > lines {
			pause = firstPause
		}
		if next == now {
			continue
		}
		if t.await(ctx, next, pause) {
			pause = firstPause
		} else {
			pause = min(2*pause, lastPause)
		}
	}
}

// await waits for news of the container, or for the pause. It says whether there was news.
func (t *tail) await(ctx context.Context, next due, pause time.Duration) bool {
	var again <-chan time.Time
	if next == later {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-ctx.Done():
	case <-again:
		return false
	case <-t.wake:
	}
	return true
}

// step reads one instance as far as it goes.
func (t *tail) step(ctx context.Context, s status) due {
	switch prev, cur := s.previous, s.current; {
	case t.wants(prev):
		from := t.seen.last
		if !cur.started.IsZero() && cur.started.Before(from) {
			// Lines of the current instance were read before we knew of it.
			from = cur.started
		}
		return t.finish(prev, t.read(ctx, from, &corev1.PodLogOptions{Previous: cur.id != ""}))
	case t.wants(cur) && (cur.ended || s.deleted):
		return t.finish(cur, t.read(ctx, t.seen.last, &corev1.PodLogOptions{}))
	case t.wants(cur):
		_ = t.read(ctx, t.seen.last, &corev1.PodLogOptions{Follow: true})
		return later
	}
	return onNews
}

// wants says whether an instance can have lines that we have not read.
func (t *tail) wants(l life) bool {
	return l.id != "" && l.id != t.drained && !(l.ended && l.finished.Before(t.since.Truncate(time.Second)))
}

// finish notes that an instance has been read to its end, or is out of reach.
func (t *tail) finish(l life, err error) due {
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) {
		t.drained = l.id
		return now
	}
	return later
}

func (t *tail) read(ctx context.Context, from time.Time, o *corev1.PodLogOptions) error {
	o.Container, o.Timestamps = t.container, true
	if from.Before(t.since) {
		from = t.since
	}
	if !from.IsZero() {
		// The server knows whole seconds only, and the two streams of a container may be a little out of order.
		from = from.Truncate(time.Second).Add(-time.Second)
		o.SinceTime = &metav1.Time{Time: from}
	}
	body, err := t.source.Logs(ctx, t.namespace, t.pod, o)
	if err != nil {
		return err
	}
	defer body.Close()
	again := t.seen.overlap()
	return scan(body, func(l line) {
		if l.time.Before(t.since) || again.has(l) {
			return
		}
		t.lines++
		t.seen.add(l)
		t.sink.Send(event.Log{Namespace: t.namespace, Pod: t.pod, Container: t.container, Artifact: t.artifact, Time: l.time, Line: l.text})
	})
}
