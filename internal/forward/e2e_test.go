//go:build e2e

package forward

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// program answers with the name of its pod, after a start that takes a while.
const program = `import http.server, os, time
time.sleep(0.5)
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die": os._exit(1)
        name = os.environ["HOSTNAME"].encode()
        self.send_response(200); self.send_header("Content-Length", str(len(name))); self.end_headers(); self.wfile.write(name)
http.server.ThreadingHTTPServer(("", 8080), H).serve_forever()`

func TestE2EAForwardOutlivesItsPods(t *testing.T) {
	c, err := kube.Connect(kube.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.Typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "forward-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		c.Typed.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	one, zero := int32(1), int64(0)
	labels := map[string]string{"app": "web"}
	_, err = c.Typed.AppsV1().Deployments(ns.Name).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &zero, Containers: []corev1.Container{{
				Name: "app", Image: "localhost:5005/library/python:3.12-slim", Command: []string{"python3", "-c", program},
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
			}}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Typed.CoreV1().Services(ns.Name).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, c, Options{Modes: Modes{User: true, Bare: true}, Services: c.Typed.CoreV1()})
	s.Want([]Port{{Resource: "service", Namespace: ns.Name, Name: "web", Remote: PortRef{Number: 80}, Local: freePort(t)}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.WatchPods(ctx, []string{ns.Name}, s.Pod) }()
	defer func() { cancel(); <-done }()
	var forwards []event.Forward
	for range 2 {
		forwards = append(forwards, s.events.forward(t))
	}
	t.Logf("forwards: %+v", forwards)

	var names []string
	var slowest time.Duration
	get := func(f event.Forward) (string, error) {
		begun := time.Now()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 15 * time.Second}
		resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", f.LocalPort))
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		slowest = max(slowest, time.Since(begun))
		return string(body), err
	}
	asked, failed := 0, 0
	disturb := []func(){
		func() { _, _ = http.Get(fmt.Sprintf("http://127.0.0.1:%d/die", forwards[0].LocalPort)) },
		func() {
			_ = c.Typed.CoreV1().Pods(ns.Name).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
		},
		func() {},
	}
	for _, d := range disturb {
		d()
		for end := time.Now().Add(4 * time.Second); time.Now().Before(end); wait(t.Context(), 10*time.Millisecond) {
			asked++
			name, err := get(forwards[asked%2])
			if err != nil {
				failed++
				t.Logf("request %d: %v", asked, err)
				continue
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	t.Logf("%d requests, %d failed, slowest %s, pods %q", asked, failed, slowest, names)
	if failed > 0 || len(names) != 2 {
		t.Errorf("%d of %d requests failed; %d pods answered, want 2", failed, asked, len(names))
	}
	s.events.quiet(t)
}
