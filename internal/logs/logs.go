// Package logs follows what the containers of a session write: pods go in, every line comes out once, whatever happens to
// the streams and containers meanwhile.
package logs

import (
	"context"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Source is what a Tailer needs of a cluster; *kube.Cluster has it.
type Source interface {
	Logs(ctx context.Context, namespace, pod string, o *corev1.PodLogOptions) (io.ReadCloser, error)
}

// selection says which containers of a pod are ours.
type selection interface {
	Members(pod *corev1.Pod) []kube.Member
}

// Options say how far back the logs go.
type Options struct {
	Since time.Time // older lines of pods that are older themselves are left out; zero leaves out nothing
}

// Tailer follows the containers of one session, init containers too.
type Tailer struct {
	source Source
	o      Options
	sink   event.Sink

	mu    sync.Mutex
	queue []func(*state)
	wake  chan struct{}
}

// New returns a Tailer that does nothing until Run is called; all that is told to it before is kept.
func New(source Source, o Options, sink event.Sink) *Tailer {
	return &Tailer{source: source, o: o, sink: sink, wake: make(chan struct{}, 1)}
}

// Select replaces the selection. A container that was followed before is followed to its end.
func (t *Tailer) Select(sel *kube.Selection) { t.choose(sel) }

func (t *Tailer) choose(sel selection) {
	t.post(func(s *state) {
		s.sel = sel
		for _, pod := range s.pods {
			s.look(pod, false)
		}
	})
}

// Pod tells what became of a pod. It never blocks.
func (t *Tailer) Pod(e kube.PodEvent) {
	t.post(func(s *state) {
		s.look(e.Pod, e.Deleted)
		if e.Deleted {
			delete(s.pods, e.Pod.UID)
			return
		}
		s.pods[e.Pod.UID] = e.Pod
	})
}

func (t *Tailer) post(fn func(*state)) {
	t.mu.Lock()
	t.queue = append(t.queue, fn)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *Tailer) take() []func(*state) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fns := t.queue
	t.queue = nil
	return fns
}

// Run owns the streams until ctx ends.
func (t *Tailer) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	s := &state{pods: map[types.UID]*corev1.Pod{}, tails: map[key]*tail{}, since: t.o.Since}
	s.start = func(tl *tail) {
		tl.source, tl.sink = t.source, t.sink
		ctx, cancel := context.WithCancel(ctx)
		tl.cancel = cancel
		g.Go(func() error {
			defer cancel()
			tl.run(ctx)
			return nil
		})
	}
	for {
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-t.wake:
			for _, fn := range t.take() {
				fn(s)
			}
		}
	}
}

// state is what one session knows. The goroutine of Run owns it.
type state struct {
	sel   selection
	pods  map[types.UID]*corev1.Pod
	tails map[key]*tail
	since time.Time
	start func(*tail)
}

type key struct {
	pod       types.UID
	container string
}

func (s *state) look(pod *corev1.Pod, deleted bool) {
	if s.sel != nil {
		for _, m := range s.sel.Members(pod) {
			s.add(pod, m, deleted)
		}
	}
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, c := range list {
			if t := s.tails[key{pod.UID, c.Name}]; t != nil {
				t.update(c, deleted)
			}
		}
	}
	if deleted {
		for k := range s.tails {
			if k.pod == pod.UID {
				delete(s.tails, k)
			}
		}
	}
}

func (s *state) add(pod *corev1.Pod, m kube.Member, deleted bool) {
	k := key{pod.UID, m.Container}
	if s.tails[k] != nil || deleted {
		return
	}
	t := &tail{namespace: pod.Namespace, pod: pod.Name, container: m.Container, artifact: m.Artifact, wake: make(chan struct{}, 1)}
	// The pod's time counts whole seconds.
	if pod.CreationTimestamp.Time.Before(s.since.Truncate(time.Second)) {
		t.since = s.since
	}
	s.tails[k] = t
	s.start(t)
}
