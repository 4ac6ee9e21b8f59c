package deploy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
)

const secret = `
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {password: hunter%s, user: ann}
`

const withEnv = `{apiVersion: v1, kind: Pod, metadata: {name: one}, spec: {containers: [{name: one, image: "web:1", env: [{name: DB_PASSWORD, value: hunter2}]}]}}`

func planned(t *testing.T, d *deploy.Deployer, manifests ...string) map[string]deploy.Change {
	t.Helper()
	changes, err := d.Plan(t.Context(), read(t, manifests...))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]deploy.Change{}
	for _, c := range changes {
		all[c.Action+" "+c.ID.String()] = c
	}
	return all
}

func TestAPlanShowsEveryChangeAndMakesNone(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	d, _ := session(c)
	if _, err := d.Apply(t.Context(), read(t, settings, web, service, onePod, strings.ReplaceAll(secret, "%s", "1"))); err != nil {
		t.Fatal(err)
	}
	s.Requests()
	before := s.Find("ConfigMap", "", "settings").GetResourceVersion()
	fresh, _ := session(c)
	changes := planned(t, fresh, changed, web, otherPod, inMore, more, strings.ReplaceAll(secret, "%s", "2"),
		`{apiVersion: boats.example/v1, kind: Boat, metadata: {name: one}}`,
		`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: boats.boats.example}, spec: {group: boats.example, scope: Namespaced, names: {kind: Boat, plural: boats}, versions: [{name: v1, served: true, storage: true}]}}`)
	var got []string
	for name, c := range changes {
		got = append(got, name)
		if c.Err != nil {
			t.Errorf("%s: %v", name, c.Err)
		}
	}
	slices.Sort(got)
	want := []string{"change ConfigMap/settings", "change Secret/keys", "create Boat/one", "create ConfigMap/far",
		"create CustomResourceDefinition/boats.boats.example", "create Namespace/more", "delete Service/web", "replace Pod/one"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("  apiVersion: v1\n  data:\n-   a: \"1\"\n+   a: \"2\"\n  kind: ConfigMap\n  metadata:\n    name: settings\n  …\n", changes["change ConfigMap/settings"].Diff); diff != "" {
		t.Errorf("the ConfigMap (-want +got):\n%s", diff)
	}
	if text := changes["change Secret/keys"].Diff; strings.Contains(text, "hunter") || !strings.Contains(text, "+   password: (hidden, another value)") || !strings.Contains(text, "    user: (hidden)") {
		t.Errorf("the Secret:\n%s", text)
	}
	if after := s.Find("ConfigMap", "", "settings").GetResourceVersion(); after != before || s.Find("Namespace", "", "more") != nil {
		t.Error("the plan changed something")
	}
}

func TestAPlanHidesVariablesThatSoundSecret(t *testing.T) {
	d, _ := session(kubetest.New(t).Cluster(t))
	text := planned(t, d, withEnv)["create Pod/one"].Diff
	if strings.Contains(text, "hunter2") || !strings.Contains(text, "value: (hidden)") {
		t.Errorf("the Pod:\n%s", text)
	}
}

func TestAPlanSaysWhatTheClusterWouldRefuse(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	d, _ := session(c)
	if _, err := d.Apply(t.Context(), read(t, web)); err != nil {
		t.Fatal(err)
	}
	fresh, _ := session(c)
	changes := planned(t, fresh, strings.ReplaceAll(web, "app: web", "app: new"), inMore)
	for name, want := range map[string]string{"change Deployment/web": "field is immutable", "create ConfigMap/far": `namespace "more" does not exist`} {
		if err := changes[name].Err; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRanksAreAppliedOneAfterTheOther(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fails bool
		want  []string // what was there when the first rank was waited for, and in the end
	}{
		{"all goes well", false, []string{"Deployment/web Namespace/more Service/web", "ConfigMap/settings Deployment/web Namespace/more Service/web"}},
		{"the first rank does not run", true, []string{"Deployment/web Namespace/more Service/web", "Deployment/web Namespace/more Service/web"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := kubetest.New(t)
			d, _ := session(s.Cluster(t))
			objects := read(t, settings, more, service, web)
			objects[0].Rank, objects[1].Rank = 2, 2
			var got []string
			there := func() string {
				var all []string
				for _, id := range present(s) {
					if s.Find(strings.Split(id, "/")[0], "", strings.Split(id, "/")[1]) != nil {
						all = append(all, id)
					}
				}
				return strings.Join(all, " ")
			}
			_, err := d.ApplyRanks(t.Context(), objects, func(_ context.Context, sent []*kube.Object) error {
				got = append(got, there())
				if len(sent) != 2 {
					t.Errorf("%d objects were sent before", len(sent))
				}
				if tt.fails {
					return errors.New("it does not run")
				}
				return nil
			})
			if (err != nil) != tt.fails {
				t.Errorf("ApplyRanks = %v", err)
			}
			if diff := cmp.Diff(tt.want, append(got, there())); diff != "" {
				t.Errorf("what is there (-want +got):\n%s", diff)
			}
		})
	}
}
