// Package status waits until what was deployed runs, or says why it does not: objects as the server took them go in, nil or the cause comes out.
package status

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Options say how patient the wait is. The zero value is what Skaffold does, with failures told at once.
type Options struct {
	Deadline         time.Duration // 0 means 10 minutes; a Deployment that sets a longer one for itself has that
	TolerateFailures bool          // nothing fails before the deadline, it may still recover
	KeepGoing        bool          // a failure does not end the wait for the others
	Selectors        []Selector    // kinds whose controllers must have spoken
	Quiet            time.Duration // how long nothing is said; 0 means 3 s
	// Settle is how long the wait goes on after a container without a readiness probe is told to be ready: the kubelet calls
	// it so in the moment in which it starts, also when it is about to crash. 0 means 1.5 s, which is longer than the kubelet
	// takes to notice; a negative value means not at all. After a crash it is four times as long.
	Settle time.Duration
}

const (
	defaultDeadline = 10 * time.Minute
	defaultQuiet    = 3 * time.Second
	defaultSettle   = 1500 * time.Millisecond
	// settled is the age of a container whose start is no news.
	settled = time.Minute
	// unscheduledFor is how long a pod may find no node, unless a new node is on its way.
	unscheduledFor = 30 * time.Second
	// failedFor is how long a controller may fail to make pods: in a rollout the old ones may first have to make room.
	failedFor = 3 * time.Second
	// staleFor bounds the wait for the restart of a container whose image was changed in place.
	staleFor = 20 * time.Second
)

// Wait returns nil when every object is as its manifest wants it: at once when all are already, and otherwise by watch.
// objects are what the server returned, with their status. It fails as soon as waiting longer is of no use: see cause.go
// for what counts. The end of ctx ends the wait with its error.
func Wait(ctx context.Context, cluster *kube.Cluster, objects []*kube.Object, o Options, sink event.Sink) error {
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	if o.Quiet <= 0 {
		o.Quiet = defaultQuiet
	}
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	w := &waiter{cluster: cluster, options: o, sink: sink, began: time.Now(), pods: map[string]*corev1.Pod{}, inputs: make(chan input)}
	for _, object := range objects {
		it := newItem(object, w.began)
		it.selected, it.deadline = selected(o.Selectors, it.gvk.GroupKind()), o.Deadline
		if own := ownDeadline(object); own > o.Deadline {
			it.deadline = own
		}
		if it.evaluate(nil).state != ready {
			w.items = append(w.items, it)
		}
	}
	if len(w.items) == 0 {
		return ctx.Err()
	}
	return w.run(ctx)
}

// waiter owns the state of one wait; its loop is the only one to touch it.
type waiter struct {
	cluster *kube.Cluster
	options Options
	sink    event.Sink
	began   time.Time
	items   []*item // still pending
	pods    map[string]*corev1.Pod
	inputs  chan input
	failed  diag.List // with KeepGoing: what has failed so far
}

// input is one change that a watch saw.
type input struct {
	object  *unstructured.Unstructured
	pod     *corev1.Pod
	deleted bool
	missing *place // instead: an object that was not there when its watch began
	name    string
}

var errDone = errors.New("done")

func (w *waiter) run(ctx context.Context) error {
	outer := ctx
	g, ctx := errgroup.WithContext(ctx)
	if err := w.watch(ctx, g); err != nil {
		return err
	}
	g.Go(func() error {
		if err := w.loop(ctx); err != nil {
			return err
		}
		return errDone // ends the watches
	})
	err := g.Wait()
	switch {
	case errors.Is(err, errDone):
		return nil
	case outer.Err() != nil:
		return outer.Err()
	}
	return err
}

// place is where a watch looks.
type place struct {
	gvr       schema.GroupVersionResource
	namespace string
}

func (w *waiter) watch(ctx context.Context, g *errgroup.Group) error {
	names := map[place][]string{}
	namespaces := map[string]bool{}
	for _, it := range w.items {
		m, err := w.cluster.Mapper.RESTMapping(it.gvk.GroupKind(), it.gvk.Version)
		if err != nil {
			return w.cluster.Explain(fmt.Errorf("watch %s: %w", it.id, err))
		}
		at := place{m.Resource, it.id.Namespace}
		it.at = at
		names[at] = append(names[at], it.id.Name)
		if it.runsPods {
			namespaces[it.id.Namespace] = true
		}
	}
	for at, list := range names {
		var o metav1.ListOptions
		if len(list) == 1 {
			o.FieldSelector = fields.OneTermEqualSelector("metadata.name", list[0]).String()
		}
		g.Go(func() error { return w.follow(ctx, at, list, o) })
	}
	var all []string
	for ns := range namespaces {
		all = append(all, ns)
	}
	if len(all) == 0 {
		return nil
	}
	g.Go(func() error {
		err := w.cluster.WatchPods(ctx, all, func(e kube.PodEvent) {
			w.put(ctx, input{pod: e.Pod, deleted: e.Deleted})
		})
		if err != nil && ctx.Err() == nil {
			// Without pods there are no causes; whether the objects are ready is still seen.
			w.sink.Send(event.Note{Text: "causes are not shown: " + err.Error(), Warn: true})
		}
		return nil
	})
	return nil
}

