package deploy

import (
	"context"
	"fmt"
	"sync"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// look finds what is there when a session begins: the members of the set, by one list per kind and namespace, and each
// target that is none of them, by its name. It returns the members.
func (d *Deployer) look(ctx context.Context, targets []*target) (map[kube.ID]*target, error) {
	members := map[kube.ID]*target{}
	if !d.options.Loose {
		if err := d.readParent(ctx); err != nil {
			return nil, d.cluster.Explain(fmt.Errorf("read ConfigMap %s/%s: %w", d.set.namespace, d.set.name, err))
		}
		var err error
		if members, err = d.members(ctx); err != nil {
			return nil, err
		}
	}
	var g errgroup.Group
	g.SetLimit(d.options.Limit)
	faults := make([]error, len(targets))
	for i, t := range targets {
		if m := members[t.id]; m != nil {
			t.live, t.looked = m.live, true
			continue
		}
		g.Go(func() error {
			if err := d.look1(ctx, t); err != nil {
				faults[i] = d.explain(t.object, err)
			}
			return nil
		})
	}
	_ = g.Wait() // faults has the errors
	var list diag.List
	for _, err := range faults {
		if err != nil {
			list = append(list, diag.All(err)...)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return members, list.Err()
}

// members lists every object that bears the set's label, where the record says that there can be some.
func (d *Deployer) members(ctx context.Context) (map[kube.ID]*target, error) {
	members := map[kube.ID]*target{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(d.options.Limit)
	for kind := range d.set.there.kinds {
		gk := schema.ParseGroupKind(kind)
		where, err := d.kindOf(gk)
		if err != nil {
			continue // the kind is no longer served, so there are no objects of it
		}
		namespaces := []string{""}
		if where.namespaced {
			namespaces = append([]string{d.set.namespace}, split(list(d.set.there.namespaces))...)
		}
		for _, ns := range namespaces {
			g.Go(func() error {
				var found *unstructured.UnstructuredList
				err := d.ask(ctx, func() (err error) {
					found, err = d.client(where, ns).List(ctx, metav1.ListOptions{LabelSelector: partOf + "=" + d.set.id})
					return err
				})
				if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
					d.warn("%s in namespace %q cannot be listed, so those that left the manifests before this session stay", where.gvr.Resource, ns)
					return nil
				}
				if err != nil {
					return d.cluster.Explain(fmt.Errorf("list %s: %w", where.gvr.Resource, err))
				}
				mu.Lock()
				defer mu.Unlock()
				for i := range found.Items {
					m := d.member(where, &found.Items[i], gk)
					members[m.id] = m
				}
				return nil
			})
		}
	}
	return members, g.Wait()
}

func (d *Deployer) kindOf(gk schema.GroupKind) (resource, error) {
	m, err := d.cluster.Mapper.RESTMapping(gk)
	if err != nil {
		return resource{}, err
	}
	return resource{m.Resource, m.Scope.Name() == "namespace"}, nil
}

func (d *Deployer) member(where resource, live *unstructured.Unstructured, gk schema.GroupKind) *target {
	o := &kube.Object{Unstructured: *live}
	id := kube.ID{Group: gk.Group, Kind: gk.Kind, Namespace: live.GetNamespace(), Name: live.GetName()}
	return &target{id: id, object: o, client: d.client(where, id.Namespace), where: where, wave: waveOf(o), live: live, looked: true}
}

// prune deletes the members that are not among the objects: those that were there when the session began, and those that it
// has sent since.
func (d *Deployer) prune(ctx context.Context, wanted map[kube.ID]bool, found map[kube.ID]*target) error {
	left := map[kube.ID]*target{}
	for id, m := range found {
		// The cluster's controllers copy labels to what they make, which goes by itself.
		if !wanted[id] && len(m.live.GetOwnerReferences()) == 0 {
			left[id] = m
		}
	}
	d.mu.Lock()
	for id, s := range d.sent {
		if !wanted[id] {
			left[id] = s.target
		}
	}
	d.mu.Unlock()
	var all []*target
	for _, t := range left {
		all = append(all, t)
	}
	return d.deleteAll(ctx, all)
}

// deleteAll deletes side by side, what runs before what it needs.
func (d *Deployer) deleteAll(ctx context.Context, targets []*target) error {
	var list diag.List
	for wave := waveLast; wave >= waveFirst; wave-- {
		var g errgroup.Group
		g.SetLimit(d.options.Limit)
		faults := make([]error, len(targets))
		for i, t := range targets {
			if t.wave == wave {
				g.Go(func() error {
					faults[i] = d.delete(ctx, t)
					return nil
				})
			}
		}
		_ = g.Wait() // faults has the errors
		for _, err := range faults {
			if err != nil {
				list = append(list, diag.All(err)...)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return list.Err()
}

// delete removes one object, unless it holds more than itself and was there before skiff. What this session sent may belong to
// somebody else by now, so it is looked at again.
func (d *Deployer) delete(ctx context.Context, t *target) error {
	if known := d.known(t.id); known != nil {
		if err := d.look1(ctx, t); err != nil {
			return d.explain(t.object, fmt.Errorf("delete: %w", err))
		}
		if t.live == nil {
			return d.let(t, "deleted")
		}
		if t.live.GetLabels()[partOf] != known.target.object.GetLabels()[partOf] || t.live.GetUID() != known.uid {
			return d.let(t, "kept")
		}
	}
	if protected(t.id) && t.created() == "" {
		return d.let(t, "kept")
	}
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	if uid := d.uid(t); uid != "" {
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	err := d.ask(ctx, func() error { return t.client.Delete(ctx, t.id.Name, options) })
	switch {
	case apierrors.IsConflict(err):
		return d.let(t, "kept") // somebody made another one under this name
	case err != nil && !apierrors.IsNotFound(err):
		return d.explain(t.object, fmt.Errorf("delete: %w", err))
	}
	return d.let(t, "deleted")
}

// let forgets an object that is no longer ours, and tells what became of it.
func (d *Deployer) let(t *target, action string) error {
	d.forget(t.id)
	d.tell(t.id, action)
	return nil
}

// uid is that of the object that was meant, so that another one under its name is left alone.
func (d *Deployer) uid(t *target) types.UID {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.sent[t.id]; s != nil {
		return s.uid
	}
	if t.live != nil {
		return t.live.GetUID()
	}
	return ""
}

func (d *Deployer) forget(id kube.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sent, id)
}
