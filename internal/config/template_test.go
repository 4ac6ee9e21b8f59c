package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplatesAreFilledAsInSkaffold(t *testing.T) {
	tmpl := Templates{
		Environ: []string{"TAG=v1", "EMPTY=", "TAG=v2"},
		Run: func(name string, args ...string) (string, error) {
			if name != "echo" {
				return "", errors.New("not found")
			}
			return strings.Join(args, " ") + "\n", nil
		},
	}
	for _, tt := range []struct{ text, want string }{
		{"plain", "plain"},
		{"{{.TAG}}", "v2"},
		{"{{.IMAGE_NAME}}:{{.TAG}}", "web:v2"},
		{"{{.NONE}}", "<no value>"},
		{`{{default "d" .NONE}}`, "d"},
		{`{{.TAG | upper | trunc 1}}`, "V"},
		{`{{cmd "echo" "a" "b"}}`, "a b"},
		{`{{cmd "nope"}}`, "error"},
		{"{{.TAG", "error"},
		{"{{nope}}", "error"},
	} {
		got, err := tmpl.Fill(tt.text, map[string]string{"IMAGE_NAME": "web"})
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("%q gives %q (%v), want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestFieldsWithTemplatesAreFilledAndWhatOnlyABuildKnowsStays(t *testing.T) {
	p, err := load(t, `apiVersion: skaffold/v4beta14
kind: Config
build:
  artifacts:
  - image: web
    docker: {buildArgs: {A: "{{.X}}", B: "{{.IMAGE_TAG}}", C: }}
  tagPolicy: {envTemplate: {template: "{{.X}}-1"}}
manifests:
  helm:
    releases:
    - name: "{{.X}}"
      setValueTemplates: {a: "{{.IMAGE_REPO}}", b: "{{.X}}"}
portForward: [{resourceType: pod, resourceName: "{{.X}}-0", port: 1}]
`)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Configs[0]
	if err := c.Fill(Templates{Environ: []string{"X=y"}}); err != nil {
		t.Fatal(err)
	}
	r := c.Manifests.Helm.Releases[0]
	args := c.Build.Artifacts[0].Docker.BuildArgs
	got := []string{*args["A"], *args["B"], c.Build.TagPolicy.EnvTemplate.Template, r.Name, r.SetValueTemplates["a"], r.SetValueTemplates["b"], c.PortForward[0].ResourceName}
	want := []string{"y", "{{.IMAGE_TAG}}", "y-1", "y", "{{.IMAGE_REPO}}", "y", "y-0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Fill (-want +got):\n%s", diff)
	}
}
