package deploy_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestWhatAnotherDeploymentTookOverIsNotPrunedByTheSessionThatMadeIt(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	ann, heardByAnn := session(c)
	if _, err := ann.Apply(t.Context(), read(t, settings, web)); err != nil {
		t.Fatal(err)
	}
	heardByBob := &heard{}
	bob := deploy.New(c, deploy.Options{Project: "boats", Owner: "bob"}, heardByBob)
	if _, err := bob.Apply(t.Context(), read(t, settings)); err != nil {
		t.Fatal(err)
	}
	if got := heardByBob.warnings(); len(got) != 1 || !strings.Contains(got[0], "belonged to another deployment") {
		t.Errorf("bob is told %q", got)
	}
	heardByAnn.actions()
	if _, err := ann.Apply(t.Context(), read(t, web)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"kept ConfigMap/settings"}, heardByAnn.actions()); diff != "" {
		t.Errorf("ann's pass (-want +got):\n%s", diff)
	}
	if err := ann.Cleanup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Find("ConfigMap", "", "settings") == nil || s.Find("Deployment", "", "web") != nil {
		t.Error("ann's cleanup did not delete what is hers, or deleted what is bob's")
	}
}

func TestAFieldThatIsTakenBackIsToldWithTheNameOfItsManager(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	if err := byKubectl(t.Context(), c, read(t, changed)); err != nil {
		t.Fatal(err)
	}
	d, h := session(c)
	if _, err := d.Apply(t.Context(), read(t, settings)); err != nil {
		t.Fatal(err)
	}
	want := []string{`ConfigMap/settings: .data.a was set by "kubectl"; it is as the manifest says again (--force-conflicts=false refuses instead)`}
	if diff := cmp.Diff(want, h.warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if got := s.Find("ConfigMap", "", "settings").Object["data"].(map[string]any)["a"]; got != "1" {
		t.Errorf("the field is %q", got)
	}
}

const clientSide = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  managedFields:
  - manager: kubectl-client-side-apply
    operation: Update
    apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1: {"f:data": {"f:a": {}, "f:gone": {}}, "f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}}
data: {a: "0", gone: "1"}
`

func TestWhatKubectlAppliedFromTheClientIsTakenOver(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	s.Put(clientSide)
	d, h := session(c)
	if _, err := d.Apply(t.Context(), read(t, settings)); err != nil {
		t.Fatal(err)
	}
	if got := h.warnings(); len(got) > 0 {
		t.Errorf("warnings: %q", got)
	}
	o := s.Find("ConfigMap", "", "settings")
	if diff := cmp.Diff(map[string]any{"a": "1"}, o.Object["data"]); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	if o.GetAnnotations()["kubectl.kubernetes.io/last-applied-configuration"] != "" || len(o.GetManagedFields()) != 1 {
		t.Errorf("kubectl has left %v, %v", o.GetAnnotations(), o.GetManagedFields())
	}
	again, told := session(c)
	s.Requests()
	if _, err := again.Apply(t.Context(), read(t, settings)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{}, writes(s.Requests())); diff != "" {
		t.Errorf("writes of the next session (-want +got):\n%s\n%v", diff, told.actions())
	}
}

func TestARunIDIsNoReasonToSendAnything(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	for i, run := range []string{"one", "two"} {
		s.Requests()
		d := deploy.New(c, deploy.Options{Project: "boats", Owner: "ann", RunID: run}, &heard{})
		if _, err := d.Apply(t.Context(), read(t, web)); err != nil {
			t.Fatal(err)
		}
		if got := writes(s.Requests()); i == 1 && len(got) > 0 {
			t.Errorf("the second run wrote %v", got)
		}
		o := s.Find("Deployment", "", "web")
		if got := o.GetLabels()["skaffold.dev/run-id"]; got != "one" {
			t.Errorf("the run's label is %q", got)
		}
		template := o.Object["spec"].(map[string]any)["template"].(map[string]any)["metadata"]
		if diff := cmp.Diff(map[string]any{"labels": map[string]any{"app": "web"}}, template); diff != "" {
			t.Errorf("the pod template (-want +got):\n%s", diff)
		}
	}
}

func TestLooseObjectsBelongToNobody(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	ann, _ := session(c)
	if _, err := ann.Apply(t.Context(), read(t, web)); err != nil {
		t.Fatal(err)
	}
	whose := s.Find("Deployment", "", "web").GetLabels()["applyset.kubernetes.io/part-of"]
	s.Requests()
	for _, manifests := range [][]string{{settings, web}, {service}} {
		loose := deploy.New(c, deploy.Options{Project: "boats", Owner: "ann@here:/boats", Loose: true}, &heard{})
		if _, err := loose.Apply(t.Context(), read(t, manifests...)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"PATCH configmaps/settings", "PATCH deployments/web", "PATCH services/web"}
	if diff := cmp.Diff(want, writes(s.Requests())); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if got := s.Find("Deployment", "", "web").GetLabels()["applyset.kubernetes.io/part-of"]; got != whose || whose == "" {
		t.Errorf("the Deployment is part of %q now, before of %q", got, whose)
	}
	if got := s.Find("ConfigMap", "", "settings").GetLabels(); len(got) > 0 {
		t.Errorf("labels of a loose object: %v", got)
	}
}

func TestABusyClusterIsAskedAgain(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for _, tt := range []struct {
		name   string
		refuse *apierrors.StatusError
		again  bool
	}{
		{"too many requests", apierrors.NewTooManyRequestsError("slow down"), true},
		{"written by somebody in the same moment", apierrors.NewConflict(deployments, "web", errors.New("the object has been modified; please apply your changes to the latest version")), true},
		{"a proxy without a server", apierrors.NewGenericServerResponse(http.StatusBadGateway, "patch", deployments, "web", "", 0, true), true},
		{"a server that stops", apierrors.NewServiceUnavailable("shutting down"), true},
		{"a webhook whose pod starts", apierrors.NewInternalError(errors.New(`failed calling webhook "x": connection refused`)), true},
		{"no right", apierrors.NewForbidden(deployments, "web", errors.New("no")), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := kubetest.New(t)
			var times atomic.Int32
			s.Refuse(func(r kubetest.Request) *apierrors.StatusError {
				if r.Resource == "deployments" && times.Add(1)%4 != 0 {
					return tt.refuse
				}
				return nil
			})
			d := deploy.New(s.Cluster(t), deploy.Options{Project: "boats", Owner: "ann", Patience: 10 * time.Second}, &heard{})
			_, err := d.Apply(t.Context(), read(t, web))
			if (err == nil) != tt.again {
				t.Errorf("Apply = %v", err)
			}
		})
	}
}

func TestAServerThatIsAwayIsWaitedForAndSaid(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	var times atomic.Int32
	s.Refuse(func(r kubetest.Request) *apierrors.StatusError {
		if r.Verb == http.MethodPatch && r.Resource == "deployments" && times.Add(1) < 3 {
			s.Disconnect()
		}
		return nil
	})
	d, h := session(c)
	if _, err := d.Apply(t.Context(), read(t, web)); err != nil {
		t.Fatal(err)
	}
	if got := h.warnings(); len(got) != 1 || !strings.Contains(got[0], "it is asked again for 45s") {
		t.Errorf("warnings: %q", got)
	}
}

func TestAStatefulSetThatTakesItsClaimsWithItIsNotReplaced(t *testing.T) {
	const set = `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {serviceName: db, persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: "db:1"}]}}}}`
	s := kubetest.New(t)
	s.Refuse(nil)
	c := s.Cluster(t)
	forced := deploy.New(c, deploy.Options{Project: "boats", Owner: "ann", Force: true}, &heard{})
	if _, err := forced.Apply(t.Context(), read(t, set)); err != nil {
		t.Fatal(err)
	}
	uid := s.Find("StatefulSet", "", "db").GetUID()
	_, err := forced.Apply(t.Context(), read(t, strings.ReplaceAll(set, "serviceName: db", "serviceName: other")))
	if err == nil || s.Find("StatefulSet", "", "db").GetUID() != uid {
		t.Errorf("it was replaced: %v", err)
	}
	if _, err := c.Typed.AppsV1().StatefulSets("default").Get(t.Context(), "db", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestACleanupFindsWhatWasMadeWithoutAnAnswer(t *testing.T) {
	s := kubetest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.Answered(func(r kubetest.Request) {
		if r.Verb == http.MethodPatch && r.Resource == "deployments" {
			cancel() // the object is made, and nobody hears of it
			<-t.Context().Done()
		}
	})
	d, _ := session(s.Cluster(t))
	if _, err := d.Apply(ctx, read(t, web)); !errors.Is(err, context.Canceled) {
		t.Fatalf("Apply = %v", err)
	}
	if s.Find("Deployment", "", "web") == nil {
		t.Fatal("the Deployment was not made, so nothing is tested")
	}
	s.Answered(nil)
	if err := d.Cleanup(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := s.Cluster(t)
	left, err := c.Typed.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) > 0 || s.Find("Deployment", "", "web") != nil {
		t.Errorf("left are %v, %v", left.Items, err)
	}
}