func (w *waiter) follow(ctx context.Context, at place, names []string, o metav1.ListOptions) error {
	seen := map[string]bool{}
	listed := func() {
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			// The list may come from a cache that does not have what we just made, so only this answer counts.
			_, err := w.cluster.Dynamic.Resource(at.gvr).Namespace(at.namespace).Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				w.put(ctx, input{missing: &at, name: name})
			}
		}
	}
	return w.cluster.Watch(ctx, at.gvr, at.namespace, o, listed, func(o *unstructured.Unstructured, deleted bool) {
		seen[o.GetName()] = true
		w.put(ctx, input{object: o, deleted: deleted})
	})
}

func (w *waiter) put(ctx context.Context, in input) {
	select {
	case w.inputs <- in:
	case <-ctx.Done():
	}
}

func (w *waiter) loop(ctx context.Context) error {
	deadline := time.NewTimer(w.nextDeadline())
	defer deadline.Stop()
	// What the cluster does is seen by watch; the tick is for what only time tells.
	tick := time.NewTicker(min(w.options.Quiet, 200*time.Millisecond))
	defer tick.Stop()
	for len(w.items) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			if err := w.tooLate(); err != nil {
				return err
			}
			deadline.Reset(w.nextDeadline())
		case in := <-w.inputs:
			if err := w.take(ctx, in); err != nil {
				return err
			}
		case <-tick.C:
			if err := w.review(ctx, w.items); err != nil {
				return err
			}
		}
	}
	return w.failed.Err()
}

// take puts a change in and looks again at the objects that it may concern.
func (w *waiter) take(ctx context.Context, in input) error {
	if in.pod != nil {
		key := string(in.pod.UID)
		if in.deleted {
			delete(w.pods, key)
		} else {
			w.pods[key] = in.pod
		}
	}
	var concerned []*item
	for _, it := range w.items {
		switch {
		case in.missing != nil && it.at == *in.missing && it.id.Name == in.name, in.object != nil && it.is(in.object) && in.deleted:
			if err := w.fail(it, it.fail("it was deleted", "", w.began)); err != nil {
				return err
			}
		case in.object != nil && it.is(in.object):
			it.update(in.object)
			concerned = append(concerned, it)
		case in.pod != nil && it.mayOwn(in.pod):
			concerned = append(concerned, it)
		}
	}
	return w.review(ctx, concerned)
}

// review looks at objects again: what is ready is told and dropped, what failed ends the wait.
func (w *waiter) review(ctx context.Context, items []*item) error {
	for _, it := range items {
		v := w.settle(it, it.evaluate(w.pods))
		if v.state != ready && v.state != settling {
			v = w.cause(ctx, it, v)
		}
		switch v.state {
		case ready:
			w.drop(it)
			w.tellReady(it)
		case settling:
			w.tellReady(it)
		case failed:
			if w.options.TolerateFailures {
				w.say(it, v)
				continue
			}
			w.lastLines(ctx, v)
			if err := w.fail(it, it.fail(v.reason, v.hint, w.began)); err != nil {
				return err
			}
		default:
			w.say(it, v)
		}
	}
	return ctx.Err()
}

// tellReady tells, once, that the cluster calls an object ready.
func (w *waiter) tellReady(it *item) {
	if !it.told {
		it.told = true
		w.sink.Send(event.Ready{Object: it.id.String(), Took: time.Since(w.began)})
	}
}

// fail ends the wait with the failure of an object, or only its part in it.
func (w *waiter) fail(it *item, failure *diag.Error) error {
	if !w.options.KeepGoing {
		return failure
	}
	w.drop(it)
	w.failed = append(w.failed, failure)
	w.sink.Send(event.Waiting{Object: it.id.String(), Reason: "it has failed; the others are waited for", Since: time.Since(w.began)})
	return nil
}

// say tells what is waited for, once it takes long, and whenever that changes.
func (w *waiter) say(it *item, v verdict) {
	it.last = v
	waited := time.Since(w.began)
	if v.reason == "" || v.reason == it.said || waited < w.options.Quiet && !v.telling {
		return
	}
	it.said = v.reason
	w.sink.Send(event.Waiting{Object: it.id.String(), Reason: v.reason, Since: waited})
}

func (w *waiter) drop(done *item) {
	var rest []*item
	for _, it := range w.items {
		if it != done {
			rest = append(rest, it)
		}
	}
	w.items = rest
}

// nextDeadline is the time that is left until the first object is too late.
func (w *waiter) nextDeadline() time.Duration {
	next := time.Duration(math.MaxInt64)
	for _, it := range w.items {
		next = min(next, it.deadline)
	}
	return next - time.Since(w.began)
}

// tooLate fails for the objects whose time is over. What is ready and only settles is not late.
func (w *waiter) tooLate() error {
	var late diag.List
	for _, it := range slices.Clone(w.items) {
		if time.Since(w.began) < it.deadline {
			continue
		}
		w.drop(it)
		if it.told && !it.since.IsZero() {
			continue
		}
		reason := it.last.reason
		if reason == "" {
			reason = "the cluster says nothing about it"
		}
		late = append(late, it.fail(reason, it.last.hint, w.began))
	}
	if w.options.KeepGoing {
		w.failed = append(w.failed, late...)
		return nil
	}
	return late.Err()
}

// ownDeadline is the one that a Deployment sets for itself; 600 s is what the cluster writes where it sets none.
func ownDeadline(o *kube.Object) time.Duration {
	seconds, _, _ := unstructured.NestedInt64(o.Object, "spec", "progressDeadlineSeconds")
	if o.GetKind() != "Deployment" || seconds == 600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
