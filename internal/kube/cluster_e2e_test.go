//go:build e2e

package kube_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/exec"
)

// real connects to the cluster of the e2e tests and makes a namespace that is deleted at the end.
func real(t *testing.T) (*kube.Cluster, string) {
	t.Helper()
	c, err := kube.Connect(kube.Options{Getenv: os.Getenv, Context: os.Getenv("E2E_KUBECONTEXT"), StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.Typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "skiff-kube-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = c.Typed.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{})
	})
	c.Namespace = ns.Name
	return c, ns.Name
}

func TestARealClusterAnswers(t *testing.T) {
	c, _ := real(t)
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	host, err := c.LocalRegistry(t.Context())
	if err != nil || host == "" {
		t.Errorf("LocalRegistry = %q, %v", host, err)
	}
	m, err := c.Mapper.RESTMapping(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "v1")
	if err != nil || m.Resource.Resource != "deployments" {
		t.Errorf("RESTMapping = %v, %v", m, err)
	}
	if _, err := c.Mapper.RESTMapping(schema.GroupKind{Group: "x.example", Kind: "Nope"}, "v1"); err == nil {
		t.Error("a kind that is not there was mapped")
	}
}

func TestAPodIsWatchedExecutedInForwardedToAndRead(t *testing.T) {
	c, ns := real(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	events := make(chan kube.PodEvent, 100)
	watchCtx, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- c.WatchPods(watchCtx, []string{""}, func(e kube.PodEvent) { events <- e }) }()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: new(int64),
		Containers:                    []corev1.Container{{Name: "main", Image: "busybox", Command: []string{"sh", "-c", "echo hello log; mkdir /w; echo served > /w/index.html; exec httpd -f -p 8080 -h /w"}}},
	}}
	if _, err := c.Typed.CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for ready := false; !ready; {
		select {
		case e := <-events:
			ready = len(e.Pod.Status.ContainerStatuses) > 0 && e.Pod.Status.ContainerStatuses[0].Ready
		case <-ctx.Done():
			t.Fatal("the pod did not become ready")
		}
	}
	t.Run("exec copies its input and tells the exit code", func(t *testing.T) {
		var out, errs bytes.Buffer
		began := time.Now()
		err := c.Exec(ctx, kube.Exec{Namespace: ns, Pod: "web", Container: "main", Command: []string{"sh", "-c", "cat; echo problem >&2; exit 3"},
			Stdin: strings.NewReader("typed"), Stdout: &out, Stderr: &errs})
		t.Logf("exec took %v", time.Since(began))
		var code exec.CodeExitError
		if !errors.As(err, &code) || code.Code != 3 || out.String() != "typed" || errs.String() != "problem\n" {
			t.Errorf("Exec = %v, out %q, err %q", err, out.String(), errs.String())
		}
	})
	t.Run("a port-forward connection carries HTTP", func(t *testing.T) {
		conn, err := c.DialPod(ns, "web")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		h := http.Header{}
		h.Set(corev1.StreamType, corev1.StreamTypeError)
		h.Set(corev1.PortHeader, "8080")
		h.Set(corev1.PortForwardRequestIDHeader, "1")
		if _, err := conn.CreateStream(h); err != nil {
			t.Fatal(err)
		}
		h.Set(corev1.StreamType, corev1.StreamTypeData)
		data, err := conn.CreateStream(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(data, "GET /index.html HTTP/1.0\r\n\r\n")
		body, err := io.ReadAll(data)
		if err != nil || !strings.HasSuffix(string(body), "served\n") {
			t.Errorf("read %q, %v", body, err)
		}
	})
	t.Run("its log can be read", func(t *testing.T) {
		r, err := c.Logs(ctx, ns, "web", &corev1.PodLogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		text, _ := io.ReadAll(r)
		if string(text) != "hello log\n" {
			t.Errorf("log is %q", text)
		}
	})
	t.Run("its image is listed", func(t *testing.T) {
		images, err := kube.ListImages(ctx, c.Typed.CoreV1(), ns)
		if err != nil || len(images) != 1 || images[0] != "busybox" {
			t.Errorf("ListImages = %v, %v", images, err)
		}
	})
	if err := c.Typed.CoreV1().Pods(ns).Delete(ctx, "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for gone := false; !gone; {
		select {
		case e := <-events:
			gone = e.Deleted
		case <-ctx.Done():
			t.Fatal("the deletion was not seen")
		}
	}
	stop()
	if err := <-watched; err != nil {
		t.Errorf("WatchPods = %v", err)
	}
}
