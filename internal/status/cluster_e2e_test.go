//go:build e2e

package status_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func realCluster(t *testing.T) *kube.Cluster {
	t.Helper()
	c, err := kube.Connect(kube.Options{Getenv: os.Getenv, Context: os.Getenv("E2E_KUBECONTEXT")})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.Typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "skiff-status-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = c.Typed.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{})
	})
	c.Namespace = ns.Name
	return c
}

// putReal applies a manifest and returns what the server made of it.
func putReal(t *testing.T, c *kube.Cluster, manifest string) []*kube.Object {
	t.Helper()
	objects, err := kube.ReadObjects("k8s/app.yaml", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range objects {
		m, err := c.Mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
		if err != nil {
			t.Fatal(err)
		}
		for {
			got, err := c.Dynamic.Resource(m.Resource).Namespace(c.Namespace).Apply(t.Context(), o.GetName(), &o.Unstructured, metav1.ApplyOptions{FieldManager: "skiff", Force: true})
			if err != nil && strings.Contains(err.Error(), "serviceaccount") {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			objects[i] = &kube.Object{Unstructured: *got, File: o.File, Line: o.Line}
			break
		}
	}
	return objects
}

const podStart = `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: busybox
`

const deploymentStart = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: busybox
`

func TestWhatARealClusterSays(t *testing.T) {
	for _, tt := range []struct {
		name, manifest string
		want           []string // parts of the error; none: it gets ready
		within         time.Duration
	}{
		{"a good pod is ready", podStart + `    command: [sleep, "3600"]`, nil, 10 * time.Second},
		{"a good deployment is ready", deploymentStart + `        command: [sleep, "3600"]`, nil, 10 * time.Second},
		{"a pod that crashes", podStart + `    command: [sh, -c, "echo boom; exit 7"]`,
			[]string{`Pod/web is not ready after`, `container "web" restarted once, last exit 7`}, 15 * time.Second},
		{"a deployment that crashes", deploymentStart + `        command: [sh, -c, "echo boom; exit 7"]`,
			[]string{`Deployment/web is not ready after`, `container "web" restarted once, last exit 7`}, 15 * time.Second},
		{"a pod that crashes once gets ready", podStart + `    command: [sh, -c, "[ -e /d/x ] || { touch /d/x; exit 1; }; sleep 3600"]
    volumeMounts: [{name: d, mountPath: /d}]
    readinessProbe: {exec: {command: [test, -e, /d/x]}, initialDelaySeconds: 1}
  volumes: [{name: d, emptyDir: {}}]`, nil, 20 * time.Second},
		{"an image that is not there", strings.Replace(podStart, "busybox", "localhost:5005/nope:1", 1),
			[]string{`image localhost:5005/nope:1 of container "web" cannot be pulled: `, "not found"}, 15 * time.Second},
		{"a command that is not there", podStart + `    command: [nope]`, []string{`container "web" cannot start: `, "nope"}, 15 * time.Second},
		{"a ConfigMap that is not there", podStart + `    envFrom: [{configMapRef: {name: nope}}]`,
			[]string{`container "web" cannot start: configmap "nope" not found`}, 15 * time.Second},
		{"a Job that fails", `
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, containers: [{name: once, image: busybox, command: [sh, -c, "echo bad; exit 9"]}]}}
`, []string{`Job/once is not ready after`, `exit 9`}, 20 * time.Second},
		{"a Job that works", `
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: once, image: busybox, command: [sleep, "1"]}]}}
`, nil, 20 * time.Second},
		{"a StatefulSet and a DaemonSet", `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: db, image: busybox, command: [sleep, "3600"]}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node}
spec:
  selector: {matchLabels: {app: node}}
  template: {metadata: {labels: {app: node}}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: node, image: busybox, command: [sleep, "3600"]}]}}
`, nil, 20 * time.Second},
		{"a quota that is used up", `
