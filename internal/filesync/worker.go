package filesync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

// worker brings batches to one instance of a container, one after the other.
type worker struct {
	target
	cluster Cluster
	sink    event.Sink
	stop    context.CancelFunc
	note    func([]Op)  // writes down what is about to be sent; the state's own
	current atomic.Bool // the container runs what was rendered last
	over    atomic.Bool // the instance has ended

	mu      sync.Mutex
	first   *job // the replay
	pending *job
	closed  bool
	wake    chan struct{}

	// What follows belongs to the goroutine of run.
	host host
	road road
	owed map[string]Op // what a failed push left undone
	late bool          // owed is tried again as soon as there is a road
}

// job is what is to be done for a container, the latest of each path.
type job struct {
	ops    map[string]Op
	since  time.Time
	replay bool
	waits  []chan error
}

func newWorker(cluster Cluster, sink event.Sink, t target) *worker {
	return &worker{target: t, cluster: cluster, sink: sink, wake: make(chan struct{}, 1), owed: map[string]Op{}}
}

func (w *worker) setCurrent(current bool) { w.current.Store(current) }

// gone ends the worker because its container is over. Whoever waits for it is told that all is well: what runs next gets
// a replay.
func (w *worker) gone() {
	w.over.Store(true)
	w.stop()
}

func (w *worker) replay(ops []Op, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.first = &job{ops: map[string]Op{}, since: since, replay: true}
	w.first.add(ops)
	w.poke()
}

// push queues ops behind the batch that is under way, together with what already waits there.
func (w *worker) push(ops []Op, since time.Time, wait chan error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		wait <- w.ending()
		return
	}
	if w.pending == nil {
		w.pending = &job{ops: map[string]Op{}, since: since}
	}
	w.pending.add(ops)
	w.pending.waits = append(w.pending.waits, wait)
	w.poke()
}

func (j *job) add(ops []Op) {
	for _, op := range ops {
		j.ops[op.Remote] = op
	}
}

func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) take() *job {
	w.mu.Lock()
	defer w.mu.Unlock()
	j := w.first
	if j != nil {
		w.first = nil
		return j
	}
	j, w.pending = w.pending, nil
	return j
}

// run does the jobs until ctx ends, and keeps a road open meanwhile.
func (w *worker) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer w.finish()
	w.host = host{cluster: w.cluster, target: w.target, wg: &wg}
	idle := &backoff{}
	for ctx.Err() == nil {
		for j := w.take(); j != nil; j = w.take() {
			w.do(ctx, j)
		}
		w.await(ctx, w.upkeep(ctx, idle))
	}
}

// upkeep opens a road ahead of its use. If that cannot be done now, it returns when to try again.
func (w *worker) upkeep(ctx context.Context, idle *backoff) <-chan time.Time {
	if w.road != nil || w.lazy || idle.hopeless {
		return nil
	}
	if err := w.connect(ctx); err != nil {
		return idle.next(err)
	}
	if w.late {
		w.do(ctx, &job{ops: map[string]Op{}, since: time.Now(), replay: true})
	}
	if w.road == nil {
		return idle.next(nil)
	}
	*idle = backoff{}
	return nil
}

// await returns when there is something to do.
func (w *worker) await(ctx context.Context, retry <-chan time.Time) {
	var dead <-chan struct{}
	if w.road != nil {
		dead = w.road.dead()
	}
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-retry:
	case <-dead:
		// The kubelet drops a stream that is idle for 4 h, and a proxy on the way much earlier: open another.
		w.disconnect()
	}
}

// backoff spaces the attempts to open a road that nobody waits for.
type backoff struct {
	wait     time.Duration
	hopeless bool
}

func (b *backoff) next(err error) <-chan time.Time {
	if errors.Is(err, errFinal) {
		b.hopeless = true
		return nil
	}
	b.wait = min(max(2*b.wait, 200*time.Millisecond), 10*time.Second)
	return time.After(b.wait)
}

func (w *worker) connect(ctx context.Context) error {
	r, err := w.host.open(ctx)
	if err == nil {
		w.road = r
	}
	return err
}

func (w *worker) disconnect() {
	if w.road != nil {
		w.road.close()
		w.road = nil
	}
}

// finish answers all who wait when there will be no more work.
func (w *worker) finish() {
	w.disconnect()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.pending != nil {
		w.pending.answer(w.ending())
	}
}

func (w *worker) ending() error {
	if w.over.Load() {
		return errGone
	}
	return errEnded
}

func (j *job) answer(err error) {
	for _, wait := range j.waits {
		wait <- err
	}
}

func (w *worker) do(ctx context.Context, j *job) {
	for remote, op := range w.owed {
		if _, newer := j.ops[remote]; !newer {
			j.ops[remote] = op
		}
	}
	b, err := w.deliver(ctx, slices.Collect(maps.Values(j.ops)))
	if err != nil {
		w.owed, w.late = j.ops, !answered(err)
		err = w.judge(ctx, err)
		if err != nil && !errors.Is(err, errEnded) {
			w.tell(j, b, err)
		}
		j.answer(err)
		return
	}
	clear(w.owed)
	w.late = false
	if !b.empty() {
		w.tell(j, b, nil)
	}
	j.answer(nil)
}

func (w *worker) tell(j *job, b batch, err error) {
	w.sink.Send(event.Synced{
		Image: w.artifact, Namespace: w.namespace, Pod: w.pod, Container: w.container,
		Copied: b.copied, Deleted: b.deleted, Bytes: b.bytes, Took: time.Since(j.since), Replay: j.replay, Err: err,
	})
}

// deliver sends the files as they are now, and once more over a fresh road when the first try fails.
func (w *worker) deliver(ctx context.Context, ops []Op) (b batch, err error) {
	for try := 1; ; try++ {
		if b, err = pack(ops); err != nil || b.empty() {
			return b, err
		}
		if err = w.send(ctx, b); err == nil || try == 2 || errors.Is(err, errFinal) || ctx.Err() != nil {
			return b, err
		}
	}
}

func (w *worker) send(ctx context.Context, b batch) error {
	if w.road == nil {
		if err := w.connect(ctx); err != nil {
			return err
		}
	}
	err := w.road.push(ctx, b)
	if err != nil {
		w.disconnect()
	}
	return err
}

// answered says that the container itself refused, so that neither it nor the link is gone.
func answered(err error) bool {
	var e *diag.Error
	return errors.As(err, &e)
}

// grace is how long the news of a container's end may be behind the failure that the end causes.
const grace = time.Second

// judge tells a failure from the end of the container, which is none.
func (w *worker) judge(ctx context.Context, err error) error {
	if !answered(err) {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return w.ending()
		case <-timer.C:
		}
	}
	// A container of an earlier rollout is about to go; its fate must not cause a rebuild.
	if !w.current.Load() {
		return nil
	}
	return err
}
