//go:build e2e

package deploy_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/kube"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func realCluster(t *testing.T) *kube.Cluster {
	t.Helper()
	c, err := kube.Connect(kube.Options{Getenv: os.Getenv, Context: os.Getenv("E2E_KUBECONTEXT")})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.Typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "skiff-deploy-"}}, metav1.CreateOptions{})
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

func apply(t *testing.T, d *deploy.Deployer, manifest string) []*kube.Object {
	t.Helper()
	objects, err := kube.ReadObjects("k8s/app.yaml", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Apply(t.Context(), objects)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return got
}

const app = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
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
        command: [sleep, "3600"]
        env: [{name: A, value: "1"}]
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 1m, memory: 1000Ki}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
`

func TestASecondSessionSendsNothingForAnUnchangedProject(t *testing.T) {
	c := realCluster(t)
	d, got := session(c)
	apply(t, d, app)
	if diff := cmp.Diff([]string{"created ConfigMap/settings", "created Deployment/web", "created Service/web"}, got.actions()); diff != "" {
		t.Errorf("first pass (-want +got):\n%s", diff)
	}
	before, err := c.Typed.AppsV1().Deployments(c.Namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second, again := session(c)
	began := time.Now()
	results := apply(t, second, app)
	t.Logf("unchanged pass: %v", time.Since(began))
	if len(results) != 3 {
		t.Errorf("%d objects to wait for, want all 3", len(results))
	}
	if diff := cmp.Diff([]string{"unchanged ConfigMap/settings", "unchanged Deployment/web", "unchanged Service/web"}, again.actions()); diff != "" {
		t.Errorf("second session (-want +got):\n%s", diff)
	}
	after, err := c.Typed.AppsV1().Deployments(c.Namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || after.Generation != before.Generation {
		t.Errorf("generation %d became %d, %v", before.Generation, after.Generation, err)
	}
	t.Run("and mends what somebody edited", func(t *testing.T) {
		_, err := c.Typed.AppsV1().Deployments(c.Namespace).Patch(t.Context(), "web", types.StrategicMergePatchType,
			[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"2"}]}]}}}}`), metav1.PatchOptions{FieldManager: "hand"})
		if err != nil {
			t.Fatal(err)
		}
		third, got := session(c)
		apply(t, third, app)
		if diff := cmp.Diff([]string{"configured Deployment/web", "unchanged ConfigMap/settings", "unchanged Service/web"}, got.actions()); diff != "" {
			t.Errorf("third session (-want +got):\n%s", diff)
		}
	})
	t.Run("and prunes what left the manifests", func(t *testing.T) {
		fourth, got := session(c)
		apply(t, fourth, app[:strings.LastIndex(app, "---")])
		if diff := cmp.Diff([]string{"deleted ConfigMap/settings", "unchanged Deployment/web", "unchanged Service/web"}, got.actions()); diff != "" {
			t.Errorf("fourth session (-want +got):\n%s", diff)
		}
		if err := fourth.Cleanup(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := c.Typed.AppsV1().Deployments(c.Namespace).Get(t.Context(), "web", metav1.GetOptions{}); err != nil {
			t.Errorf("cleanup of a session that created nothing: %v", err)
		}
	})
}

const pod = `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: web, image: busybox, command: [sleep, "3600"], env: [{name: A, value: "%s"}]}
`

func TestAPodWhoseEnvironmentChangedIsMadeAgain(t *testing.T) {
	c := realCluster(t)
	d, got := session(c)
	apply(t, d, fmt.Sprintf(pod, "1"))
	began := time.Now()
	apply(t, d, fmt.Sprintf(pod, "2"))
	t.Logf("replaced in %v", time.Since(began))
	if diff := cmp.Diff([]string{"created Pod/web", "replaced Pod/web"}, got.actions()); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	began = time.Now()
	if err := d.Cleanup(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("cleanup took %v", took)
	}
	p, err := c.Typed.CoreV1().Pods(c.Namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) && (err != nil || p.DeletionTimestamp == nil) {
		t.Errorf("the pod is still there: %v", err)
	}
}

func TestARestartedSessionDoesNotWaitForAPodThatIgnoresItsEnd(t *testing.T) {
	c := realCluster(t)
	d, _ := session(c)
	apply(t, d, fmt.Sprintf(pod, "1"))
	waitRunning(t, c)
	if err := d.Cleanup(t.Context()); err != nil {
		t.Error(err)
	}
	again, got := session(c)
	began := time.Now()
	apply(t, again, fmt.Sprintf(pod, "1"))
	took := time.Since(began)
	t.Logf("made again in %v", took)
	if diff := cmp.Diff([]string{"created Pod/web"}, got.actions()); diff != "" || took > 5*time.Second {
		t.Errorf("took %v, actions (-want +got):\n%s", took, diff)
	}
}

func waitRunning(t *testing.T, c *kube.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := c.WatchPods(ctx, nil, func(e kube.PodEvent) {
		if e.Pod.Status.Phase == corev1.PodRunning {
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

const defined = `
apiVersion: boats.example/v1
kind: Boat
metadata: {name: one}
spec: {image: busybox}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.boats.example}
spec:
  group: boats.example
  scope: Namespaced
  names: {kind: Boat, plural: boats, singular: boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s-more}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: %[1]s-more}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: web, image: busybox, command: [sleep, "3600"]}
`

func TestNamespacesAndDefinitionsComeBeforeWhatNeedsThem(t *testing.T) {
	c := realCluster(t)
	d, got := session(c)
	began := time.Now()
	apply(t, d, fmt.Sprintf(defined, c.Namespace))
	t.Logf("applied in %v", time.Since(began))
	want := []string{"created Boat/one", "created CustomResourceDefinition/boats.boats.example", "created Namespace/" + c.Namespace + "-more", "created Pod/web"}
	if diff := cmp.Diff(want, got.actions()); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if err := d.Cleanup(t.Context()); err != nil {
		t.Error(err)
	}
	ns, err := c.Typed.CoreV1().Namespaces().Get(t.Context(), c.Namespace+"-more", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) && (err != nil || ns.DeletionTimestamp == nil) {
		t.Errorf("the namespace is still there: %v", err)
	}
}

func TestAHundredObjectsAreAppliedInOneGo(t *testing.T) {
	c := realCluster(t)
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%d}\nspec: {selector: {app: w%d}, ports: [{port: 80}]}\n", i, i)
		fmt.Fprintf(&b, "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w%d}\nspec: {replicas: 0, selector: {matchLabels: {app: w%d}}, template: {metadata: {labels: {app: w%d}}, spec: {containers: [{name: w, image: busybox}]}}}\n", i, i, i)
	}
	d, _ := session(c)
	began := time.Now()
	apply(t, d, b.String())
	t.Logf("first pass: %v", time.Since(began))
	second, got := session(c)
	began = time.Now()
	apply(t, second, b.String())
	t.Logf("unchanged pass of a new session: %v", time.Since(began))
	for _, a := range got.actions() {
		if !strings.HasPrefix(a, "unchanged ") {
			t.Errorf("an unchanged project: %s", a)
		}
	}
	began = time.Now()
	apply(t, second, strings.Replace(b.String(), "port: 80", "port: 81", 1))
	t.Logf("one of them changed: %v", time.Since(began))
}
