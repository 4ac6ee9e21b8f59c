package kube

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// PodEvent is a pod as it is now, or as it last was.
type PodEvent struct {
	Pod     *corev1.Pod
	Deleted bool
}

// WatchPods tells fn of every pod in the namespaces ("" stands for the session's own), first those that are there, then
// each change. It lists again after a disconnect, so nothing is missed for good; it blocks until ctx ends, or until the
// server says that we may not look. fn is called for one event at a time, in order.
func (c *Cluster) WatchPods(ctx context.Context, namespaces []string, fn func(PodEvent)) error {
	var one sync.Mutex
	tell := func(pod *corev1.Pod, deleted bool) {
		one.Lock()
		defer one.Unlock()
		if ctx.Err() == nil {
			fn(PodEvent{pod, deleted})
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, ns := range c.namespaces(namespaces) {
		g.Go(func() error {
			pods := c.Typed.CoreV1().Pods(ns)
			lw := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) },
				WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
					return pods.Watch(ctx, o)
				},
			}, c.Typed)
			err := follow(ctx, lw, &corev1.Pod{}, nil, func(o metav1.Object, deleted bool) {
				o.SetManagedFields(nil) // half of a pod's bytes, and nobody reads them
				tell(o.(*corev1.Pod), deleted)
			})
			if err != nil {
				return c.Explain(fmt.Errorf("watch pods in namespace %s: %w", ns, err))
			}
			return nil
		})
	}
	return g.Wait()
}

func (c *Cluster) namespaces(names []string) []string {
	var all []string
	for _, ns := range names {
		if ns == "" {
			ns = c.Namespace
		}
		all = append(all, ns)
	}
	if len(all) == 0 {
		all = []string{c.Namespace}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Watch tells fn of every object of a resource in a namespace ("" means all, or a resource that has none), as WatchPods
// does. listed, if not nil, is called after each complete list: what was not told by then is not there.
func (c *Cluster) Watch(ctx context.Context, r schema.GroupVersionResource, namespace string, o metav1.ListOptions,
	listed func(), fn func(o *unstructured.Unstructured, deleted bool)) error {
	client := c.Dynamic.Resource(r).Namespace(namespace)
	lw := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, page metav1.ListOptions) (runtime.Object, error) {
			page.LabelSelector, page.FieldSelector = o.LabelSelector, o.FieldSelector
			return client.List(ctx, page)
		},
		WatchFuncWithContext: func(ctx context.Context, page metav1.ListOptions) (watch.Interface, error) {
			page.LabelSelector, page.FieldSelector = o.LabelSelector, o.FieldSelector
			return client.Watch(ctx, page)
		},
	}, c.Dynamic)
	err := follow(ctx, lw, &unstructured.Unstructured{}, listed, func(o metav1.Object, deleted bool) {
		fn(o.(*unstructured.Unstructured), deleted)
	})
	if err != nil {
		return c.Explain(fmt.Errorf("watch %s: %w", r.Resource, err))
	}
	return nil
}

// follow runs a reflector until ctx ends, or until the server refuses for a reason that waiting does not mend.
func follow(ctx context.Context, lw cache.ListerWatcher, kind runtime.Object, listed func(), tell func(metav1.Object, bool)) error {
	// The reflector reports each dropped connection to klog, which would write over the user's screen.
	ctx = klog.NewContext(ctx, logr.Discard())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := &refusals{ListerWatcherWithContext: cache.ToListerWatcherWithContext(lw), lw: lw, stop: cancel}
	store := &feed{tell: tell, known: map[string]metav1.Object{}, listed: func() {
		watched.allowed.Store(true)
		if listed != nil {
			listed()
		}
	}}
	cache.NewReflectorWithOptions(watched, kind, store, cache.ReflectorOptions{
		Name: "skiff",
		// The default waits up to 30 s, in which a restarted API server has long been back.
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Cap: 2 * time.Second, Steps: 20, Factor: 2, Jitter: 0.2},
	}).RunWithContext(ctx)
	if cause := context.Cause(ctx); apierrors.IsForbidden(cause) || apierrors.IsUnauthorized(cause) || apierrors.IsNotFound(cause) {
		return cause
	}
	return nil
}

// refusals ends the watch at an answer that stays the same however often it is asked. After a first complete list such
// an answer means something else: an API server that is just starting refuses everybody.
type refusals struct {
	cache.ListerWatcherWithContext
	lw      cache.ListerWatcher
	stop    context.CancelCauseFunc
	allowed atomic.Bool
}

// ListWithContext is part of cache.ListerWatcherWithContext.
func (r *refusals) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	l, err := r.ListerWatcherWithContext.ListWithContext(ctx, o)
	r.look(err)
	return l, err
}

// WatchWithContext is part of cache.ListerWatcherWithContext.
func (r *refusals) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	w, err := r.ListerWatcherWithContext.WatchWithContext(ctx, o)
	r.look(err)
	return w, err
}

// List is part of cache.ListerWatcher, which the reflector's constructor asks for; it calls ListWithContext.
func (r *refusals) List(o metav1.ListOptions) (runtime.Object, error) {
	//lint:ignore SA1019 the interface has it
	return r.lw.List(o)
}

// Watch is part of cache.ListerWatcher, which the reflector's constructor asks for; it calls WatchWithContext.
func (r *refusals) Watch(o metav1.ListOptions) (watch.Interface, error) {
	//lint:ignore SA1019 the interface has it
	return r.lw.Watch(o)
}

// IsWatchListSemanticsUnSupported says whether the client below can stream its first list; fakes cannot.
func (r *refusals) IsWatchListSemanticsUnSupported() bool {
	u, ok := r.lw.(interface{ IsWatchListSemanticsUnSupported() bool })
	return ok && u.IsWatchListSemanticsUnSupported()
}

func (r *refusals) look(err error) {
	if !r.allowed.Load() && (apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err)) {
		r.stop(err)
	}
}

// feed is the store behind a reflector: it keeps just enough to tell what a new list no longer has.
type feed struct {
	tell   func(metav1.Object, bool)
	listed func()
	known  map[string]metav1.Object
}

var _ cache.ReflectorStore = (*feed)(nil)

// Add is part of cache.ReflectorStore.
func (f *feed) Add(o any) error { return f.Update(o) }

// Update is part of cache.ReflectorStore.
func (f *feed) Update(o any) error {
	m := o.(metav1.Object)
	f.known[key(m)] = m
	f.tell(m, false)
	return nil
}

// Delete is part of cache.ReflectorStore.
func (f *feed) Delete(o any) error {
	m := o.(metav1.Object)
	delete(f.known, key(m))
	f.tell(m, true)
	return nil
}

// Replace is part of cache.ReflectorStore: it tells only what differs from before.
func (f *feed) Replace(list []any, _ string) error {
	before := f.known
	f.known = make(map[string]metav1.Object, len(list))
	for _, o := range list {
		m := o.(metav1.Object)
		f.known[key(m)] = m
	}
	for k, old := range before {
		// A pod that was deleted and made again under its name while we could not look is two pods.
		if now := f.known[k]; now == nil || now.GetUID() != old.GetUID() {
			f.tell(old, true)
		}
	}
	for _, o := range list {
		m := o.(metav1.Object)
		if old := before[key(m)]; old == nil || old.GetUID() != m.GetUID() || old.GetResourceVersion() != m.GetResourceVersion() {
			f.tell(m, false)
		}
	}
	f.listed()
	return nil
}

// Resync is part of cache.ReflectorStore.
func (f *feed) Resync() error { return nil }

func key(o metav1.Object) string { return o.GetNamespace() + "/" + o.GetName() }
