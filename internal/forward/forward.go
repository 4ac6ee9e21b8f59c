// Package forward keeps local ports that lead into pods: what is wanted and the pods that there are go in, listeners that
// stay for the whole session come out.
package forward

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Dialer is what a Forwarder needs of a cluster; *kube.Cluster has it.
type Dialer interface {
	DialPod(namespace, pod string) (httpstream.Connection, error)
}

// selection says which containers of a pod are ours.
type selection interface {
	Members(pod *corev1.Pod) []kube.Member
}

// Options say what is forwarded. The zero value forwards nothing by itself.
type Options struct {
	Modes     Modes
	Address   string                     // where to listen; empty: 127.0.0.1
	Namespace string                     // of objects that name none
	Services  typedcorev1.ServicesGetter // asked for services that Want names and that were not deployed; may be nil
	Patience  time.Duration              // how long a connection waits for a pod that takes it; 0: 10 s
}

// Forwarder keeps the forwards of one session.
type Forwarder struct {
	o        Options
	sink     event.Sink
	ups      *upstreams
	picture  atomic.Pointer[picture]
	requests atomic.Int64

	mu    sync.Mutex
	queue []func(*state)
	wake  chan struct{}
}

// New returns a Forwarder that does nothing until Run is called; all that is told to it before is kept.
func New(d Dialer, o Options, sink event.Sink) *Forwarder {
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	f := &Forwarder{o: o, sink: sink, ups: newUpstreams(d), wake: make(chan struct{}, 1)}
	f.picture.Store(newPicture())
	return f
}

// Want replaces the forwards that the user asked for by name. What stays keeps its listener.
func (f *Forwarder) Want(ports []Port) {
	f.post(func(s *state) { s.wanted = slices.Clone(ports) })
}

// Deployed tells what was deployed: the services among the objects are forwarded where the modes say so.
func (f *Forwarder) Deployed(objects []*kube.Object) {
	services := servicesIn(objects, f.o.Namespace)
	f.post(func(s *state) { s.deployed = services })
}

// Select replaces the selection, of whose pods ports are forwarded where the modes say so.
func (f *Forwarder) Select(sel *kube.Selection) { f.choose(sel) }

func (f *Forwarder) choose(sel selection) {
	f.post(func(s *state) {
		s.sel = sel
		// A deployment may have changed them.
		for name := range s.found {
			delete(s.asked, name)
		}
	})
}

// Pod tells what became of a pod. It never blocks.
func (f *Forwarder) Pod(e kube.PodEvent) {
	f.post(func(s *state) {
		if e.Deleted {
			delete(s.pods, e.Pod.UID)
			f.ups.forget(e.Pod.UID)
			return
		}
		s.pods[e.Pod.UID] = e.Pod
	})
}

func (f *Forwarder) post(fn func(*state)) {
	f.mu.Lock()
	f.queue = append(f.queue, fn)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *Forwarder) take() []func(*state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fns := f.queue
	f.queue = nil
	return fns
}

// Run owns the listeners until ctx ends.
func (f *Forwarder) Run(ctx context.Context) error {
	defer f.ups.close()
	g, ctx := errgroup.WithContext(ctx)
	s := &state{
		Forwarder: f, pods: map[types.UID]*corev1.Pod{}, deployed: map[types.NamespacedName]*corev1.Service{},
		found: map[types.NamespacedName]*corev1.Service{}, asked: map[types.NamespacedName]bool{}, entries: map[key]*entry{},
		spawn: func(fn func(context.Context)) context.CancelFunc {
			ctx, cancel := context.WithCancel(ctx)
			g.Go(func() error { defer cancel(); fn(ctx); return nil })
			return cancel
		},
	}
	for {
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-f.wake:
			for _, fn := range f.take() {
				fn(s)
			}
			s.settle()
		}
	}
}

// state is what one session knows. The goroutine of Run owns it.
type state struct {
	*Forwarder
	sel      selection
	pods     map[types.UID]*corev1.Pod
	wanted   []Port
	deployed map[types.NamespacedName]*corev1.Service
	found    map[types.NamespacedName]*corev1.Service // that the cluster had all along
	asked    map[types.NamespacedName]bool            // being looked for, or found
	entries  map[key]*entry
	spawn    func(func(context.Context)) context.CancelFunc
}

// settle makes the listeners what is wanted now, and shows the connections the new picture.
func (s *state) settle() {
	p := newPicture()
	for name, svc := range s.found {
		p.services[name] = svc
	}
	for name, svc := range s.deployed {
		p.services[name] = svc
	}
	for _, pod := range s.pods {
		p.add(pod, s.sel)
	}
	old := s.picture.Swap(p)
	close(old.replaced)

	specs := p.specs(s.o.Modes, s.wanted, s.deployed)
	keep := map[key]bool{}
	for _, sp := range specs {
		keep[sp.key] = true
		s.ask(sp)
		if s.entries[sp.key] == nil {
			s.open(sp)
		}
	}
	for k, e := range s.entries {
		if !keep[k] && !(e.spec.auto && p.mayReturn(e.spec)) {
			e.close()
			delete(s.entries, k)
		}
	}
}

func (s *state) open(sp spec) {
	e := &entry{Forwarder: s.Forwarder, spec: sp}
	s.entries[sp.key] = e
	e.close = s.spawn(e.run)
}

// ask looks for a service that was not deployed by this session.
func (s *state) ask(sp spec) {
	name := types.NamespacedName{Namespace: sp.namespace, Name: sp.name}
	if sp.kind != "service" || s.deployed[name] != nil || s.asked[name] || s.o.Services == nil {
		return
	}
	s.asked[name] = true
	s.spawn(func(ctx context.Context) { s.find(ctx, name) })
}

const askAgain = 2 * time.Second

func (f *Forwarder) find(ctx context.Context, name types.NamespacedName) {
	for {
		svc, err := f.o.Services.Services(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
		if err == nil {
			f.post(func(s *state) { s.found[name] = svc })
			return
		}
		timer := time.NewTimer(askAgain)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
