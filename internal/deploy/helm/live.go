package helm

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v4/pkg/release"
	release1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// read is the objects of a release's manifest. Helm wrote it, so it is taken as it is.
func read(manifest string) []*kube.Object {
	var all []*kube.Object
	for _, doc := range strings.Split("\n"+manifest, "\n---") {
		var content map[string]any
		if yaml.Unmarshal([]byte(doc), &content) != nil || content["kind"] == nil {
			continue
		}
		all = append(all, &kube.Object{Unstructured: unstructured.Unstructured{Object: content}})
	}
	return all
}

// live is the objects as the server has them, in their order. What is not there, or may not be read, is left out: it is
// only to be waited for.
func (d *Deployer) live(ctx context.Context, objects []*kube.Object, namespace string) []*kube.Object {
	found := make([]*kube.Object, len(objects))
	var g errgroup.Group
	g.SetLimit(16)
	for i, o := range objects {
		if o.GetAnnotations()[release1.HookAnnotation] != "" {
			continue // helm itself waits for a hook, and may have deleted it
		}
		g.Go(func() error {
			client, err := d.place(o, namespace)
			if err != nil {
				return nil
			}
			if got, err := client.Get(ctx, o.GetName(), metav1.GetOptions{}); err == nil {
				found[i] = &kube.Object{Unstructured: *got}
			}
			return nil
		})
	}
	_ = g.Wait() // no error is returned above
	var all []*kube.Object
	for _, o := range found {
		if o != nil {
			all = append(all, o)
		}
	}
	return all
}

// place is the client for an object's kind, in its namespace.
func (d *Deployer) place(o *kube.Object, namespace string) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	mapping, err := d.cluster.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	client := d.cluster.Dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return client, nil
	}
	if ns := o.GetNamespace(); ns != "" {
		namespace = ns
	}
	return client.Namespace(namespace), nil
}

// restart deletes the pods of a release's workloads, so that new ones take their place.
func (d *Deployer) restart(ctx context.Context, r Release, made release.Releaser) {
	one, ok := made.(*release1.Release)
	if !ok {
		return
	}
	for _, o := range read(one.Manifest) {
		match, found, _ := unstructured.NestedStringMap(o.Object, "spec", "selector", "matchLabels")
		if !found || len(match) == 0 {
			continue
		}
		namespace := r.Namespace
		if ns := o.GetNamespace(); ns != "" {
			namespace = ns
		}
		pods := d.cluster.Typed.CoreV1().Pods(namespace)
		if err := pods.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(match).String()}); err != nil {
			d.sink.Send(event.Note{Warn: true, Text: fmt.Sprintf("the pods of %s are not restarted: %v", o.ID(), err)})
		}
	}
}
