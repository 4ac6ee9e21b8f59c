package kube

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// Selection says which pods belong to what was deployed, and which artifact each of their containers runs. It never changes.
type Selection struct {
	workloads []workload
	artifacts map[string]string // reference as rendered -> artifact
	repos     map[string]string // reference without tag and digest -> artifact
}

// workload is one deployed object that runs pods.
type workload struct {
	group, kind, namespace, name string
	selector                     labels.Selector   // nil: by name or owner
	images                       map[string]string // container -> image as rendered
}

// Member is one container of a pod that is ours.
type Member struct {
	Container string
	Init      bool
	Artifact  string // name of the artifact; "" when the image is not built here
	Image     string // as the pod's spec has it
	Current   bool   // the pod's spec has the reference that was rendered last
}

// NewSelection takes the objects as rendered and, for each image reference in them that was built, the name of its
// artifact. An object without a namespace counts in every namespace: callers look only where they deploy.
func NewSelection(objects []*Object, artifacts map[string]string) *Selection {
	s := &Selection{artifacts: maps.Clone(artifacts), repos: map[string]string{}}
	for _, ref := range slices.Sorted(maps.Keys(artifacts)) {
		s.repos[Repository(ref)] = artifacts[ref]
	}
	for _, o := range objects {
		if PodSpec(o) == nil {
			continue
		}
		id := o.ID()
		w := workload{group: id.Group, kind: id.Kind, namespace: id.Namespace, name: id.Name, images: map[string]string{}}
		for _, c := range Containers(o) {
			w.images[c.Name] = c.Image
		}
		w.selector = selectorOf(o)
		s.workloads = append(s.workloads, w)
	}
	return s
}

// selectorOf is spec.selector of a workload. A Job's own is made by the server, and a Pod has none.
func selectorOf(o *Object) labels.Selector {
	raw, ok := at(o.Object, "spec", "selector").(map[string]any)
	if !ok || len(raw) == 0 {
		return nil
	}
	var s metav1.LabelSelector
	if _, modern := raw["matchLabels"]; !modern && raw["matchExpressions"] == nil {
		// A ReplicationController has the labels right there.
		raw = map[string]any{"matchLabels": raw}
	}
	if runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &s) != nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil || selector.Empty() {
		return nil
	}
	return selector
}

// Repository is an image reference without its tag and digest.
func Repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		ref = ref[:i]
	}
	return ref
}

// Members lists the containers of a pod, init containers first; it is nil when the pod is not ours. A pod is ours when it
// was deployed itself, belongs to a deployed workload, or runs an image that was built here.
func (s *Selection) Members(pod *corev1.Pod) []Member {
	w := s.owner(pod)
	if w == nil && !s.runsOurs(pod) {
		return nil
	}
	var members []Member
	for _, c := range pod.Spec.InitContainers {
		members = append(members, s.member(w, c, true))
	}
	for _, c := range pod.Spec.Containers {
		members = append(members, s.member(w, c, false))
	}
	return members
}

// Namespaces lists where the deployed workloads are, sorted; "" stands for the session's own namespace.
func (s *Selection) Namespaces() []string {
	seen := map[string]bool{}
	for _, w := range s.workloads {
		seen[w.namespace] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func (s *Selection) owner(pod *corev1.Pod) *workload {
	for i := range s.workloads {
		if s.workloads[i].has(pod) {
			return &s.workloads[i]
		}
	}
	return nil
}

func (s *Selection) runsOurs(pod *corev1.Pod) bool {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			if _, ok := s.artifacts[c.Image]; ok {
				return true
			}
		}
	}
	return false
}

func (s *Selection) member(w *workload, c corev1.Container, init bool) Member {
	m := Member{Container: c.Name, Init: init, Image: c.Image}
	artifact, exact := s.artifacts[c.Image]
	rendered, known := "", false
	if w != nil {
		rendered, known = w.images[c.Name]
	}
	switch {
	case exact:
		m.Artifact, m.Current = artifact, !known || rendered == c.Image
	case known:
		// The pod of an earlier rollout: the same repository with another tag.
		m.Artifact, m.Current = s.repos[Repository(c.Image)], rendered == c.Image
	default:
		m.Current = true // a sidecar that the cluster put in
	}
	return m
}

func (w *workload) has(pod *corev1.Pod) bool {
	if w.namespace != "" && w.namespace != pod.Namespace {
		return false
	}
	switch {
	case w.group == "" && w.kind == "Pod":
		return pod.Name == w.name
	case w.group == "batch" && w.kind == "Job":
		return jobName(pod) == w.name
	case w.group == "batch" && w.kind == "CronJob":
		// The controller names a Job after its CronJob and the minute.
		rest, ok := strings.CutPrefix(jobName(pod), w.name+"-")
		return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
	case w.selector != nil:
		return w.selector.Matches(labels.Set(pod.Labels))
	}
	return owned(pod, w.kind, w.name)
}

func jobName(pod *corev1.Pod) string {
	if name := pod.Labels["batch.kubernetes.io/job-name"]; name != "" {
		return name
	}
	return pod.Labels["job-name"]
}

func owned(pod *corev1.Pod, kind, name string) bool {
	for _, ref := range pod.OwnerReferences {
		if ref.Kind == kind && ref.Name == name {
			return true
		}
	}
	return false
}
