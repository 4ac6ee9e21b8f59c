package forward

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/skiff-dev/skiff/internal/config"
)

// PortRef is a port by its number or its name.
type PortRef struct {
	Number int
	Name   string
}

// String is the name, or else the number.
func (r PortRef) String() string { return cmp.Or(r.Name, strconv.Itoa(r.Number)) }

// Port is a forward that the user asked for.
type Port struct {
	Resource  string // "pod", "service", "deployment", …
	Namespace string
	Name      string
	Remote    PortRef
	Local     int    // wanted; 0: the remote one
	Fixed     bool   // no other local port will do
	Address   string // where to listen; empty: as the Options say
}

// User reads the forwards of a project file. namespace is for those that name none.
func User(forwards []*config.PortForward, namespace string) []Port {
	var ports []Port
	for _, f := range forwards {
		ports = append(ports, Port{
			Resource: f.ResourceType, Namespace: cmp.Or(f.Namespace, namespace), Name: f.ResourceName,
			Remote: PortRef{Number: f.Port.Int, Name: f.Port.Name}, Local: f.LocalPort, Address: f.Address,
		})
	}
	return ports
}

// key tells forwards apart.
type key struct {
	kind, namespace, name string
	port                  PortRef
}

// spec is a forward as it is to be.
type spec struct {
	key
	local   int // wanted; 0: any
	fixed   bool
	auto    bool // it was not asked for by name
	address string
}

// resource is how users name what is forwarded.
func (s spec) resource() string { return s.kind + "/" + s.name }

// specs is all that is wanted, each once: what the user named, then services, then pods.
func (p *picture) specs(m Modes, wanted []Port, deployed map[types.NamespacedName]*corev1.Service) []spec {
	l := &list{seen: map[key]bool{}}
	if m.User {
		for _, w := range wanted {
			l.add(spec{
				key:   key{kindOf(w.Resource), w.Namespace, w.Name, w.Remote},
				local: cmp.Or(w.Local, w.Remote.Number), fixed: w.Fixed, address: w.Address,
			})
		}
	}
	if m.Services {
		for _, name := range slices.SortedFunc(maps.Keys(deployed), byName) {
			l.service(deployed[name])
		}
	}
	for _, pod := range slices.SortedFunc(slices.Values(p.pods), func(a, b member) int { return strings.Compare(a.Name, b.Name) }) {
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		if m.Pods || m.Bare {
			l.pod(pod, func(port int) bool { return m.Pods || !m.Services || !covered(pod.Pod, port, deployed) })
		}
		if m.Debug {
			l.debug(pod)
		}
	}
	return l.specs
}

type list struct {
	specs []spec
	seen  map[key]bool
}

func (l *list) add(s spec) {
	if !l.seen[s.key] {
		l.seen[s.key] = true
		l.specs = append(l.specs, s)
	}
}

func (l *list) service(svc *corev1.Service) {
	if len(svc.Spec.Selector) == 0 {
		return
	}
	for _, sp := range svc.Spec.Ports {
		if !tcp(sp.Protocol) {
			continue
		}
		s := spec{key: key{"service", svc.Namespace, svc.Name, PortRef{Number: int(sp.Port)}}, auto: true}
		// Below 1024 a port needs rights that a developer seldom has.
		if sp.Port >= 1024 {
			s.local = int(sp.Port)
		}
		l.add(s)
	}
}

func (l *list) pod(m member, want func(port int) bool) {
	for _, c := range m.Spec.Containers {
		if !m.built[c.Name] {
			continue
		}
		for _, cp := range c.Ports {
			if tcp(cp.Protocol) && want(int(cp.ContainerPort)) {
				l.container(m.Pod, int(cp.ContainerPort))
			}
		}
	}
}

func (l *list) container(pod *corev1.Pod, port int) {
	kind, name := owner(pod)
	l.add(spec{key: key{kind, pod.Namespace, name, PortRef{Number: port}}, local: port, auto: true})
}

// debugAnnotation is where debug writes which ports the runtimes of a pod's containers listen on.
const debugAnnotation = "debug.cloud.google.com/config"

func (l *list) debug(m member) {
	var containers map[string]struct {
		Ports map[string]int `json:"ports"`
	}
	if json.Unmarshal([]byte(m.Annotations[debugAnnotation]), &containers) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(containers)) {
		for _, kind := range slices.Sorted(maps.Keys(containers[name].Ports)) {
			l.container(m.Pod, containers[name].Ports[kind])
		}
	}
}

// covered says that a deployed service leads to the port.
func covered(pod *corev1.Pod, port int, deployed map[types.NamespacedName]*corev1.Service) bool {
	for _, svc := range deployed {
		if !selects(svc, pod) {
			continue
		}
		for _, sp := range svc.Spec.Ports {
			if tcp(sp.Protocol) && targetOf(sp, pod) == port {
				return true
			}
		}
	}
	return false
}

func tcp(p corev1.Protocol) bool { return p == "" || p == corev1.ProtocolTCP }

// mayReturn says that an automatic forward of pods is to stay while no pod wants it: its workload has none at this moment.
func (p *picture) mayReturn(s spec) bool {
	if s.kind == "service" {
		return false
	}
	for _, m := range p.pods {
		if m.DeletionTimestamp == nil && p.leads(s, m.Pod) {
			return false
		}
	}
	return true
}

func kindOf(resource string) string {
	kind, _, _ := strings.Cut(strings.ToLower(resource), ".")
	switch kind {
	case "po", "pods":
		return "pod"
	case "svc", "services":
		return "service"
	case "deploy", "deployments":
		return "deployment"
	case "rs", "replicasets":
		return "replicaset"
	case "sts", "statefulsets":
		return "statefulset"
	case "ds", "daemonsets":
		return "daemonset"
	case "rc", "replicationcontrollers":
		return "replicationcontroller"
	case "jobs":
		return "job"
	}
	return kind
}

func byName(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
