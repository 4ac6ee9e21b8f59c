package forward

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/skiff-dev/skiff/internal/kube"
)

// picture is what there is at one moment. It never changes; a newer one replaces it.
type picture struct {
	pods     []member
	services map[types.NamespacedName]*corev1.Service
	replaced chan struct{} // closed when there is a newer one
}

// member is a pod, with what the selection says about it.
type member struct {
	*corev1.Pod
	built   map[string]bool // the containers that run an image built here
	current bool            // it runs what was deployed last
}

func newPicture() *picture {
	return &picture{services: map[types.NamespacedName]*corev1.Service{}, replaced: make(chan struct{})}
}

func (p *picture) add(pod *corev1.Pod, sel selection) {
	m := member{Pod: pod, built: map[string]bool{}, current: true}
	if sel != nil {
		for _, c := range sel.Members(pod) {
			m.current = m.current && c.Current
			if c.Artifact != "" && !c.Init {
				m.built[c.Container] = true
			}
		}
	}
	p.pods = append(p.pods, m)
}

// rank says how good a pod is to send a connection to.
type rank int

const (
	useless rank = iota // it ends, or has not begun
	running
	ready
)

func rankOf(pod *corev1.Pod) rank {
	if pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning {
		return useless
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return ready
		}
	}
	return running
}

// pick is the best pod for a spec and the port there. A pod that is ready comes before one that only runs, then one that
// runs what was deployed last, then the newest.
func (p *picture) pick(s spec) (pod *corev1.Pod, port int, r rank) {
	var best member
	for _, m := range p.pods {
		got := rankOf(m.Pod)
		if got == useless || !p.leads(s, m.Pod) {
			continue
		}
		n := p.port(s, m.Pod)
		if n == 0 || pod != nil && compare(m, got, best, r) <= 0 {
			continue
		}
		best, pod, port, r = m, m.Pod, n, got
	}
	return pod, port, r
}

func compare(a member, ra rank, b member, rb rank) int {
	current := map[bool]int{true: 1}
	return cmp.Or(
		cmp.Compare(ra, rb),
		cmp.Compare(current[a.current], current[b.current]),
		a.CreationTimestamp.Time.Compare(b.CreationTimestamp.Time),
		strings.Compare(a.Name, b.Name),
	)
}

// leads says whether the resource stands for the pod.
func (p *picture) leads(s spec, pod *corev1.Pod) bool {
	if pod.Namespace != s.namespace {
		return false
	}
	switch s.kind {
	case "pod":
		return pod.Name == s.name
	case "service":
		svc := p.services[types.NamespacedName{Namespace: s.namespace, Name: s.name}]
		return svc != nil && selects(svc, pod)
	}
	kind, name := owner(pod)
	if kind == s.kind && name == s.name {
		return true
	}
	ref := metav1.GetControllerOf(pod)
	return ref != nil && strings.EqualFold(ref.Kind, s.kind) && ref.Name == s.name
}

func selects(svc *corev1.Service, pod *corev1.Pod) bool {
	return len(svc.Spec.Selector) > 0 && svc.Namespace == pod.Namespace &&
		labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(pod.Labels))
}

// owner is what a pod belongs to: itself, a workload, or the Deployment behind a ReplicaSet, which its name tells.
func owner(pod *corev1.Pod) (kind, name string) {
	ref := metav1.GetControllerOf(pod)
	if ref == nil {
		return "pod", pod.Name
	}
	if hash := pod.Labels["pod-template-hash"]; ref.Kind == "ReplicaSet" && hash != "" {
		if name, ok := strings.CutSuffix(ref.Name, "-"+hash); ok {
			return "deployment", name
		}
	}
	return strings.ToLower(ref.Kind), ref.Name
}

// port is the container's port that the spec means, 0 when the pod has none such.
func (p *picture) port(s spec, pod *corev1.Pod) int {
	if s.kind != "service" {
		return named(s.port, pod)
	}
	svc := p.services[types.NamespacedName{Namespace: s.namespace, Name: s.name}]
	if svc == nil {
		return 0
	}
	for _, sp := range svc.Spec.Ports {
		if int(sp.Port) == s.port.Number || s.port.Name != "" && sp.Name == s.port.Name {
			return targetOf(sp, pod)
		}
	}
	return 0
}

func targetOf(sp corev1.ServicePort, pod *corev1.Pod) int {
	switch t := sp.TargetPort; {
	case t.StrVal != "":
		return named(PortRef{Name: t.StrVal}, pod)
	case t.IntVal != 0:
		return int(t.IntVal)
	}
	return int(sp.Port)
}

func named(ref PortRef, pod *corev1.Pod) int {
	if ref.Name == "" {
		return ref.Number
	}
	// A sidecar is an init container that stays.
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		for _, cp := range c.Ports {
			if cp.Name == ref.Name {
				return int(cp.ContainerPort)
			}
		}
	}
	return 0
}

// servicesIn finds the services among deployed objects.
func servicesIn(objects []*kube.Object, namespace string) map[types.NamespacedName]*corev1.Service {
	services := map[types.NamespacedName]*corev1.Service{}
	for _, o := range objects {
		if id := o.ID(); id.Group != "" || id.Kind != "Service" {
			continue
		}
		var svc corev1.Service
		if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &svc) == nil {
			svc.Namespace = cmp.Or(svc.Namespace, namespace)
			services[types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}] = &svc
		}
	}
	return services
}
