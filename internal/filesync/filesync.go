// Package filesync turns changed files into files in running containers: sync rules and changes go in, acknowledged copies
// come out.
package filesync

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Cluster is what a Syncer needs of a cluster; *kube.Cluster has it.
type Cluster interface {
	Exec(ctx context.Context, e kube.Exec) error
}

// Selection says which artifact each container of a pod runs; *kube.Selection has it.
type Selection interface {
	Members(pod *corev1.Pod) []kube.Member
}

// Seq is a moment in the order of pushes.
type Seq uint64

// Syncer keeps the containers of one session equal to the working tree. It holds a channel open to each container whose
// image is an artifact's, and remembers what it sent, so that a new container gets it as well.
type Syncer struct {
	cluster Cluster
	sink    event.Sink
	seq     atomic.Uint64
	inbox   inbox
	journal *journal      // nil: nothing is remembered beyond the session
	done    chan struct{} // closed when Run has ended
}

// Remember keeps in a file which paths were written into which containers, so that a later session can set right what this one
// left behind: a container that outlives its session is made equal to the working tree again. It is called before Run.
func (s *Syncer) Remember(file string) error {
	j, err := openJournal(file, time.Now())
	s.journal = j
	return err
}

// New returns a Syncer that does nothing until Run is called; all that is told to it before is kept.
func New(cluster Cluster, sink event.Sink) *Syncer {
	return &Syncer{cluster: cluster, sink: sink, inbox: newInbox(), done: make(chan struct{})}
}

// Select replaces the selection: containers that are no longer in it are let go, new ones get a channel.
func (s *Syncer) Select(sel Selection) {
	s.inbox.post(func(st *state) { st.choose(sel) })
}

// Pod tells what became of a pod. It never blocks.
func (s *Syncer) Pod(e kube.PodEvent) {
	s.inbox.post(func(st *state) { st.pod(e) })
}

// Mark returns the moment at which a build starts to read its files.
func (s *Syncer) Mark() Seq { return Seq(s.seq.Load()) }

// Built says that ref, as it will stand in the specs of pods, holds the files of artifact as they were at the moment that
// Mark returned: containers that run it need only what was pushed since.
func (s *Syncer) Built(artifact, ref string, mark Seq) {
	s.inbox.post(func(st *state) { st.built(artifact, ref, mark) })
}

// Push makes every running container of the artifact equal to the working tree at the paths of ops, and returns when each
// has acknowledged. since is the first notification of the change, for the time that is told. Containers that start later
// get the change by themselves. After an error the change is still owed to the container, but only a rebuild is sure to
// bring it there.
func (s *Syncer) Push(ctx context.Context, artifact string, ops []Op, since time.Time) error {
	if len(ops) == 0 {
		return nil
	}
	seq := Seq(s.seq.Add(1))
	results := make(chan []chan error, 1)
	s.inbox.post(func(st *state) { results <- st.push(artifact, ops, seq, since) })
	select {
	case <-ctx.Done():
		return fmt.Errorf("sync image %q: %w", artifact, ctx.Err())
	case <-s.done:
		return fmt.Errorf("sync image %q: %w", artifact, errEnded)
	case waits := <-results:
		return s.gather(ctx, artifact, waits)
	}
}

var errEnded = errors.New("the session has ended")

// errGone is a container that went away before it had the change. The one that follows it gets the change by itself.
var errGone = errors.New("the container is gone")

// ErrNobody is what Push returns when no container was there to take the change: those that start later get it by themselves, if
// they live long enough.
var ErrNobody = errors.New("no container is there to copy it into")

func (s *Syncer) gather(ctx context.Context, artifact string, waits []chan error) error {
	var errs []error
	reached := false
	for _, w := range waits {
		select {
		case <-ctx.Done():
			return fmt.Errorf("sync image %q: %w", artifact, ctx.Err())
		case err := <-w:
			if errors.Is(err, errGone) {
				continue
			}
			reached = true
			if err != nil {
				errs = append(errs, fmt.Errorf("sync image %q: %w", artifact, err))
			}
		}
	}
	if !reached {
		return ErrNobody
	}
	return errors.Join(errs...)
}

// Run owns the channels to the containers until ctx ends.
func (s *Syncer) Run(ctx context.Context) error {
	defer close(s.done)
	g, ctx := errgroup.WithContext(ctx)
	st := &state{
		syncer: s, pods: map[string]*corev1.Pod{}, artifacts: map[string]*overlay{}, workers: map[instance]*worker{},
		start: func(w *worker) {
			ctx, cancel := context.WithCancel(ctx)
			w.stop = cancel
			g.Go(func() error {
				defer cancel()
				w.run(ctx)
				return nil
			})
		},
	}
	for {
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-s.inbox.wake:
			for _, fn := range s.inbox.take() {
				fn(st)
			}
		}
	}
}
