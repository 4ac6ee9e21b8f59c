package render

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Transformed is a source whose objects go through the kpt functions of manifests.transform that need no program.
type Transformed struct {
	Source
	functions []function
}

// function is one transformation with its arguments.
type function struct {
	name string
	args map[string]string
}

var _ Source = (*Transformed)(nil)

// Transform puts the functions of a config behind a source. One that would need a container is refused.
func Transform(c *config.Config, s Source) (*Transformed, error) {
	t := &Transformed{Source: s}
	var faults diag.List
	for i, f := range c.Manifests.Transform {
		one := function{f.Name, map[string]string{}}
		if !slices.Contains([]string{"set-namespace", "set-labels", "set-annotations"}, f.Name) {
			faults = append(faults, c.Fault(fmt.Sprintf("transformer %q is not supported: it is a program in a container", f.Name),
				"known are set-namespace, set-labels and set-annotations; for others run: kpt fn render", "manifests", "transform", i, "name"))
			continue
		}
		for _, pair := range f.ConfigMap {
			k, v, ok := strings.Cut(pair, ":")
			if !ok {
				faults = append(faults, c.Fault(fmt.Sprintf("%q is no argument", pair), "write it as KEY:VALUE", "manifests", "transform", i, "configMap"))
			}
			one.args[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
		if f.Name == "set-namespace" && one.args["namespace"] == "" {
			faults = append(faults, c.Fault("set-namespace needs a namespace", "write it under configMap as namespace:NAME", "manifests", "transform", i))
		}
		t.functions = append(t.functions, one)
	}
	return t, faults.Err()
}

// Objects reads the source, and transforms what it gives.
func (t *Transformed) Objects(ctx context.Context, in Input) (Read, error) {
	read, err := t.Source.Objects(ctx, in)
	if err != nil {
		return read, err
	}
	for _, f := range t.functions {
		for _, o := range read.Objects {
			f.apply(o)
		}
	}
	return read, nil
}

func (f function) apply(o *kube.Object) {
	switch f.name {
	case "set-namespace":
		if o.GetKind() == "Namespace" || clusterWide(o) {
			return
		}
		o.SetNamespace(f.args["namespace"])
	case "set-annotations":
		f.everywhere(o, "annotations")
	case "set-labels":
		f.everywhere(o, "labels")
		// What selects the pods has to name their labels, old and new.
		if spec, ok := o.Object["spec"].(map[string]any); ok && kube.PodSpec(o) != nil {
			if selector, ok := spec["selector"].(map[string]any); ok {
				merge(selector, "matchLabels", f.args)
			}
		}
		if spec, ok := o.Object["spec"].(map[string]any); ok && o.GetKind() == "Service" && spec["selector"] != nil {
			merge(spec, "selector", f.args)
		}
	}
}

// everywhere sets a map in the metadata of an object and of the templates in it.
func (f function) everywhere(o *kube.Object, key string) {
	walk(o.Object, "", func(path string, m map[string]any) {
		if path == ".metadata" || strings.HasSuffix(path, "emplate.metadata") {
			merge(m, key, f.args)
		}
	})
}

func merge(m map[string]any, key string, values map[string]string) {
	all := map[string]any{}
	if old, ok := m[key].(map[string]any); ok {
		maps.Copy(all, old)
	}
	for k, v := range values {
		all[k] = v
	}
	m[key] = all
}

// clusterWide is true for the kinds of Kubernetes itself that live in no namespace.
func clusterWide(o *kube.Object) bool {
	return slices.Contains([]string{"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PersistentVolume", "StorageClass", "PriorityClass",
		"APIService", "IngressClass", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "RuntimeClass", "CSIDriver"}, o.GetKind())
}

// Checked warns of validators that do not run, and refuses those that nobody knows.
func Checked(c *config.Config) (warnings []string, err error) {
	var faults diag.List
	for i, v := range c.Manifests.Validate {
		switch v.Name {
		case "kubeval":
			warnings = append(warnings, "kubeval is not run: the API server checks every object when it is deployed")
		default:
			faults = append(faults, c.Fault(fmt.Sprintf("validator %q is not supported: it is a program in a container", v.Name),
				"remove it, and run it beside skiff: kpt fn render", "manifests", "validate", i, "name"))
		}
	}
	return warnings, faults.Err()
}
