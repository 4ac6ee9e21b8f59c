package forward

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
)

func TestParseModes(t *testing.T) {
	for _, tt := range []struct {
		value, command string
		want           Modes
		err            string
	}{
		{"", "dev", Modes{User: true}, ""},
		{"", "debug", Modes{User: true, Debug: true}, ""},
		{"", "run", Modes{}, ""},
		{"true", "dev", Modes{User: true, Services: true, Bare: true}, ""},
		{"true", "debug", Modes{User: true, Services: true, Bare: true, Debug: true}, ""},
		{"false", "dev", Modes{}, ""},
		{"off", "dev", Modes{}, ""},
		{"pods", "dev", Modes{Pods: true}, ""},
		{"user, Services,debug", "run", Modes{User: true, Services: true, Debug: true}, ""},
		{"user,true", "dev", Modes{}, `--port-forward: "true" must stand alone`},
		{"podz", "dev", Modes{}, `--port-forward: unknown mode "podz"`},
	} {
		t.Run(tt.command+" "+tt.value, func(t *testing.T) {
			got, err := ParseModes(tt.value, tt.command)
			if text := fmt.Sprint(err); text != tt.err && (err != nil || tt.err != "") {
				t.Errorf("ParseModes = %s, want %s", text, tt.err)
			}
			if err != nil && diag.Kind(err) != diag.CodeUsage {
				t.Errorf("kind %v", diag.Kind(err))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseModes (-want +got):\n%s", diff)
			}
		})
	}
}

// builds says that the containers named "app" run an image built here.
type builds struct{ old map[string]bool }

func (b builds) Members(pod *corev1.Pod) []kube.Member {
	var members []kube.Member
	for _, c := range pod.Spec.Containers {
		m := kube.Member{Container: c.Name, Current: !b.old[pod.Name]}
		if c.Name == "app" {
			m.Artifact = "web"
		}
		members = append(members, m)
	}
	return members
}

// The pods and services of the tests are made of options.
type podOption func(*corev1.Pod)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func podOf(name string, options ...podOption) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), Labels: map[string]string{"app": "web"}, CreationTimestamp: metav1.Time{Time: start}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	for _, o := range options {
		o(pod)
	}
	return pod
}

func with(container string, ports ...corev1.ContainerPort) podOption {
	return func(p *corev1.Pod) {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: container, Ports: ports})
	}
}

func port(n int32) corev1.ContainerPort { return corev1.ContainerPort{ContainerPort: n} }

func ownedBy(kind, name string) podOption {
	yes := true
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, Controller: &yes}}
	}
}

func ofDeployment(name string) podOption {
	return func(p *corev1.Pod) {
		ownedBy("ReplicaSet", name+"-7f9c")(p)
		p.Labels["pod-template-hash"] = "7f9c"
	}
}

func notReady(p *corev1.Pod) { p.Status.Conditions = nil }
func pending(p *corev1.Pod)  { p.Status.Phase = corev1.PodPending }
func ending(p *corev1.Pod)   { p.DeletionTimestamp = &metav1.Time{Time: start} }
func aged(d time.Duration) podOption {
	return func(p *corev1.Pod) { p.CreationTimestamp.Time = start.Add(-d) }
}

func serviceOf(name string, ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: ports},
	}
}

func sport(n int32, target string) corev1.ServicePort {
	return corev1.ServicePort{Port: n, Name: fmt.Sprint("p", n), TargetPort: intstr.Parse(target)}
}

func pictureOf(pods []*corev1.Pod, services []*corev1.Service, sel selection) (*picture, map[types.NamespacedName]*corev1.Service) {
	p := newPicture()
	for _, pod := range pods {
		p.add(pod, sel)
	}
	for _, s := range services {
		p.services[types.NamespacedName{Namespace: s.Namespace, Name: s.Name}] = s
	}
	return p, p.services
}

