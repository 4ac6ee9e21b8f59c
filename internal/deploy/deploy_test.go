package deploy_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	settings = `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: "1"}}`
	changed  = `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: "2"}}`
	service  = `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}`
	web      = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}}}`
	claim    = `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}`
	onePod   = `{apiVersion: v1, kind: Pod, metadata: {name: one}, spec: {containers: [{name: one, image: "web:1", env: [{name: A, value: "1"}]}]}}`
	otherPod = `{apiVersion: v1, kind: Pod, metadata: {name: one}, spec: {containers: [{name: one, image: "web:1", env: [{name: A, value: "2"}]}]}}`
	inMore   = `{apiVersion: v1, kind: ConfigMap, metadata: {name: far, namespace: more}, data: {a: "1"}}`
	more     = `{apiVersion: v1, kind: Namespace, metadata: {name: more}}`
)

func read(t *testing.T, manifests ...string) []*kube.Object {
	t.Helper()
	objects, err := kube.ReadObjects("k8s/app.yaml", []byte(strings.Join(manifests, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// step is one thing that happens to a cluster.
type step struct {
	by      string   // "ann", "bob": who applies; "cleanup", "delete": what ann does; "hand": Put
	apply   []string // manifests
	actions []string // what is told, sorted
	writes  []string // what the server is asked to write; nil: not looked at
	err     string   // part of the error
}

func TestApply(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
		want  []string // what is there in the end, of the kinds below
	}{
		{"a first pass creates, the next sends nothing, a change sends one object", []step{
			{by: "ann", apply: []string{settings, web}, actions: []string{"created ConfigMap/settings", "created Deployment/web"},
				writes: []string{"PATCH configmaps/settings", "PATCH configmaps/skiff-boats", "PATCH deployments/web"}},
			{by: "ann", apply: []string{settings, web}, actions: nil, writes: []string{}},
			{by: "ann", apply: []string{changed, web}, actions: []string{"configured ConfigMap/settings"}, writes: []string{"PATCH configmaps/settings"}},
		}, []string{"ConfigMap/settings", "Deployment/web"}},
		{"a new session of an unchanged project writes nothing", []step{
			{by: "ann", apply: []string{settings, web}, actions: []string{"created ConfigMap/settings", "created Deployment/web"}},
			{by: "ann again", apply: []string{settings, web}, actions: []string{"unchanged ConfigMap/settings", "unchanged Deployment/web"}, writes: []string{}},
		}, []string{"ConfigMap/settings", "Deployment/web"}},
		{"what left the manifests is pruned in the session", []step{
			{by: "ann", apply: []string{settings, web}, actions: []string{"created ConfigMap/settings", "created Deployment/web"}},
			{by: "ann", apply: []string{web}, actions: []string{"deleted ConfigMap/settings"},
				writes: []string{"DELETE configmaps/settings", "PATCH configmaps/skiff-boats"}},
		}, []string{"Deployment/web"}},
		{"what left the manifests between two sessions is pruned", []step{
			{by: "ann", apply: []string{settings, web, service}, actions: []string{"created ConfigMap/settings", "created Deployment/web", "created Service/web"}},
			{by: "ann again", apply: []string{web}, actions: []string{"deleted ConfigMap/settings", "deleted Service/web", "unchanged Deployment/web"}},
		}, []string{"Deployment/web"}},
		{"what another person applied in the same namespace is left alone", []step{
			{by: "ann", apply: []string{settings}, actions: []string{"created ConfigMap/settings"}},
			{by: "bob", apply: []string{web}, actions: []string{"created Deployment/web"}},
			{by: "ann again", apply: []string{service}, actions: []string{"created Service/web", "deleted ConfigMap/settings"}},
		}, []string{"Deployment/web", "Service/web"}},
		{"an object made by hand is taken over and not pruned by the other's record", []step{
			{by: "hand", apply: []string{settings}},
			{by: "ann", apply: []string{changed}, actions: []string{"configured ConfigMap/settings"}},
		}, []string{"ConfigMap/settings"}},
		{"cleanup deletes what the session created and nothing else", []step{
			{by: "hand", apply: []string{settings}},
			{by: "ann", apply: []string{changed, web, service}, actions: []string{"configured ConfigMap/settings", "created Deployment/web", "created Service/web"}},
			{by: "cleanup", actions: []string{"deleted Deployment/web", "deleted Service/web"}},
		}, []string{"ConfigMap/settings"}},
		{"cleanup of a second session leaves what the first one made", []step{
			{by: "ann", apply: []string{web}, actions: []string{"created Deployment/web"}},
			{by: "ann again", apply: []string{web, service}, actions: []string{"created Service/web", "unchanged Deployment/web"}},
			{by: "cleanup", actions: []string{"deleted Service/web"}},
		}, []string{"Deployment/web"}},
		{"delete removes all members, from any session, and the record", []step{
			{by: "ann", apply: []string{web, service}, actions: []string{"created Deployment/web", "created Service/web"}},
			{by: "delete", apply: []string{web}, actions: []string{"deleted Deployment/web", "deleted Service/web"},
				writes: []string{"DELETE configmaps/skiff-boats", "DELETE deployments/web", "DELETE services/web"}},
		}, nil},
		{"delete keeps what skiff did not apply", []step{
			{by: "hand", apply: []string{web}},
			{by: "delete", apply: []string{web}, actions: []string{"kept Deployment/web"}},
		}, []string{"Deployment/web"}},
		{"delete takes what skiff applied on another machine", []step{
			{by: "bob", apply: []string{web}, actions: []string{"created Deployment/web"}},
			{by: "delete", apply: []string{web}, actions: []string{"deleted Deployment/web"}},
		}, nil},
		{"a claim that was there before is kept when it leaves the manifests", []step{
			{by: "hand", apply: []string{claim}},
			{by: "ann", apply: []string{claim, web}, actions: []string{"configured PersistentVolumeClaim/data", "created Deployment/web"}},
			{by: "ann again", apply: []string{web}, actions: []string{"kept PersistentVolumeClaim/data", "unchanged Deployment/web"}},
		}, []string{"Deployment/web", "PersistentVolumeClaim/data"}},
		{"a claim that skiff made goes when it leaves the manifests", []step{
			{by: "ann", apply: []string{claim, web}, actions: []string{"created Deployment/web", "created PersistentVolumeClaim/data"}},
			{by: "ann again", apply: []string{claim, web}, actions: []string{"unchanged Deployment/web", "unchanged PersistentVolumeClaim/data"}},
			{by: "ann again", apply: []string{web}, actions: []string{"deleted PersistentVolumeClaim/data"}},
		}, []string{"Deployment/web"}},
		{"a pod whose environment changed is made again", []step{
			{by: "ann", apply: []string{onePod}, actions: []string{"created Pod/one"}},
			{by: "ann", apply: []string{otherPod}, actions: []string{"replaced Pod/one"}},
			{by: "cleanup", actions: []string{"deleted Pod/one"}},
		}, nil},
		{"a namespace comes before what is in it", []step{
			{by: "ann", apply: []string{inMore, more}, actions: []string{"created ConfigMap/far", "created Namespace/more"}},
			{by: "cleanup", actions: []string{"deleted ConfigMap/far", "deleted Namespace/more"}},
		}, nil},
		{"a namespace that is not there is named", []step{
			{by: "ann", apply: []string{inMore}, err: `k8s/app.yaml:1: ConfigMap/far: namespace "more" does not exist`},
		}, nil},
		{"a kind that is not there is named", []step{
			{by: "ann", apply: []string{settings, `{apiVersion: x.example/v1, kind: Nope, metadata: {name: x}}`}, err: `k8s/app.yaml:3: Nope/x: the cluster has no kind "Nope" in x.example/v1`},
		}, nil},
		{"a changed selector needs force", []step{
			{by: "ann", apply: []string{web}, actions: []string{"created Deployment/web"}},
			{by: "ann", apply: []string{strings.ReplaceAll(web, "app: web", "app: new")}, err: "Deployment/web: spec.selector: Forbidden: field is immutable"},
			{by: "forced", apply: []string{strings.ReplaceAll(web, "app: web", "app: new")}, actions: []string{"replaced Deployment/web"}},
		}, []string{"Deployment/web"}},
		{"another manager's field is refused where that is asked for", []step{
			{by: "kubectl", apply: []string{changed}},
			{by: "careful", apply: []string{settings}, err: `k8s/app.yaml:1: ConfigMap/settings: Apply failed with 1 conflict: conflict with "kubectl"`},
		}, []string{"ConfigMap/settings"}},
		{"a field that somebody took over is taken back by the next session", []step{
			{by: "ann", apply: []string{settings}, actions: []string{"created ConfigMap/settings"}},
			{by: "kubectl", apply: []string{changed}},
			{by: "ann again", apply: []string{settings}, actions: []string{"configured ConfigMap/settings"}},
		}, []string{"ConfigMap/settings"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := kubetest.New(t)
			c := s.Cluster(t)
			people := map[string]*deploy.Deployer{}
			var last *deploy.Deployer
			var h *heard
			for i, st := range tt.steps {
				s.Requests()
				h = &heard{}
				err := take(t, s, c, people, &last, h, st)
				if st.err != "" {
					if err == nil || !strings.Contains(err.Error(), st.err) || diag.All(err)[0].Code != diag.CodeDeploy {
						t.Fatalf("step %d: error %v, want %q", i+1, err, st.err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("step %d: %v", i+1, err)
				}
				if diff := cmp.Diff(st.actions, h.actions()); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i+1, diff)
				}
				if diff := cmp.Diff(st.writes, writes(s.Requests())); st.writes != nil && diff != "" {
					t.Errorf("step %d writes (-want +got):\n%s", i+1, diff)
				}
			}
			if diff := cmp.Diff(tt.want, present(s)); diff != "" {
				t.Errorf("what is there in the end (-want +got):\n%s", diff)
			}
		})
	}
}

// take does one step. Each name but the special ones is a session of its own; its first word is the person.
func take(t *testing.T, s *kubetest.Server, c *kube.Cluster, people map[string]*deploy.Deployer, last **deploy.Deployer, h *heard, st step) error {
	t.Helper()
	objects := read(t, st.apply...)
	switch st.by {
	case "hand":
		s.Put(strings.Join(st.apply, "\n---\n"))
		return nil
	case "kubectl":
		return byKubectl(t.Context(), c, objects)
	case "cleanup":
		*last = retold(*last, h)
		return (*last).Cleanup(t.Context())
	case "delete":
		_, err := deploy.New(c, options("ann"), h).Delete(t.Context(), objects, false)
		return err
	}
	d := people[st.by]
	if d == nil {
		d = deploy.New(c, options(strings.Fields(st.by)[0]), h)
		people[st.by] = d
	}
	*last = retold(d, h)
	_, err := d.Apply(t.Context(), objects)
	return err
}

func options(person string) deploy.Options {
	if person == "forced" {
		return deploy.Options{Project: "boats", Owner: "ann", Force: true}
	}
	return deploy.Options{Project: "boats", Owner: person, RefuseConflicts: person == "careful"}
}

func retold(d *deploy.Deployer, h *heard) *deploy.Deployer {
	deploy.SetSink(d, h)
	return d
}

// writes leaves out what only reads, and the digest in the record's name.
func writes(requests []string) []string {
	all := []string{}
	for _, r := range requests {
		if i := strings.Index(r, "configmaps/skiff-boats"); i >= 0 {
			r = r[:i] + "configmaps/skiff-boats"
		}
		if !strings.HasPrefix(r, http.MethodGet) {
			all = append(all, r)
		}
	}
	return all
}

func present(s *kubetest.Server) []string {
	var all []string
	for _, id := range []string{"ConfigMap/settings", "Deployment/web", "PersistentVolumeClaim/data", "Pod/one", "Service/web", "Namespace/more"} {
		kind, name, _ := strings.Cut(id, "/")
		if s.Find(kind, "", name) != nil {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

func TestWhatWasThereBeforeIsGivenBackWithoutMarks(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	s.Put(settings)
	d, _ := session(c)
	if _, err := d.Apply(t.Context(), read(t, settings, service)); err != nil {
		t.Fatal(err)
	}
	if err := d.Cleanup(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := c.Typed.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) != 1 || left.Items[0].Name != "settings" {
		t.Fatalf("left are %v, %v; want only what was there before", left.Items, err)
	}
	if o := left.Items[0]; len(o.Labels)+len(o.Annotations) != 0 {
		t.Errorf("it still has labels %v and annotations %v", o.Labels, o.Annotations)
	}
}

func TestADryRunOfDeleteOnlyLists(t *testing.T) {
	s := kubetest.New(t)
	d, h := session(s.Cluster(t))
	if _, err := d.Apply(t.Context(), read(t, web, service)); err != nil {
		t.Fatal(err)
	}
	h.actions()
	ids, err := d.Delete(t.Context(), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	want := []kube.ID{{Group: "apps", Kind: "Deployment", Namespace: "default", Name: "web"}, {Kind: "Service", Namespace: "default", Name: "web"}}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("Delete (-want +got):\n%s", diff)
	}
	if got := h.actions(); got != nil || s.Find("Deployment", "", "web") == nil {
		t.Errorf("a dry run did something: %v", got)
	}
}

func TestADefinitionAndItsObjectsAreAppliedInOnePass(t *testing.T) {
	s := kubetest.New(t)
	d, h := session(s.Cluster(t))
	objects := read(t, `{apiVersion: boats.example/v1, kind: Boat, metadata: {name: one}, spec: {image: web}}`,
		`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: boats.boats.example}, spec: {group: boats.example, scope: Namespaced, names: {kind: Boat, plural: boats}, versions: [{name: v1, served: true, storage: true}]}}`)
	if _, err := d.Apply(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"created Boat/one", "created CustomResourceDefinition/boats.boats.example"}, h.actions()); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if _, err := d.Apply(t.Context(), objects); err != nil || h.actions() != nil {
		t.Errorf("second pass: %v", err)
	}
}

func TestAnObjectThatIsBeingDeletedIsAwaited(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	s.Put(`{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, finalizers: [x.example/hold]}}`)
	if err := c.Typed.CoreV1().ConfigMaps("default").Delete(t.Context(), "settings", deleteNow); err != nil {
		t.Fatal(err)
	}
	before := s.Find("ConfigMap", "", "settings").GetUID()
	d, h := session(c)
	done := make(chan error, 1)
	go func() {
		_, err := d.Apply(t.Context(), read(t, settings))
		done <- err
	}()
	s.Drop("ConfigMap", "", "settings")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"created ConfigMap/settings"}, h.actions()); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if after := s.Find("ConfigMap", "", "settings").GetUID(); after == before {
		t.Error("the object is still the one that was deleted")
	}
}

func TestWhatTheServerRefusesIsSaidWithItsPlace(t *testing.T) {
	pods := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for _, tt := range []struct {
		name       string
		refuse     *apierrors.StatusError
		want, hint string
		code       diag.Code
	}{
		{"a right that is missing", apierrors.NewForbidden(pods, "web", errors.New(`User "ann" cannot patch resource "deployments"`)),
			`k8s/app.yaml:1: Deployment/web: deployments.apps "web" is forbidden: User "ann" cannot patch resource "deployments"`, "ask for the right, or choose another namespace with --namespace", diag.CodeDeploy},
		{"a quota", apierrors.NewForbidden(pods, "web", errors.New("exceeded quota: small")),
			`k8s/app.yaml:1: Deployment/web: deployments.apps "web" is forbidden: exceeded quota: small`, "kubectl describe quota -n default", diag.CodeDeploy},
		{"credentials that expired", apierrors.NewUnauthorized("Unauthorized"),
			`context "kubetest": the cluster refuses the credentials; they may have expired`, "log in to the cluster again, then try: kubectl --context kubetest get pods", diag.CodeCluster},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := kubetest.New(t)
			s.Refuse(func(r kubetest.Request) *apierrors.StatusError {
				if r.Verb == http.MethodPatch && r.Resource == "deployments" {
					return tt.refuse
				}
				return nil
			})
			d, h := session(s.Cluster(t))
			_, err := d.Apply(t.Context(), read(t, web, settings))
			if err == nil {
				t.Fatal("no error")
			}
			e := diag.All(err)[0]
			if diff := cmp.Diff([]any{tt.want, tt.hint, tt.code}, []any{e.Error(), e.Hint, e.Code}); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			s.Refuse(nil)
			h.actions()
			if _, err := d.Apply(t.Context(), read(t, web, settings)); err != nil {
				t.Errorf("second try: %v", err)
			}
			if diff := cmp.Diff([]string{"created Deployment/web", "unchanged ConfigMap/settings"}, h.actions()); diff != "" {
				t.Errorf("second try (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARecordThatCannotBeWrittenIsOnlyAWarning(t *testing.T) {
	s := kubetest.New(t)
	s.Refuse(func(r kubetest.Request) *apierrors.StatusError {
		if strings.HasPrefix(r.Name, "skiff-boats-") {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, r.Name, errors.New("no"))
		}
		return nil
	})
	d, h := session(s.Cluster(t))
	for range 2 {
		if _, err := d.Apply(t.Context(), read(t, web)); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.warnings(); len(got) != 1 || !strings.Contains(got[0], "cannot be written") {
		t.Errorf("warnings: %q", got)
	}
}

func TestTheEndOfTheContextEndsAPass(t *testing.T) {
	s := kubetest.New(t)
	d, _ := session(s.Cluster(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Apply(ctx, read(t, web)); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %v", err)
	}
}

func TestIDSaysWhereAnObjectGoes(t *testing.T) {
	d, _ := session(kubetest.New(t).Cluster(t))
	for _, tt := range []struct {
		manifest string
		want     kube.ID
	}{
		{settings, kube.ID{Kind: "ConfigMap", Namespace: "default", Name: "settings"}},
		{inMore, kube.ID{Kind: "ConfigMap", Namespace: "more", Name: "far"}},
		{strings.Replace(more, "name: more", "name: more, namespace: odd", 1), kube.ID{Kind: "Namespace", Name: "more"}},
		{`{apiVersion: x.example/v1, kind: Nope, metadata: {name: x}}`, kube.ID{Group: "x.example", Kind: "Nope", Name: "x"}},
	} {
		if diff := cmp.Diff(tt.want, d.ID(read(t, tt.manifest)[0])); diff != "" {
			t.Errorf("ID (-want +got):\n%s", diff)
		}
	}
}
