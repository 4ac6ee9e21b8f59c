package helm_test

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
	"github.com/skiff-dev/skiff/internal/render/helm"
)

// write writes a file, old enough to be believed.
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

// folder is a folder with a chart that shows its values.
func folder(t *testing.T, more map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"chart/Chart.yaml":           "apiVersion: v2\nname: show\nversion: 1.2.3\nappVersion: '7'\n",
		"chart/values.yaml":          "a: default\nnested: {x: 1, z: 2}\n",
		"chart/templates/show.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}\ndata: {values: {{ omit .Values \"sub\" \"global\" | toJson | quote }}}\n",
		"chart/templates/NOTES.txt":  "hello",
		"chart/templates/_names.tpl": "",
	}
	for name, text := range more {
		files[name] = text
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func options(dir string, flags config.HelmFlags, releases ...*config.HelmRelease) helm.Options {
	return helm.Options{
		Config: &config.Config{File: "skaffold.yaml", Dir: dir}, Block: []any{"manifests", "helm"}, Releases: releases, Flags: flags, Dir: dir,
		Home: dir, Templates: config.Templates{Environ: []string{"STAGE=dev"}},
	}
}

func objects(t *testing.T, o helm.Options, images ...render.Image) string {
	t.Helper()
	s, err := helm.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return text(t, s, images...)
}

func text(t *testing.T, s *helm.Source, images ...render.Image) string {
	t.Helper()
	read, err := s.Objects(t.Context(), render.Input{Images: images})
	if err != nil {
		t.Fatal(diag.Text(err))
	}
	var b bytes.Buffer
	if err := kube.WriteObjects(&b, read.Objects); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// shown is the values that the chart of folder shows.
func shown(t *testing.T, o helm.Options, images ...render.Image) string {
	t.Helper()
	_, rest, _ := strings.Cut(objects(t, o, images...), "values: '")
	values, _, _ := strings.Cut(rest, "'")
	return values
}

func TestValuesAreWeighedAsHelmDoes(t *testing.T) {
	dir := folder(t, map[string]string{
		"one.yaml": "a: one\nb: one\nc: one\nnested: {x: 10}\n", "two-dev.yaml": "b: two\nc: two\n", "text.txt": "from a file",
	})
	web := render.Image{Name: "gcr.io/p/web", Ref: "localhost:5005/p/web:v1@sha256:abc"}
	api := render.Image{Name: "api", Ref: "api:v2"}
	for _, tt := range []struct {
		name    string
		release config.HelmRelease
		flags   config.HelmFlags
		want    string
	}{
		{"those of the chart", config.HelmRelease{}, config.HelmFlags{}, `{"a":"default","nested":{"x":1,"z":2}}`},
		{"files, the later one wins, with a template", config.HelmRelease{ValuesFiles: []string{"one.yaml", "~/two-{{.STAGE}}.yaml"}}, config.HelmFlags{},
			`{"a":"one","b":"two","c":"two","nested":{"x":10,"z":2}}`},
		{"overrides win over files, single values over both", config.HelmRelease{
			ValuesFiles: []string{"one.yaml"}, Overrides: map[string]any{"b": "over", "c": "over", "nested": map[string]any{"z": 3}}, SetValues: config.FlatMap{"c": "set", "nested.x": "5"},
		}, config.HelmFlags{}, `{"a":"one","b":"over","c":"set","nested":{"x":5,"z":3}}`},
		{"a file as a value wins over all", config.HelmRelease{SetValues: config.FlatMap{"a": "set"}, SetFiles: map[string]string{"a": "text.txt"}}, config.HelmFlags{},
			`{"a":"from a file","nested":{"x":1,"z":2}}`},
		{"templates know the images", config.HelmRelease{SetValueTemplates: config.FlatMap{
			"a": "{{.IMAGE_REPO}}|{{.IMAGE_TAG}}|{{.IMAGE_DIGEST}}|{{.IMAGE_NAME}}|{{.IMAGE_DOMAIN}}|{{.IMAGE_REPO_NO_DOMAIN}}", "nested.x": "{{.IMAGE_FULLY_QUALIFIED_gcr_io_p_web}}", "nested.z": "{{.IMAGE_REPO2}}:{{.IMAGE_TAG_api}}@{{.IMAGE_DIGEST_api}}",
		}}, config.HelmFlags{}, `{"a":"localhost:5005/p/web|v1|sha256:abc|gcr.io/p/web|localhost:5005|p/web","nested":{"x":"localhost:5005/p/web:v1@sha256:abc","z":"api:v2"}}`},
		{"flags", config.HelmRelease{}, config.HelmFlags{Global: []string{"--set-string=a=1"}, Template: []string{"--set nested.x=9", "-f", "two-dev.yaml"}},
			`{"a":"1","b":"two","c":"two","nested":{"x":9,"z":2}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.release
			r.Name, r.ChartPath = "web", "chart"
			got := shown(t, options(dir, tt.flags, &r), web, api)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjectsComeInHelmsOrderAndHooksLast(t *testing.T) {
	dir := folder(t, map[string]string{
		"chart/templates/show.yaml": "kind: Zebra\napiVersion: x.test/v1\nmetadata: {name: z}\n---\nkind: Deployment\napiVersion: apps/v1\nmetadata: {name: d, labels: {x: a, x: b}}\n---\nkind: Service\napiVersion: v1\nmetadata: {name: s}\n",
		"chart/templates/a.yaml": "kind: Job\napiVersion: batch/v1\nmetadata: {name: h, annotations: {helm.sh/hook: 'pre-install,pre-upgrade'}}\n" +
			"---\nkind: Pod\napiVersion: v1\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n---\nkind: Namespace\napiVersion: v1\nmetadata: {name: ns}\n",
		"chart/crds/c.yaml": "kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\nmetadata: {name: c}\n",
	})
	for _, tt := range []struct {
		name  string
		skip  bool
		flags []string
		want  []string
	}{
		{"all", false, nil, []string{"Namespace/ns", "Service/s", "Deployment/d", "Zebra/z", "Pod/t", "Job/h"}},
		{"without tests", true, nil, []string{"Namespace/ns", "Service/s", "Deployment/d", "Zebra/z", "Job/h"}},
		{"without hooks, with definitions", false, []string{"--no-hooks", "--include-crds"}, []string{"Namespace/ns", "CustomResourceDefinition/c", "Service/s", "Deployment/d", "Zebra/z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := helm.New(options(dir, config.HelmFlags{Template: tt.flags}, &config.HelmRelease{Name: "web", ChartPath: "chart", SkipTests: tt.skip}))
			if err != nil {
				t.Fatal(err)
			}
			read, err := s.Objects(t.Context(), render.Input{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range read.Objects {
				got = append(got, o.ID().String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if len(read.Warnings) != 1 || !strings.Contains(read.Warnings[0], `"x" is given twice`) {
				t.Errorf("warnings %q", read.Warnings)
			}
		})
	}
}

func TestReleasesComeAfterThoseTheyDependOn(t *testing.T) {
	dir := folder(t, nil)
	got := objects(t, options(dir, config.HelmFlags{},
		&config.HelmRelease{Name: "web-{{.STAGE}}", ChartPath: "chart", Namespace: "front", DependsOn: []string{"db"}}, &config.HelmRelease{Name: "db", ChartPath: "chart"}))
	if db, web := strings.Index(got, "name: db\n  namespace: default"), strings.Index(got, "name: web-dev\n  namespace: front"); db < 0 || web < db {
		t.Errorf("objects:\n%s", got)
	}
}

func TestDependenciesAreReadFromWhereTheyAreAndNothingIsWritten(t *testing.T) {
	sub := "apiVersion: v2\nname: sub\nversion: 0.1.0\n"
	dir := folder(t, map[string]string{
		"chart/Chart.yaml": "apiVersion: v2\nname: show\nversion: 1.2.3\ndependencies:\n- {name: sub, version: ^0.1, repository: 'file://../sub', condition: sub.enabled}\n",
		"sub/Chart.yaml":   sub, "sub/templates/sub.yaml": "kind: Secret\napiVersion: v1\nmetadata: {name: {{ .Release.Name }}-{{ .Values.word }}}\n", "sub/values.yaml": "word: sub\n",
	})
	s, err := helm.New(options(dir, config.HelmFlags{}, &config.HelmRelease{Name: "web", ChartPath: "chart", SetValues: config.FlatMap{"sub.word": "under"}}))
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, s); !strings.Contains(got, "name: web-under") {
		t.Errorf("objects:\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "chart/charts")); err == nil {
		t.Error("charts is written into the chart")
	}
	has := s.Watch().Has
	for name, want := range map[string]bool{"chart/templates/show.yaml": true, "chart/templates/new.yaml": true, "sub/templates/sub.yaml": true, "chart/.git/x": false, "other/x.yaml": false} {
		if has(filepath.Join(dir, name)) != want {
			t.Errorf("has(%s) = %v", name, !want)
		}
	}
	write(t, filepath.Join(dir, "sub/templates/sub.yaml"), "kind: Secret\napiVersion: v1\nmetadata: {name: changed-indeed}\n")
	if got := text(t, s); !strings.Contains(got, "name: changed-indeed") {
		t.Errorf("after a change of the dependency:\n%s", got)
	}
	off := objects(t, options(dir, config.HelmFlags{}, &config.HelmRelease{Name: "web", ChartPath: "chart", SetValues: config.FlatMap{"sub.enabled": "false"}}))
	if strings.Contains(off, "Secret") {
		t.Errorf("a dependency that is switched off is there:\n%s", off)
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for _, tt := range []struct {
		name       string
		files      map[string]string
		release    config.HelmRelease
		flags      config.HelmFlags
		want, hint string
	}{
		{"a template that fails", map[string]string{"chart/templates/show.yaml": "kind: Pod\nname: {{ .Values.image.name }}\n"}, config.HelmRelease{}, config.HelmFlags{},
			"chart/templates/show.yaml:2:16: nil pointer evaluating interface {}.name", "setValues"},
		{"a value that the chart requires", map[string]string{"chart/templates/show.yaml": "kind: {{ required \"say a kind\" .Values.kind }}\n"}, config.HelmRelease{}, config.HelmFlags{},
			"chart/templates/show.yaml:1:9: say a kind", "setValues"},
		{"a template that does not parse", map[string]string{"chart/templates/show.yaml": "a: 1\n{{ if }}\n"}, config.HelmRelease{}, config.HelmFlags{},
			"chart/templates/show.yaml:2: missing value for if", "correct the template"},
		{"a result that is no YAML", map[string]string{"chart/templates/show.yaml": "kind: Pod\n  metadata: x\n"}, config.HelmRelease{}, config.HelmFlags{}, "chart/templates/show.yaml: the template makes no manifest", "correct the template"},
		{"values against the schema", map[string]string{"chart/values.schema.json": `{"properties": {"a": {"type": "integer"}}}`}, config.HelmRelease{}, config.HelmFlags{},
			"values.schema.json says: show: - at '/a': got string, want integer", "correct the values"},
		{"no chart", nil, config.HelmRelease{ChartPath: "nowhere"}, config.HelmFlags{}, "there is no chart at nowhere", "correct the path"},
		{"no values file", nil, config.HelmRelease{ValuesFiles: []string{"v.yaml"}}, config.HelmFlags{}, "v.yaml: values file does not exist", "valuesFiles"},
		{"a broken values file", map[string]string{"v.yaml": "a: 1\nb: [\n"}, config.HelmRelease{ValuesFiles: []string{"v.yaml"}}, config.HelmFlags{}, "v.yaml:", "correct the values file"},
		{"a missing dependency", map[string]string{"chart/Chart.yaml": "apiVersion: v2\nname: show\nversion: 1.2.3\ndependencies: [{name: sub, version: 1.0.0, repository: 'https://x.test'}]\n"},
			config.HelmRelease{SkipBuildDependencies: true}, config.HelmFlags{}, "chart show depends on sub, not in its charts folder", "skipBuildDependencies"},
		{"the secrets plugin", nil, config.HelmRelease{UseHelmSecrets: true}, config.HelmFlags{}, "useHelmSecrets is not supported", "decrypt"},
		{"values in a bucket", nil, config.HelmRelease{ValuesFiles: []string{"gs://b/v.yaml"}}, config.HelmFlags{}, "gs addresses are not supported", "download"},
		{"an unknown flag", nil, config.HelmRelease{}, config.HelmFlags{Install: []string{"--sett=a=b"}}, "flag --sett of helm is not supported", "remove"},
		{"another program", nil, config.HelmRelease{}, config.HelmFlags{Upgrade: []string{"--post-renderer", "./x.sh"}}, "--post-renderer of helm is not supported", "remove"},
		{"an unknown variable in the name", nil, config.HelmRelease{Name: "{{.NOBODY}}"}, config.HelmFlags{}, "a variable is not set", "set the variable"},
		{"a circle", nil, config.HelmRelease{DependsOn: []string{"web"}}, config.HelmFlags{}, `release "web" depends on itself`, "break"},
		{"an unknown release", nil, config.HelmRelease{DependsOn: []string{"db"}}, config.HelmFlags{}, `"db", which is no release here`, "correct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, tt.files)
			r := tt.release
			if r.Name == "" {
				r.Name = "web"
			}
			if r.ChartPath == "" {
				r.ChartPath = "chart"
			}
			s, err := helm.New(options(dir, tt.flags, &r))
			if err == nil {
				_, err = s.Objects(t.Context(), render.Input{})
			}
			if err == nil {
				t.Fatal("no error")
			}
			e := diag.All(err)[0]
			got := strings.ReplaceAll(e.Error(), dir+"/", "")
			if !strings.Contains(got, tt.want) || strings.Contains(got, "\n") || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("got %q, hint %q", got, e.Hint)
			}
		})
	}
}
