package kubetest_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

func deployment(t *testing.T, container string) *unstructured.Unstructured {
	t.Helper()
	objects, err := kube.ReadObjects("x.yaml", []byte(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [`+container+`]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return &objects[0].Unstructured
}

func apply(t *testing.T, c dynamic.ResourceInterface, manager string, force bool, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	return c.Apply(t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: manager, Force: force})
}

func TestApplyMergesWhatTwoManagersOwn(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t).Dynamic.Resource(deployments).Namespace("default")
	first, err := apply(t, c, "a", false, deployment(t, "{name: one, image: i}"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := apply(t, c, "a", false, deployment(t, "{name: one, image: i}"))
	if err != nil || again.GetResourceVersion() != first.GetResourceVersion() {
		t.Errorf("an apply without a change: version %s became %s, %v", first.GetResourceVersion(), again.GetResourceVersion(), err)
	}
	both, err := apply(t, c, "b", false, deployment(t, "{name: two, image: i}"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, container := range kube.Containers(&kube.Object{Unstructured: *both}) {
		names = append(names, container.Name)
	}
	if diff := cmp.Diff([]string{"one", "two"}, names); diff != "" || both.GetGeneration() != 2 {
		t.Errorf("generation %d, containers (-want +got):\n%s", both.GetGeneration(), diff)
	}
	if _, err := apply(t, c, "b", false, deployment(t, "{name: one, image: other}")); !apierrors.IsConflict(err) {
		t.Errorf("a field of another manager: %v", err)
	}
	if _, err := apply(t, c, "b", true, deployment(t, "{name: one, image: other}")); err != nil {
		t.Errorf("by force: %v", err)
	}
	if diff := cmp.Diff([]string{"PATCH deployments/web", "PATCH deployments/web", "PATCH deployments/web", "PATCH deployments/web", "PATCH deployments/web"}, s.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestTheRulesThatTheProjectDependsOn(t *testing.T) {
	s := kubetest.New(t)
	cluster := s.Cluster(t)
	c := cluster.Dynamic.Resource(deployments)
	if _, err := apply(t, c.Namespace("nope"), "a", true, deployment(t, "{name: one, image: i}")); !apierrors.IsNotFound(err) {
		t.Errorf("a namespace that is not there: %v", err)
	}
	if _, err := apply(t, c.Namespace("default"), "a", true, deployment(t, "{name: one, imag: i}")); !apierrors.IsBadRequest(err) {
		t.Errorf("a field that the kind does not have: %v", err)
	}
	made, err := apply(t, c.Namespace("default"), "a", true, deployment(t, "{name: one, image: i}"))
	if err != nil {
		t.Fatal(err)
	}
	other := made.GetUID() + "x"
	err = c.Namespace("default").Delete(t.Context(), "web", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	if !apierrors.IsConflict(err) {
		t.Errorf("a deletion of another object: %v", err)
	}
	s.Refuse(func(r kubetest.Request) *apierrors.StatusError {
		if r.Verb == http.MethodDelete {
			return apierrors.NewTooManyRequestsError("later")
		}
		return nil
	})
	if err := c.Namespace("default").Delete(t.Context(), "web", metav1.DeleteOptions{}); !apierrors.IsTooManyRequests(err) {
		t.Errorf("a refusal: %v", err)
	}
}
