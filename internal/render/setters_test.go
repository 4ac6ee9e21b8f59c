package render_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/render"
)

func TestSetters(t *testing.T) {
	s := render.Setters{"tag": "2.0", "replicas": "5", "envs": "[a, b]"}
	for _, tt := range []struct{ name, in, want string }{
		{"a whole value", "  replicas: 1 # kpt-set: ${replicas}", "  replicas: 5 # kpt-set: ${replicas}"},
		{"a part of a value; the other keeps its part", "- image: nginx:1.0 # kpt-set: ${image}:${tag}", "- image: nginx:2.0 # kpt-set: ${image}:${tag}"},
		{"quotes stay", `a: "1" # kpt-set: ${replicas}`, `a: "5" # kpt-set: ${replicas}`},
		{"an item", "  - 1 # kpt-set: ${replicas}", "  - 5 # kpt-set: ${replicas}"},
		{"a list", "  envs: # kpt-set: ${envs}\n  - x\n  - y\n  other: 1", "  envs: [a, b] # kpt-set: ${envs}\n  other: 1"},
		{"one that was not given", "a: 1 # kpt-set: ${nobody}", "a: 1 # kpt-set: ${nobody}"},
		{"a text that does not fit", "a: nginx # kpt-set: ${image}:${tag}", "a: nginx # kpt-set: ${image}:${tag}"},
		{"no mark", "a: 1 # replicas", "a: 1 # replicas"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, string(s.Apply([]byte(tt.in)))); diff != "" {
				t.Errorf("Apply (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTextKeepsWhatDoesNotChange(t *testing.T) {
	in := "# a remark\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: web}\ndata: {image: web}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {x: 1234567890, containers: [{image: web}]}\n"
	want := "# a remark\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: web}\ndata: {image: web}\n---\n" +
		"apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    team: a\n  name: web\nspec:\n  containers:\n  - image: reg/web:1\n  x: 1234567890\n"
	got, err := render.NewRules().Text([]byte(in), map[string]string{"web": "reg/web:1"}, map[string]string{"team": "a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("Text (-want +got):\n%s", diff)
	}
}
