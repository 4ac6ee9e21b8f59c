package render_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
)

func read(t *testing.T, text string) []*kube.Object {
	t.Helper()
	objects, err := kube.ReadObjects("k8s/app.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func text(t *testing.T, objects []*kube.Object) string {
	t.Helper()
	var b bytes.Buffer
	if err := kube.WriteObjects(&b, objects); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestImages(t *testing.T) {
	images := map[string]string{"web": "reg/web:1@sha256:a", "Team/App": "reg/app:1"}
	allow := func(f ...*config.ResourceFilter) *config.ResourceSelector { return &config.ResourceSelector{Allow: f} }
	for _, tt := range []struct {
		name      string
		selectors []*config.ResourceSelector
		in, want  string
		used      map[string]bool
	}{
		{"a name without tag", nil, "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: web}]}}",
			"{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: 'reg/web:1@sha256:a'}]}}", map[string]bool{"web": true}},
		{"a tag is replaced", nil, "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {initContainers: [{image: 'web:old'}], containers: [{image: other}]}}",
			"{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {initContainers: [{image: 'reg/web:1@sha256:a'}], containers: [{image: other}]}}", map[string]bool{"web": true}},
		{"a digest is kept", nil, "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: 'web@sha256:b'}]}}",
			"{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: 'web@sha256:b'}]}}", map[string]bool{}},
		{"what a chart put together from parts", nil, "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: 'reg/web:1'}, {image: 'reg/web@sha256:a'}, {image: 'web/web:web'}, {image: 'reg/web:2'}]}}",
			"{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: 'reg/web:1@sha256:a'}, {image: 'reg/web:1@sha256:a'}, {image: 'reg/web:1@sha256:a'}, {image: 'reg/web:2'}]}}", map[string]bool{"web": true}},
		{"letter case and ko:// do not count", nil, "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: 'ko://team/APP'}]}}",
			"{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: 'reg/app:1'}]}}", map[string]bool{"Team/App": true}},
		{"other names, registries and ports are others", nil, "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: docker.io/library/web}, {image: 'web:5000/x'}, {image: 'web:{{TAG}}'}, {image: other/web}]}}",
			"{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: docker.io/library/web}, {image: 'web:5000/x'}, {image: 'web:{{TAG}}'}, {image: other/web}]}}", map[string]bool{}},
		{"a CronJob, at its depth", nil, "{apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: web}]}}}}}}",
			"{apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: 'reg/web:1@sha256:a'}]}}}}}}", map[string]bool{"web": true}},
		{"a kind that nobody allows", nil, "{apiVersion: boats.example/v1, kind: Boat, metadata: {name: x}, spec: {image: web}}",
			"{apiVersion: boats.example/v1, kind: Boat, metadata: {name: x}, spec: {image: web}}", map[string]bool{}},
		{"a kind that the project allows", []*config.ResourceSelector{allow(&config.ResourceFilter{GroupKind: "Boat.boats.example", Image: []string{".*"}})},
			"{apiVersion: boats.example/v1, kind: Boat, metadata: {name: x}, spec: {image: web}}",
			"{apiVersion: boats.example/v1, kind: Boat, metadata: {name: x}, spec: {image: 'reg/web:1@sha256:a'}}", map[string]bool{"web": true}},
		{"a path under another key", []*config.ResourceSelector{allow(&config.ResourceFilter{GroupKind: "Boat.boats.example", Image: []string{".spec.crew.*.container"}})},
			"{apiVersion: boats.example/v1, kind: Boat, metadata: {name: x}, spec: {image: web, crew: [{container: web}]}}",
			"{apiVersion: boats.example/v1, kind: Boat, metadata: {name: x}, spec: {image: web, crew: [{container: 'reg/web:1@sha256:a'}]}}", map[string]bool{"web": true}},
		{"a kind that the project denies", []*config.ResourceSelector{{Deny: []*config.ResourceFilter{{GroupKind: "Pod", Image: []string{".*"}}}}},
			"{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: web}]}}",
			"{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: web}]}}", map[string]bool{}},
		{"a ConfigMap is text", nil, "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {image: web}}",
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {image: web}}", map[string]bool{}},
		{"a fixed path of a known custom kind", nil, "{apiVersion: kafka.strimzi.io/v1, kind: Kafka, metadata: {name: x}, spec: {image: web, kafka: {image: web}}}",
			"{apiVersion: kafka.strimzi.io/v1, kind: Kafka, metadata: {name: x}, spec: {image: web, kafka: {image: 'reg/web:1@sha256:a'}}}", map[string]bool{"web": true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			objects := read(t, tt.in)
			used := render.NewRules(tt.selectors...).Images(objects, images)
			if diff := cmp.Diff(text(t, read(t, tt.want)), text(t, objects)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.used, used); diff != "" {
				t.Errorf("used (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLabels(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"an object and its template", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {template: {metadata: {labels: {app: x}}}}}",
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, labels: {team: a}}, spec: {template: {metadata: {labels: {app: x, team: a}}}}}"},
		{"a label that is there stays", "{apiVersion: v1, kind: Pod, metadata: {name: x, labels: {team: b}}}", "{apiVersion: v1, kind: Pod, metadata: {name: x, labels: {team: b}}}"},
		{"not the claims of a StatefulSet", "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: x}, spec: {volumeClaimTemplates: [{metadata: {name: d}}]}}",
			"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: x, labels: {team: a}}, spec: {volumeClaimTemplates: [{metadata: {name: d}}]}}"},
		{"not the template of a Job", "{apiVersion: batch/v1, kind: Job, metadata: {name: x}, spec: {template: {metadata: {}}}}",
			"{apiVersion: batch/v1, kind: Job, metadata: {name: x, labels: {team: a}}, spec: {template: {metadata: {}}}}"},
		{"not a ConfigMap", "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}", "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}"},
		{"Config Connector, only the top", "{apiVersion: sql.cnrm.cloud.google.com/v1, kind: Db, metadata: {name: x}, spec: {metadata: {}}}",
			"{apiVersion: sql.cnrm.cloud.google.com/v1, kind: Db, metadata: {name: x, labels: {team: a}}, spec: {metadata: {}}}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			objects := read(t, tt.in)
			render.NewRules().Labels(objects, map[string]string{"team": "a"})
			if diff := cmp.Diff(text(t, read(t, tt.want)), text(t, objects)); diff != "" {
				t.Errorf("Labels (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNamespace(t *testing.T) {
	objects := read(t, "{apiVersion: v1, kind: Pod, metadata: {name: x}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: two, namespace: other}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: z}}")
	warnings := render.NewRules().Namespace(objects, "mine")
	got := []string{objects[0].GetNamespace(), objects[1].GetNamespace(), objects[2].GetNamespace()}
	if diff := cmp.Diff([]string{"mine", "other", ""}, got); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Pod/two stays in namespace other, which its manifest names, and not mine"}, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// fixed is a source of one text.
type fixed struct {
	t    *testing.T
	text string
}

// Objects is part of render.Source.
func (f fixed) Objects(context.Context, render.Input) (render.Read, error) {
	return render.Read{Objects: read(f.t, f.text)}, nil
}

// Watch is part of render.Source.
func (f fixed) Watch() render.Watch {
	return render.Watch{Files: []string{"/p/a.yaml"}, Has: func(p string) bool { return p == "/p/a.yaml" }}
}

func TestObjectsJoinsSourcesAndWarns(t *testing.T) {
	project := &config.Project{Configs: []*config.Config{{}}}
	project.Configs[0].Build.Artifacts = []*config.Artifact{
		{Image: "web", Requires: []*config.ArtifactRequirement{{Image: "base"}}}, {Image: "base"}, {Image: "idle"},
	}
	m, err := render.Objects(t.Context(), project, render.Options{
		Sources: []render.Source{
			fixed{t, "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: old}]}}"},
			fixed{t, "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{image: web}]}}"},
		},
		Images: map[string]string{"web": "reg/web:1", "base": "reg/base:1", "idle": "reg/idle:1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n  - image: reg/web:1\n", text(t, m.Objects)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	want := []string{"Pod/x is defined in k8s/app.yaml:1 and again in k8s/app.yaml:1; the latter counts", `image "idle" is built, but no manifest uses it`}
	if diff := cmp.Diff(want, m.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if !m.Watch.Has("/p/a.yaml") || m.Watch.Has("/p/b.yaml") {
		t.Error("Has does not ask the sources")
	}
}
