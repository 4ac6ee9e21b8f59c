package kubetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// contract is what deploying depends on, tried on the server in memory here and on a real one with the tag e2e: a test against the
// one in memory proves nothing about what the real one does otherwise.
func contract(t *testing.T, c *kube.Cluster) {
	for name, try := range map[string]func(*user){
		"an apply creates, and the same again changes nothing":         applyTwice,
		"a field of another manager is a conflict with its name":       applyConflict,
		"a field that leaves the manifest leaves the object":           applyLess,
		"a dry run says what would be and changes nothing":             applyDry,
		"an unknown namespace is not found by its name":                applyNowhere,
		"a selector is immutable":                                      applyImmutable,
		"the spec of a claim is immutable":                             claimImmutable,
		"a JSON patch of an older version is a conflict without cause": patchOld,
		"ownership can be handed over by a JSON patch":                 patchOwner,
		"a deletion of another uid is refused":                         deleteOther,
		"a finalizer holds a deletion":                                 deleteHeld,
		"a list by label has only what bears it":                       listLabelled,
		"a watch tells what was there, and what comes and goes":        watchAll,
	} {
		t.Run(name, func(t *testing.T) { try(&user{t, c}) })
	}
}

func TestContract(t *testing.T) { contract(t, kubetest.New(t).Cluster(t)) }

// user is a client that speaks as several managers.
type user struct {
	*testing.T
	cluster *kube.Cluster
}

func (u *user) client(o *unstructured.Unstructured) dynamic.ResourceInterface {
	u.Helper()
	m, err := u.cluster.Mapper.RESTMapping(o.GroupVersionKind().GroupKind())
	if err != nil {
		u.Fatal(err)
	}
	ns := o.GetNamespace()
	if ns == "" {
		ns = u.cluster.Namespace
	}
	return u.cluster.Dynamic.Resource(m.Resource).Namespace(ns)
}

func (u *user) apply(manager, manifest string, options ...func(*metav1.PatchOptions)) (*unstructured.Unstructured, error) {
	u.Helper()
	objects, err := kube.ReadObjects("contract", []byte(manifest))
	if err != nil {
		u.Fatal(err)
	}
	o := &objects[0].Unstructured
	data, err := json.Marshal(o.Object)
	if err != nil {
		u.Fatal(err)
	}
	force := false
	opts := metav1.PatchOptions{FieldManager: manager, Force: &force}
	for _, option := range options {
		option(&opts)
	}
	return u.client(o).Patch(u.Context(), o.GetName(), types.ApplyPatchType, data, opts)
}

func (u *user) must(o *unstructured.Unstructured, err error) *unstructured.Unstructured {
	u.Helper()
	if err != nil {
		u.Fatal(err)
	}
	return o
}

func (u *user) data(o *unstructured.Unstructured, want map[string]any) {
	u.Helper()
	if diff := cmp.Diff(want, o.Object["data"]); diff != "" {
		u.Errorf("data (-want +got):\n%s", diff)
	}
}

func settings(name, data string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, labels: {test: %s}}, data: %s}", name, name, data)
}

func applyTwice(u *user) {

	first := u.must(u.apply("ann", settings("twice", "{a: x}")))
	second := u.must(u.apply("ann", settings("twice", "{a: x}")))
	if first.GetUID() == "" || first.GetResourceVersion() != second.GetResourceVersion() {
		u.Errorf("version %s became %s", first.GetResourceVersion(), second.GetResourceVersion())
	}
}

func applyConflict(u *user) {
	u.must(u.apply("ann", settings("conflict", "{a: x}")))
	_, err := u.apply("bob", settings("conflict", "{a: w}"))
	var causes []metav1.StatusCause
	if status, ok := err.(apierrors.APIStatus); ok && status.Status().Details != nil {
		causes = status.Status().Details.Causes
	}
	if !apierrors.IsConflict(err) || len(causes) != 1 || causes[0].Type != metav1.CauseTypeFieldManagerConflict || causes[0].Field != ".data.a" || !strings.HasPrefix(causes[0].Message, `conflict with "ann"`) {
		u.Errorf("apply = %v, causes %+v", err, causes)
	}
	u.data(u.must(u.apply("bob", settings("conflict", "{a: w}"), func(o *metav1.PatchOptions) { *o.Force = true })), map[string]any{"a": "w"})
	u.must(u.apply("ann", settings("conflict", "{a: w}"))) // the same value is none
}

func applyLess(u *user) {
	u.must(u.apply("ann", settings("less", "{a: x, b: x}")))
	u.data(u.must(u.apply("ann", settings("less", "{a: x}"))), map[string]any{"a": "x"})
}

func applyDry(u *user) {
	before := u.must(u.apply("ann", settings("dry", "{a: x}")))
	would := u.must(u.apply("ann", settings("dry", "{a: w}"), func(o *metav1.PatchOptions) { o.DryRun = []string{metav1.DryRunAll} }))
	u.data(would, map[string]any{"a": "w"})
	after := u.must(u.client(before).Get(u.Context(), "dry", metav1.GetOptions{}))
	u.data(after, map[string]any{"a": "x"})
}

