// Package remote reads manifests that are in a cluster already: names of objects in, objects out, without what only the
// server knows.
package remote

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Options are the remote manifests of one config.
type Options struct {
	Config  *config.Config
	Cluster func(context string) (*kube.Cluster, error) // "" is the session's
}

// Source reads the objects once in a session.
type Source struct {
	options Options

	mu      sync.Mutex
	objects []*kube.Object
}

var _ render.Source = (*Source)(nil)

// New makes the source. It asks nobody.
func New(o Options) *Source { return &Source{options: o} }

// Watch is nothing of this machine.
func (s *Source) Watch() render.Watch { return render.Watch{} }

// Objects reads the objects.
func (s *Source) Objects(ctx context.Context, _ render.Input) (render.Read, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		var all []*kube.Object
		for i, m := range s.options.Config.Manifests.RemoteManifests {
			o, err := s.get(ctx, m)
			if err != nil {
				if ctx.Err() != nil {
					return render.Read{}, ctx.Err()
				}
				return render.Read{}, s.options.Config.Fault(fmt.Sprintf("remote manifest %q cannot be read: %v", m.Manifest, err),
					"correct the name, written as [NAMESPACE:]KIND/NAME, or the kubeContext", "manifests", "remoteManifests", i)
			}
			all = append(all, o)
		}
		s.objects = all
	}
	return render.Read{Objects: kube.CloneAll(s.objects)}, nil
}

func (s *Source) get(ctx context.Context, m *config.RemoteManifest) (*kube.Object, error) {
	cluster, err := s.options.Cluster(m.KubeContext)
	if err != nil {
		return nil, err
	}
	namespace, what, given := strings.Cut(m.Manifest, ":")
	if !given {
		namespace, what = cluster.Namespace, m.Manifest
	}
	kind, name, ok := strings.Cut(what, "/")
	if !ok {
		return nil, diag.Errorf("", "it names no object")
	}
	resource := schema.ParseGroupResource(strings.ToLower(kind)).WithVersion("")
	gvr, err := cluster.Mapper.ResourceFor(resource)
	if err != nil {
		return nil, err
	}
	gvk, err := cluster.Mapper.KindFor(gvr)
	if err != nil {
		return nil, err
	}
	mapping, err := cluster.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	client := cluster.Dynamic.Resource(gvr).Namespace(namespace)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		client = cluster.Dynamic.Resource(gvr).Namespace("")
	}
	got, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, cluster.Explain(err)
	}
	return bare(got), nil
}

// bare takes off what only the server knows, so that the object can be applied.
func bare(o *unstructured.Unstructured) *kube.Object {
	for _, path := range [][]string{{"status"}, {"metadata", "managedFields"}, {"metadata", "resourceVersion"}, {"metadata", "uid"},
		{"metadata", "generation"}, {"metadata", "creationTimestamp"}, {"metadata", "selfLink"}} {
		unstructured.RemoveNestedField(o.Object, path...)
	}
	annotations := o.GetAnnotations()
	delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
	if len(annotations) == 0 {
		unstructured.RemoveNestedField(o.Object, "metadata", "annotations")
	} else {
		o.SetAnnotations(annotations)
	}
	return &kube.Object{Unstructured: *o}
}