apiVersion: v1
kind: ResourceQuota
metadata: {name: none}
spec: {hard: {pods: "0"}}
---` + deploymentStart, []string{"its pods cannot be made: ", "exceeded quota"}, 15 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := realCluster(t)
			h := &heard{}
			began := time.Now()
			err := status.Wait(t.Context(), c, putReal(t, c, tt.manifest), status.Options{Deadline: 40 * time.Second}, h)
			took := time.Since(began)
			t.Logf("%v after %v\n%s", err, took, strings.Join(h.texts(), "\n"))
			if took > tt.within {
				t.Errorf("took %v", took)
			}
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("Wait = %v, want %q", err, tt.want)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Wait = %v\nwant %q in it", err, part)
				}
			}
			if err != nil && code(err) != diag.CodeReady {
				t.Errorf("exit code %d", code(err))
			}
		})
	}
}

func TestANewRolloutIsNotBlamedForThePodsOfTheOldOne(t *testing.T) {
	c := realCluster(t)
	h := &heard{}
	err := status.Wait(t.Context(), c, putReal(t, c, deploymentStart+`        command: [sh, -c, "exit 7"]`), status.Options{}, h)
	if err == nil {
		t.Fatal("a crashing deployment is ready")
	}
	if err := status.Wait(t.Context(), c, putReal(t, c, deploymentStart+`        command: [sleep, "3600"]`), status.Options{}, h); err != nil {
		t.Errorf("after the mend: %v", err)
	}
}

func TestAPodThatIsMendedInPlaceIsNotBlamedForItsPast(t *testing.T) {
	c := realCluster(t)
	h := &heard{}
	manifest := podStart + `    command: [sh, -c, "if [ -e /etc/debian_version ]; then sleep 3600; else exit 7; fi"]`
	if err := status.Wait(t.Context(), c, putReal(t, c, manifest), status.Options{}, h); err == nil {
		t.Fatal("a crashing pod is ready")
	}
	began := time.Now()
	if err := status.Wait(t.Context(), c, putReal(t, c, strings.Replace(manifest, "image: busybox", "image: python:3-slim", 1)), status.Options{}, h); err != nil {
		t.Errorf("after the mend: %v\n%s", err, strings.Join(h.texts(), "\n"))
	}
	t.Logf("mended in %v\n%s", time.Since(began), strings.Join(h.texts(), "\n"))
	if objects := putReal(t, c, strings.Replace(manifest, "image: busybox", "image: localhost:5005/nope:2", 1)); true {
		err := status.Wait(t.Context(), c, objects, status.Options{}, h)
		if err == nil || !strings.Contains(err.Error(), "nope:2") {
			t.Errorf("a bad image put into a running pod: %v", err)
		}
	}
}

func TestAPodWithoutANodeIsToldAtOnceAndTheEndOfTheContextEndsTheWait(t *testing.T) {
	c := realCluster(t)
	h := &heard{}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err := status.Wait(ctx, c, putReal(t, c, podStart+`    resources: {requests: {cpu: "4000"}}`), status.Options{}, h)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait = %v", err)
	}
	if text := strings.Join(h.texts(), "\n"); !strings.Contains(text, "no node can take the pod: ") || !strings.Contains(text, "Insufficient cpu") {
		t.Errorf("told:\n%s", text)
	}
}

func TestAProbeThatFailsIsTold(t *testing.T) {
	c := realCluster(t)
	h := &heard{}
	err := status.Wait(t.Context(), c, putReal(t, c, podStart+`    command: [sleep, "3600"]
    readinessProbe: {exec: {command: [sh, -c, "echo not yet; exit 1"]}, periodSeconds: 1}`), status.Options{Deadline: 8 * time.Second, Quiet: time.Second}, h)
	t.Log(err)
	if err == nil || !strings.Contains(err.Error(), "Readiness probe failed: not yet") {
		t.Errorf("Wait = %v\n%s", err, strings.Join(h.texts(), "\n"))
	}
}