func TestWhatIsForwarded(t *testing.T) {
	python := podOf("python", with("app", port(5000)))
	deployed := podOf("web-7f9c-abcde", ofDeployment("web"), with("app", port(8080), port(9090)), with("sidecar", port(15000)))
	udp := podOf("dns", with("app", corev1.ContainerPort{ContainerPort: 53, Protocol: corev1.ProtocolUDP}))
	debugged := podOf("web-1", ownedBy("StatefulSet", "web"), with("app", port(8080)), func(p *corev1.Pod) {
		p.Annotations = map[string]string{debugAnnotation: `{"app":{"runtime":"nodejs","ports":{"devtools":9229}}}`}
	})
	bare := Modes{User: true, Services: true, Bare: true}
	for _, tt := range []struct {
		name     string
		modes    Modes
		wanted   []Port
		pods     []*corev1.Pod
		services []*corev1.Service
		want     []string
	}{
		{"nothing by itself", Modes{}, nil, []*corev1.Pod{python}, nil, nil},
		{"the flag without a value forwards a pod without a service", bare, nil, []*corev1.Pod{python}, nil, []string{"pod/python 5000 -> 5000"}},
		{"and a deployment by its own name, whatever its pods are called", bare, nil, []*corev1.Pod{deployed}, nil,
			[]string{"deployment/web 8080 -> 8080", "deployment/web 9090 -> 9090"}},
		{"and leaves out what a service leads to", bare, nil, []*corev1.Pod{deployed}, []*corev1.Service{serviceOf("web", sport(80, "8080"))},
			[]string{"service/web 80 -> 0", "deployment/web 9090 -> 9090"}},
		{"services forwards every port, low ones to any", Modes{Services: true}, nil, nil, []*corev1.Service{serviceOf("web", sport(80, "8080"), sport(8443, "https"))},
			[]string{"service/web 80 -> 0", "service/web 8443 -> 8443"}},
		{"a service without a selector leads nowhere", Modes{Services: true}, nil, nil, []*corev1.Service{{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{sport(80, "80")}}}}, nil},
		{"pods forwards even what a service leads to", Modes{Services: true, Pods: true}, nil, []*corev1.Pod{python}, []*corev1.Service{serviceOf("web", sport(5000, "5000"))},
			[]string{"service/web 5000 -> 5000", "pod/python 5000 -> 5000"}},
		{"what is not TCP cannot be forwarded", Modes{Pods: true}, nil, []*corev1.Pod{udp}, nil, nil},
		{"debug forwards the ports of debuggers only", Modes{Debug: true}, nil, []*corev1.Pod{debugged}, nil, []string{"statefulset/web 9229 -> 9229"}},
		{"replicas are one", Modes{Pods: true}, nil, []*corev1.Pod{deployed, podOf("web-7f9c-zzz", ofDeployment("web"), with("app", port(8080)))}, nil,
			[]string{"deployment/web 8080 -> 8080", "deployment/web 9090 -> 9090"}},
		{"what ends is not forwarded", Modes{Pods: true}, nil, []*corev1.Pod{podOf("a", ending, with("app", port(1))), podOf("b", with("app", port(2)), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })}, nil, nil},
		{"the user's own come first and once", bare, []Port{{Resource: "Pod", Namespace: "default", Name: "python", Remote: PortRef{Number: 5000}, Local: 8000, Fixed: true}}, []*corev1.Pod{python}, nil,
			[]string{"pod/python 5000 -> 8000 fixed"}},
		{"without a local port the user gets the remote one", bare, []Port{{Resource: "svc", Namespace: "default", Name: "db", Remote: PortRef{Number: 80}}}, nil, nil, []string{"service/db 80 -> 80"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, deployed := pictureOf(tt.pods, tt.services, builds{})
			var got []string
			for _, s := range p.specs(tt.modes, tt.wanted, deployed) {
				text := fmt.Sprintf("%s %s -> %d", s.resource(), s.port, s.local)
				if s.fixed {
					text += " fixed"
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("specs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPickTakesTheBestPod(t *testing.T) {
	web := func(name string, o ...podOption) *corev1.Pod {
		return podOf(name, append([]podOption{ofDeployment("web"), with("app", corev1.ContainerPort{Name: "http", ContainerPort: 8080})}, o...)...)
	}
	deployment := spec{key: key{"deployment", "default", "web", PortRef{Number: 8080}}}
	service := spec{key: key{"service", "default", "web", PortRef{Number: 80}}}
	for _, tt := range []struct {
		name     string
		spec     spec
		pods     []*corev1.Pod
		services []*corev1.Service
		want     string
	}{
		{"nothing where there is none", deployment, nil, nil, "none"},
		{"a pod by its name", spec{key: key{"pod", "default", "a", PortRef{Number: 1}}}, []*corev1.Pod{web("b"), web("a")}, nil, "a:1"},
		{"the newest of equals", deployment, []*corev1.Pod{web("old", aged(time.Hour)), web("new"), web("older", aged(2*time.Hour))}, nil, "new:8080"},
		{"ready before new", deployment, []*corev1.Pod{web("old", aged(time.Hour)), web("new", notReady)}, nil, "old:8080"},
		{"what runs if none is ready", deployment, []*corev1.Pod{web("a", notReady), web("b", pending)}, nil, "a:8080"},
		{"never one that ends", deployment, []*corev1.Pod{web("a", ending)}, nil, "none"},
		{"deployed last before new", deployment, []*corev1.Pod{web("stale"), web("fresh", aged(time.Hour))}, nil, "fresh:8080"},
		{"a service's port leads to its target", service, []*corev1.Pod{web("a")}, []*corev1.Service{serviceOf("web", sport(80, "9999"))}, "a:9999"},
		{"or to a named one", service, []*corev1.Pod{web("a")}, []*corev1.Service{serviceOf("web", sport(80, "http"))}, "a:8080"},
		{"or to the same", service, []*corev1.Pod{web("a")}, []*corev1.Service{serviceOf("web", corev1.ServicePort{Port: 80})}, "a:80"},
		{"a pod without the named port is none", service, []*corev1.Pod{podOf("a", with("app"))}, []*corev1.Service{serviceOf("web", sport(80, "http"))}, "none"},
		{"a service's port by its name", spec{key: key{"service", "default", "web", PortRef{Name: "p80"}}}, []*corev1.Pod{web("a")}, []*corev1.Service{serviceOf("web", sport(80, "http"))}, "a:8080"},
		{"a replica set by its own name", spec{key: key{"replicaset", "default", "web-7f9c", PortRef{Name: "http"}}}, []*corev1.Pod{web("a")}, nil, "a:8080"},
		{"not in another namespace", spec{key: key{"pod", "other", "a", PortRef{Number: 1}}}, []*corev1.Pod{web("a")}, nil, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := pictureOf(tt.pods, tt.services, builds{old: map[string]bool{"stale": true}})
			got := "none"
			if pod, n, _ := p.pick(tt.spec); pod != nil {
				got = fmt.Sprintf("%s:%d", pod.Name, n)
			}
			if got != tt.want {
				t.Errorf("pick = %s, want %s", got, tt.want)
			}
		})
	}
}
