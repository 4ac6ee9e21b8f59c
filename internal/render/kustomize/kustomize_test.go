package kustomize_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/render/kustomize"
)

// folder writes files, old enough to be believed.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

func source(t *testing.T, o kustomize.Options) *kustomize.Source {
	t.Helper()
	s, err := kustomize.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(t *testing.T, s *kustomize.Source) string {
	t.Helper()
	read, err := s.Objects(t.Context(), render.Input{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := kube.WriteObjects(&b, read.Objects); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: web}]}\n"

// overlays is a base, two overlays of it, and a component.
func overlays(t *testing.T) string {
	return folder(t, map[string]string{
		"base/kustomization.yaml": "resources: [pod.yaml]\n",
		"base/pod.yaml":           pod,
		"dev/kustomization.yaml":  "resources: [../base]\nnamePrefix: dev-\ncomponents: [../traced]\nconfigMapGenerator: [{name: settings, files: [a.properties]}]\n",
		"dev/a.properties":        "x=1\n",
		"prod/kustomization.yml":  "resources: [../base]\npatches: [{path: patch.yaml}]\n",
		"prod/patch.yaml":         "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {tier: prod}}\n",
		"traced/Kustomization":    "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {trace: 'on'}\n",
	})
}

func TestAKustomizationIsBuiltWithItsBasesAndComponents(t *testing.T) {
	dir := overlays(t)
	want := `apiVersion: v1
data:
  a.properties: |
    x=1
kind: ConfigMap
metadata:
  annotations:
    trace: "on"
  name: dev-settings-7b9g57t6m4
---
apiVersion: v1
kind: Pod
metadata:
  annotations:
    trace: "on"
  name: dev-web
spec:
  containers:
  - image: web
    name: web
---
apiVersion: v1
kind: Pod
metadata:
  labels:
    tier: prod
  name: web
spec:
  containers:
  - image: web
    name: web
`
	got := text(t, source(t, kustomize.Options{
		Paths: []string{"{{.STAGE}}", filepath.Join(dir, "prod")}, Dir: dir, Templates: config.Templates{Environ: []string{"STAGE=dev"}},
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func TestOnlyAFileThatWasReadCountsAndIsReadAgain(t *testing.T) {
	dir := overlays(t)
	s := source(t, kustomize.Options{Paths: []string{"dev"}, Dir: dir})
	for _, when := range []string{"before the first build", "after it"} {
		has := s.Watch().Has
		for name, want := range map[string]bool{
			"dev/kustomization.yaml": true, "base/pod.yaml": true, "base/kustomization.yaml": true, "dev/a.properties": true, "traced/Kustomization": true,
			"prod/patch.yaml": false, "README.md": false, "base/other.yaml": false, "dev": false,
		} {
			if got := has(filepath.Join(dir, name)); got != want {
				t.Errorf("%s: has(%s) = %v", when, name, got)
			}
		}
		text(t, s)
	}
	write(t, filepath.Join(dir, "base/pod.yaml"), strings.Replace(pod, "image: web", "image: another", 1))
	if got := text(t, s); !strings.Contains(got, "image: another") {
		t.Errorf("after a change of the base:\n%s", got)
	}
}

func TestAFileThatIsMissingIsWatchedAndItsComingMendsTheBuild(t *testing.T) {
	dir := folder(t, map[string]string{"kustomization.yaml": "resources: [pod.yaml]\n"})
	s := source(t, kustomize.Options{Paths: []string{dir}})
	if _, err := s.Objects(t.Context(), render.Input{}); err == nil {
		t.Fatal("a missing resource is no error")
	}
	if !s.Watch().Has(filepath.Join(dir, "pod.yaml")) {
		t.Error("the missing file is not watched")
	}
	write(t, filepath.Join(dir, "pod.yaml"), pod)
	if got := text(t, s); !strings.Contains(got, "name: web") {
		t.Errorf("got:\n%s", got)
	}
}

func TestWhatIsWrongIsSaidInOneLine(t *testing.T) {
	for _, tt := range []struct {
		name       string
		files      map[string]string
		want, hint string
	}{
		{"a missing resource", map[string]string{"k/kustomization.yaml": "resources: [pod.yaml]\n"},
			"k/kustomization.yaml: pod.yaml does not exist", "correct the path"},
		{"no kustomization", map[string]string{"k/pod.yaml": pod}, "k: there is no kustomization.yaml in", "write one"},
		{"no folder", map[string]string{"pod.yaml": pod}, "k: k does not exist", "correct"},
		{"a file outside", map[string]string{"k/kustomization.yaml": "resources: [../pod.yaml]\n", "pod.yaml": pod},
			"k/kustomization.yaml: ../pod.yaml is outside of the kustomization", "LoadRestrictionsNone"},
		{"an unknown field", map[string]string{"k/kustomization.yaml": "resource: [pod.yaml]\n"}, `unknown field "resource"`, "correct"},
		{"a chart that was not asked for", map[string]string{"k/kustomization.yaml": "helmCharts: [{name: x, repo: 'https://x.test'}]\n"},
			"helm charts in a kustomization are not inflated unless asked for", "--enable-helm"},
		{"a patch of nothing", map[string]string{"k/kustomization.yaml": "resources: [pod.yaml]\npatches: [{path: p.yaml}]\n", "k/pod.yaml": pod,
			"k/p.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: other}\n"}, "no matches for Id Pod.v1.[noGrp]/other", "correct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, tt.files)
			_, err := source(t, kustomize.Options{Paths: []string{"k"}, Dir: dir}).Objects(t.Context(), render.Input{})
			if err == nil {
				t.Fatal("no error")
			}
			e := diag.All(err)[0]
			got := strings.ReplaceAll(e.Error(), dir+"/", "")
			if !strings.Contains(got, tt.want) || strings.Contains(got, "\n") || !strings.Contains(e.Hint, tt.hint) || e.Code != diag.CodeDeploy {
				t.Errorf("got %q, hint %q", got, e.Hint)
			}
		})
	}
}

func TestBuildArgs(t *testing.T) {
	dir := folder(t, map[string]string{"k/kustomization.yaml": "resources: [../pod.yaml]\n", "pod.yaml": pod})
	for _, tt := range []struct {
		name string
		args []string
		want string // "" means that it is built
	}{
		{"two words in one text", []string{"--load-restrictor LoadRestrictionsNone"}, ""},
		{"with an equals sign, and others", []string{"--load-restrictor=none", "--reorder", "legacy", "--enable-managedby-label"}, ""},
		{"helm, which nothing needs", []string{"--enable-helm", "--load-restrictor=none"}, ""},
		{"plugins", []string{"--enable-alpha-plugins"}, "--enable-alpha-plugins is not supported"},
		{"programs", []string{"--enable-exec"}, "--enable-exec is not supported"},
		{"a slip", []string{"--load-restricter=none"}, "--load-restricter is no argument"},
		{"a wrong value", []string{"--load-restrictor=maybe"}, "--load-restrictor=maybe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := kustomize.New(kustomize.Options{Paths: []string{"k"}, BuildArgs: tt.args, Dir: dir})
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				text(t, s)
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || diag.All(err)[0].Hint == "" || diag.All(err)[0].Code != diag.CodeConfig {
				t.Errorf("error %v", err)
			}
		})
	}
}
