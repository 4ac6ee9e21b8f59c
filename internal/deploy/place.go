package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// The waves. What others need goes first; a webhook goes last, since from then on it judges every object, while its own
// pods are still starting.
const (
	waveFirst = iota // namespaces and definitions
	waveParts        // what pods refer to: accounts, config, claims, services
	wavePods         // what runs
	waveHooks
	waveLast = waveHooks
)

// servedWithin is how long a new definition may take until its kind is served.
const servedWithin = 15 * time.Second

// resource is the place of a kind in the API.
type resource struct {
	gvr        schema.GroupVersionResource
	namespaced bool
}

func waveOf(o *kube.Object) int {
	id := o.ID()
	switch {
	case id.Group == "" && id.Kind == "Namespace", id.Group == "apiextensions.k8s.io":
		return waveFirst
	case id.Group == "admissionregistration.k8s.io", id.Group == "apiregistration.k8s.io":
		return waveHooks
	case kube.PodSpec(o) != nil, !builtin(id.Group):
		return wavePods
	}
	return waveParts
}

// builtin is true for the groups of Kubernetes itself; other objects are for controllers, which may start pods.
func builtin(group string) bool {
	for i := range len(group) {
		if group[i] == '.' {
			return len(group) > 7 && group[len(group)-7:] == ".k8s.io"
		}
	}
	return true
}

// definedKinds is what the definitions among the objects will add to the API.
func definedKinds(objects []*kube.Object) map[schema.GroupKind]bool {
	kinds := map[schema.GroupKind]bool{}
	for _, o := range objects {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
		kinds[schema.GroupKind{Group: group, Kind: kind}] = true
	}
	return kinds
}

// place finds the resource of each object. Those whose kind is not served yet but is defined by the others come back as later.
func (d *Deployer) place(objects []*kube.Object, defined map[schema.GroupKind]bool) (targets []*target, later []*kube.Object, err error) {
	var faults diag.List
	for _, o := range objects {
		t, err := d.target(o)
		if meta.IsNoMatchError(err) && defined[o.GroupVersionKind().GroupKind()] {
			later = append(later, o)
			continue
		}
		if err != nil {
			if kube.IsUnreachable(err) {
				// Every other object would say the same.
				return nil, nil, d.cluster.Explain(err)
			}
			faults = append(faults, diag.All(d.explain(o, err))...)
			continue
		}
		targets = append(targets, t)
	}
	return targets, later, faults.Err()
}

func (d *Deployer) target(o *kube.Object) (*target, error) {
	where, err := d.resource(o.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	clean := o.Clone()
	strip(clean)
	switch {
	case !where.namespaced:
		clean.SetNamespace("")
	case clean.GetNamespace() == "":
		clean.SetNamespace(d.cluster.Namespace)
	}
	label(clean, runKey, "")
	set := d.set.id
	if d.options.Loose {
		set = ""
	}
	digest, err := digestOf(clean, set)
	if err != nil {
		return nil, err
	}
	wave := waveOf(clean)
	annotate(clean, appliedKey, digest)
	label(clean, partOf, set)
	label(clean, runKey, d.options.RunID)
	return &target{id: clean.ID(), object: clean, client: d.client(where, clean.GetNamespace()), where: where, digest: digest, wave: wave}, nil
}

// ID is the name that an object has on the cluster: with the namespace that it goes to where its manifest names none. A kind
// that is not served keeps its name as it is.
func (d *Deployer) ID(o *kube.Object) kube.ID {
	id := o.ID()
	where, err := d.resource(o.GroupVersionKind())
	switch {
	case err != nil:
	case !where.namespaced:
		id.Namespace = ""
	case id.Namespace == "":
		id.Namespace = d.cluster.Namespace
	}
	return id
}

func (d *Deployer) resource(gvk schema.GroupVersionKind) (resource, error) {
	m, err := d.cluster.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return resource{}, err
	}
	return resource{m.Resource, m.Scope.Name() == meta.RESTScopeNameNamespace}, nil
}

func (d *Deployer) client(where resource, namespace string) dynamic.ResourceInterface {
	if !where.namespaced {
		return d.cluster.Dynamic.Resource(where.gvr)
	}
	return d.cluster.Dynamic.Resource(where.gvr).Namespace(namespace)
}

// strip takes out what the server writes; manifests that were saved from a cluster have it.
func strip(o *kube.Object) {
	delete(o.Object, "status")
	metadata, ok := o.Object["metadata"].(map[string]any)
	if !ok {
		return
	}
	for _, k := range []string{"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"} {
		delete(metadata, k)
	}
}

// label sets a label, or takes it away.
func label(o *kube.Object, key, value string) {
	labels := o.GetLabels()
	if value == "" && labels[key] == "" {
		return
	}
	if labels == nil {
		labels = map[string]string{}
	}
	labels[key] = value
	if value == "" {
		delete(labels, key)
	}
	if len(labels) == 0 {
		labels = nil
	}
	o.SetLabels(labels)
}

func annotate(o *kube.Object, key, value string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	o.SetAnnotations(annotations)
}

// placeLater waits until the kinds that were just defined are served. The server says so itself, but serves them a moment
// after it says so.
func (d *Deployer) placeLater(ctx context.Context, later []*kube.Object, defined []*target) ([]*target, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, servedWithin, errNotServed)
	defer cancel()
	for {
		d.cluster.Mapper.Reset()
		targets, missing, err := d.place(later, definedBy(later))
		if err == nil && len(missing) > 0 {
			err = d.refusedNames(ctx, defined)
		}
		if err != nil || len(missing) == 0 {
			for _, t := range targets {
				t.fresh = true
			}
			return targets, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			if errors.Is(err, errNotServed) {
				return nil, d.explain(missing[0], fmt.Errorf("its definition is there, but the kind is not served after %s", servedWithin))
			}
			return nil, err
		}
	}
}

// refusedNames is an error when the cluster will never serve a definition, because another one has its names.
func (d *Deployer) refusedNames(ctx context.Context, targets []*target) error {
	for _, t := range targets {
		if t.id.Kind != "CustomResourceDefinition" {
			continue
		}
		if err := d.look1(ctx, t); err != nil || t.live == nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(t.live.Object, "status", "conditions")
		for _, c := range conditions {
			if m, ok := c.(map[string]any); ok && m["type"] == "NamesAccepted" && m["status"] == "False" {
				return d.explain(t.object, fmt.Errorf("the cluster does not accept its names: %v", m["message"]))
			}
		}
	}
	return nil
}

var errNotServed = errors.New("not served")

func definedBy(objects []*kube.Object) map[schema.GroupKind]bool {
	kinds := map[schema.GroupKind]bool{}
	for _, o := range objects {
		kinds[o.GroupVersionKind().GroupKind()] = true
	}
	return kinds
}

// pause waits, unless ctx ends first: then it returns the cause.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
