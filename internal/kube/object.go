package kube

import (
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Object is one object of any kind, and the place in a manifest that it came from, if any.
type Object struct {
	unstructured.Unstructured
	File string // "" for an object that the server returned
	Line int    // of its document, counted from 1

	Rank int // objects of a lower rank must run before this one is deployed

	Unchanged bool // of one that the server returned: it was just so before
}

// ID names an object in its cluster, whatever version it is written in.
type ID struct{ Group, Kind, Namespace, Name string }

// String is kind/name, as in "Deployment/web".
func (id ID) String() string { return id.Kind + "/" + id.Name }

// ID is the name of the object.
func (o *Object) ID() ID {
	return ID{o.GroupVersionKind().Group, o.GetKind(), o.GetNamespace(), o.GetName()}
}

// Pos is the place that an error about the object points to.
func (o *Object) Pos() diag.Pos { return diag.Pos{File: o.File, Line: o.Line} }

// Clone is a copy that shares nothing with o.
func (o *Object) Clone() *Object {
	return &Object{Unstructured: *o.DeepCopy(), File: o.File, Line: o.Line, Rank: o.Rank}
}

// CloneAll is a copy of each object.
func CloneAll(objects []*Object) []*Object {
	all := make([]*Object, len(objects))
	for i, o := range objects {
		all[i] = o.Clone()
	}
	return all
}

// PodSpec is the pod that an object runs: spec of a Pod, spec.template.spec of workloads (custom ones too, when they have
// containers there), spec.jobTemplate.spec.template.spec of a CronJob. It is nil where there is none, and part of o otherwise.
func PodSpec(o *Object) map[string]any {
	for _, path := range podPaths(o.GroupVersionKind().Group, o.GetKind()) {
		spec, ok := at(o.Object, path...).(map[string]any)
		if !ok {
			continue
		}
		if list, ok := spec["containers"].([]any); ok && len(list) > 0 {
			return spec
		}
	}
	return nil
}

func podPaths(group, kind string) [][]string {
	switch {
	case group == "" && kind == "Pod":
		return [][]string{{"spec"}}
	case group == "" && kind == "PodTemplate":
		return [][]string{{"template", "spec"}}
	case group == "batch" && kind == "CronJob":
		return [][]string{{"spec", "jobTemplate", "spec", "template", "spec"}}
	}
	return [][]string{{"spec", "template", "spec"}}
}

// at is the value at a path of keys, nil where it ends early.
func at(v any, path ...string) any {
	for _, k := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// Container is one container of a pod as the manifest describes it.
type Container struct {
	Name, Image string
	Init        bool
	Ports       []Port
}

// Port is a port that a container says it listens on.
type Port struct {
	Name     string
	Number   int
	Protocol string // "TCP", "UDP" or "SCTP"
}

// Containers lists the containers of the pod that an object runs: init containers first, each kind in the order of the manifest.
func Containers(o *Object) []Container {
	spec := PodSpec(o)
	return append(containersOf(spec["initContainers"], true), containersOf(spec["containers"], false)...)
}

func containersOf(list any, init bool) []Container {
	var all []Container
	items, _ := list.([]any)
	for _, item := range items {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		c := Container{Init: init}
		c.Name, _ = m["name"].(string)
		c.Image, _ = m["image"].(string)
		ports, _ := m["ports"].([]any)
		for _, p := range ports {
			c.Ports = append(c.Ports, portOf(p))
		}
		all = append(all, c)
	}
	return all
}

func portOf(v any) Port {
	p := Port{Protocol: "TCP"}
	p.Name, _ = at(v, "name").(string)
	if number, ok := at(v, "containerPort").(int64); ok {
		p.Number = int(number)
	}
	if protocol, ok := at(v, "protocol").(string); ok && protocol != "" {
		p.Protocol = strings.ToUpper(protocol)
	}
	return p
}