func applyNowhere(u *user) {
	_, err := u.apply("ann", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: skiff-is-not-there}}")
	if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), `namespaces "skiff-is-not-there" not found`) {
		u.Errorf("apply = %v", err)
	}
}

func applyImmutable(u *user) {
	const web = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}}}`
	u.must(u.apply("ann", web))
	_, err := u.apply("ann", strings.ReplaceAll(web, "app: web", "app: new"))
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "field is immutable") {
		u.Errorf("apply = %v", err)
	}
}

func claimImmutable(u *user) {
	const claim = `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}`
	u.must(u.apply("ann", claim))
	_, err := u.apply("ann", strings.ReplaceAll(claim, "ReadWriteOnce", "ReadWriteMany"), func(o *metav1.PatchOptions) { *o.Force = true })
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec is immutable after creation") {
		u.Errorf("apply = %v", err)
	}
}

func jsonPatch(u *user, o *unstructured.Unstructured, path string, value any) (*unstructured.Unstructured, error) {
	data, err := json.Marshal([]any{
		map[string]any{"op": "replace", "path": path, "value": value},
		map[string]any{"op": "replace", "path": "/metadata/resourceVersion", "value": o.GetResourceVersion()},
	})
	if err != nil {
		u.Fatal(err)
	}
	return u.client(o).Patch(u.Context(), o.GetName(), types.JSONPatchType, data, metav1.PatchOptions{FieldManager: "ann"})
}

func patchOld(u *user) {
	old := u.must(u.apply("ann", settings("old", "{a: x}")))
	u.must(u.apply("ann", settings("old", "{a: w}")))
	_, err := jsonPatch(u, old, "/data/a", "z")
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "the object has been modified") {
		u.Errorf("patch = %v", err)
	}
	if status, ok := err.(apierrors.APIStatus); ok && status.Status().Details != nil && len(status.Status().Details.Causes) > 0 {
		u.Errorf("its causes are %v", status.Status().Details.Causes)
	}
}

func patchOwner(u *user) {
	o := u.must(u.apply("ann", settings("owner", "{a: x, b: x}")))
	fields := o.GetManagedFields()
	fields[0].Manager = "bob"
	u.must(jsonPatch(u, o, "/metadata/managedFields", fields))
	u.data(u.must(u.apply("bob", settings("owner", "{a: x}"))), map[string]any{"a": "x"})
}

func deleteOther(u *user) {
	o := u.must(u.apply("ann", settings("other", "{a: x}")))
	uid := types.UID("00000000-0000-0000-0000-000000000000")
	err := u.client(o).Delete(u.Context(), "other", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if !apierrors.IsConflict(err) {
		u.Errorf("delete = %v", err)
	}
}

func deleteHeld(u *user) {
	o := u.must(u.apply("ann", "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [skiff.dev/hold]}}"))
	if err := u.client(o).Delete(u.Context(), "held", metav1.DeleteOptions{}); err != nil {
		u.Fatal(err)
	}
	if there := u.must(u.client(o).Get(u.Context(), "held", metav1.GetOptions{})); there.GetDeletionTimestamp() == nil {
		u.Error("it is not being deleted")
	}
	if _, err := u.client(o).Patch(u.Context(), "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		u.Fatal(err)
	}
	if _, err := u.client(o).Get(u.Context(), "held", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		u.Errorf("without its finalizer it is still there: %v", err)
	}
}

func listLabelled(u *user) {
	o := u.must(u.apply("ann", settings("labelled", "{a: x}")))
	u.must(u.apply("ann", settings("labelled-too", "{a: x}")))
	list, err := u.client(o).List(u.Context(), metav1.ListOptions{LabelSelector: "test=labelled"})
	if err != nil || len(list.Items) != 1 || list.Items[0].GetName() != "labelled" {
		u.Errorf("list = %v, %v", list, err)
	}
}

func watchAll(u *user) {
	o := u.must(u.apply("ann", settings("watched", "{a: x}")))
	m, err := u.cluster.Mapper.RESTMapping(o.GroupVersionKind().GroupKind())
	if err != nil {
		u.Fatal(err)
	}
	ctx, stop := context.WithTimeout(u.Context(), 20*time.Second)
	defer stop()
	var told []string
	err = u.cluster.Watch(ctx, m.Resource, u.cluster.Namespace, metav1.ListOptions{FieldSelector: "metadata.name=watched"}, nil, func(o *unstructured.Unstructured, deleted bool) {
		told = append(told, fmt.Sprint(o.Object["data"], " ", deleted))
		switch len(told) {
		case 1:
			u.must(u.apply("ann", settings("watched", "{a: w}")))
		case 2:
			if err := u.client(o).Delete(ctx, "watched", metav1.DeleteOptions{}); err != nil {
				u.Error(err)
			}
		case 3:
			stop()
		}
	})
	want := []string{"map[a:x] false", "map[a:w] false", "map[a:w] true"}
	if err != nil || !slices.Equal(told, want) {
		u.Errorf("told %q (%v), want %q", told, err, want)
	}
}
