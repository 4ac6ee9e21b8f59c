package kubetest

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is one kind that the server knows.
type kind struct {
	gvk        schema.GroupVersionKind
	resource   string
	namespaced bool
	custom     bool
}

func (k kind) key(namespace, name string) string {
	return k.gvk.Group + "/" + k.resource + "/" + namespace + "/" + name
}

var builtin = func() []kind {
	var all []kind
	for gv, kinds := range map[string]string{
		"v1":      "Pod Service ConfigMap Secret ServiceAccount PersistentVolumeClaim Event ResourceQuota Namespace! PersistentVolume! Node!",
		"apps/v1": "Deployment StatefulSet DaemonSet ReplicaSet", "batch/v1": "Job CronJob",
		"rbac.authorization.k8s.io/v1": "Role RoleBinding ClusterRole!",
		"apiextensions.k8s.io/v1":      "CustomResourceDefinition!",
	} {
		version, err := schema.ParseGroupVersion(gv)
		if err != nil {
			panic(err)
		}
		for _, name := range strings.Fields(kinds) {
			name, cluster := strings.CutSuffix(name, "!")
			gvk := version.WithKind(name)
			plural, _ := meta.UnsafeGuessKindToResource(gvk)
			all = append(all, kind{gvk: gvk, resource: plural.Resource, namespaced: !cluster})
		}
	}
	return all
}()

func (s *Server) kindOf(gvk schema.GroupVersionKind) (kind, bool) {
	for _, k := range s.kinds {
		if k.gvk == gvk {
			return k, true
		}
	}
	return kind{}, false
}

func (s *Server) resource(group, version, name string) (kind, bool) {
	for _, k := range s.kinds {
		if k.resource == name && k.gvk.Group == group && k.gvk.Version == version {
			return k, true
		}
	}
	return kind{}, false
}

// define serves the kind of a definition from now on.
func (s *Server) define(o *unstructured.Unstructured) {
	text := func(path ...string) string {
		v, _, _ := unstructured.NestedString(o.Object, path...)
		return v
	}
	versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)["name"].(string)
		gvk := schema.GroupVersionKind{Group: text("spec", "group"), Version: version, Kind: text("spec", "names", "kind")}
		if _, ok := s.kindOf(gvk); !ok {
			s.kinds = append(s.kinds, kind{gvk, text("spec", "names", "plural"), text("spec", "scope") == "Namespaced", true})
		}
	}
}

// mapper knows the kinds as they were when it was last reset.
type mapper struct {
	meta.RESTMapper
	server *Server
}

func newMapper(s *Server) *mapper {
	m := &mapper{server: s}
	m.Reset()
	return m
}

// Reset is part of meta.ResettableRESTMapper.
func (m *mapper) Reset() {
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	var versions []schema.GroupVersion
	for _, k := range m.server.kinds {
		versions = append(versions, k.gvk.GroupVersion())
	}
	inner := meta.NewDefaultRESTMapper(versions)
	for _, k := range m.server.kinds {
		scope := meta.RESTScopeRoot
		if k.namespaced {
			scope = meta.RESTScopeNamespace
		}
		gv := k.gvk.GroupVersion()
		inner.AddSpecific(k.gvk, gv.WithResource(k.resource), gv.WithResource(strings.ToLower(k.gvk.Kind)), scope)
	}
	m.RESTMapper = inner
}
