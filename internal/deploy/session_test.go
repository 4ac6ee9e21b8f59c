package deploy_test

import (
	"context"
	"slices"
	"sync"

	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// heard keeps what a deployer tells.
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

// actions is what happened to which object since the last call, sorted.
func (h *heard) actions() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, e := range h.events {
		if a, ok := e.(event.Applied); ok {
			all = append(all, a.Action+" "+a.Object)
		}
	}
	h.events = nil
	slices.Sort(all)
	return all
}

// warnings is what a user is warned of.
func (h *heard) warnings() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, e := range h.events {
		if n, ok := e.(event.Note); ok && n.Warn {
			all = append(all, n.Text)
		}
	}
	return all
}

func session(c *kube.Cluster) (*deploy.Deployer, *heard) {
	h := &heard{}
	return deploy.New(c, deploy.Options{Project: "boats", Owner: "ann@here:/boats"}, h), h
}

var deleteNow = metav1.DeleteOptions{}

// byKubectl applies as another manager does, and takes over what it finds.
func byKubectl(ctx context.Context, c *kube.Cluster, objects []*kube.Object) error {
	for _, o := range objects {
		m, err := c.Mapper.RESTMapping(o.GroupVersionKind().GroupKind())
		if err != nil {
			return err
		}
		_, err = c.Dynamic.Resource(m.Resource).Namespace(c.Namespace).Apply(ctx, o.GetName(), &o.Unstructured,
			metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		if err != nil {
			return err
		}
	}
	return nil
}
