package raw_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/render/raw"
)

// folder makes files; each named a.yaml holds a ConfigMap named a.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		write(t, filepath.Join(dir, name), "1")
	}
	return dir
}

func write(t *testing.T, path, value string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	base := filepath.Base(path)
	name := strings.TrimSuffix(base, filepath.Ext(base))
	text := `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "` + name + `"}, "data": {"a": "` + value + `"}}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, s *raw.Source) []string {
	t.Helper()
	read, err := s.Objects(t.Context(), render.Input{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, o := range read.Objects {
		all = append(all, o.GetName())
	}
	return append(all, read.Warnings...)
}

func TestWhichFilesAreRead(t *testing.T) {
	dir := folder(t, "k8s/b.yaml", "k8s/a.yml", "k8s/c.json", "k8s/notes.txt", "k8s/sub/d.yaml", "k8s/sub/deep/e.yaml", "one.yaml", "plain", "[x]/f.yaml", "stage-dev.yaml")
	for _, tt := range []struct {
		name     string
		patterns []string
		want     []string
	}{
		{"everything below, in the order of the paths", []string{"k8s/**"}, []string{"a", "b", "c", "d", "e"}},
		{"one level; a folder that matches is read as a whole", []string{"k8s/*"}, []string{"a", "b", "c", "d", "e"}},
		{"one level of one ending", []string{"k8s/*.yaml"}, []string{"b"}},
		{"any depth of one ending", []string{"k8s/**/*.yaml"}, []string{"b", "d", "e"}},
		{"braces", []string{"k8s/*.{yml,json}"}, []string{"a", "c"}},
		{"a folder by its name", []string{"k8s/sub"}, []string{"d", "e"}},
		{"a file by its name, whatever its ending", []string{"plain", "one.yaml"}, []string{"plain", "one"}},
		{"a name that only looks like a pattern", []string{"[x]/f.yaml"}, []string{"f"}},
		{"twice is once", []string{"one.yaml", "*.yaml"}, []string{"one", "stage-dev"}},
		{"an absolute pattern", []string{filepath.Join(dir, "k8s", "sub", "*.yaml")}, []string{"d"}},
		{"a template", []string{"stage-{{.STAGE}}.yaml"}, []string{"stage-dev"}},
		{"no match is a warning", []string{"nope/*.yaml", "gone.yaml", "one.yaml"}, []string{"one", `manifests.rawYaml: "nope/*.yaml" matches no manifest`, `manifests.rawYaml: "gone.yaml" does not exist`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := raw.New(raw.Options{Patterns: tt.patterns, Dir: dir, Templates: config.Templates{Environ: []string{"STAGE=dev"}}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, names(t, s)); diff != "" {
				t.Errorf("Objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAChangedFileIsReadAgainAndAnUnchangedOneIsNot(t *testing.T) {
	dir := folder(t, "k8s/a.yaml", "k8s/b.yaml")
	s, err := raw.New(raw.Options{Patterns: []string{"k8s/*.yaml"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	data := func() []any {
		read, err := s.Objects(t.Context(), render.Input{})
		if err != nil {
			t.Fatal(err)
		}
		var all []any
		for _, o := range read.Objects {
			all = append(all, o.Object["data"].(map[string]any)["a"])
			o.SetName("changed by the caller")
		}
		return all
	}
	data()
	// The clock of the file system is coarse: a change right after the first reading must be seen all the same.
	write(t, filepath.Join(dir, "k8s/a.yaml"), "2")
	if diff := cmp.Diff([]any{"2", "1"}, data()); diff != "" {
		t.Errorf("at once (-want +got):\n%s", diff)
	}
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := os.Chtimes(filepath.Join(dir, "k8s", name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	data()
	write(t, filepath.Join(dir, "k8s/b.yaml"), "3")
	if err := os.Remove(filepath.Join(dir, "k8s/a.yaml")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"3"}, data()); diff != "" {
		t.Errorf("later (-want +got):\n%s", diff)
	}
	if got := names(t, s); got[0] != "b" {
		t.Errorf("what a caller does to an object stays in the source: %v", got)
	}
}

func TestHasKnowsPathsThatAreNotThere(t *testing.T) {
	dir := folder(t, "k8s/a.yaml")
	for _, tt := range []struct {
		pattern   string
		yes, no   []string
		root      string
		skip, see []string // below root
	}{
		{"k8s/**", []string{"k8s/new.yaml", "k8s/x/y/z.json"}, []string{"k8s/new.txt", "k8s2/a.yaml", "a.yaml"}, "k8s", []string{"notes.txt.d/../../x"}, []string{"x", "x/y"}},
		{"k8s/*.yaml", []string{"k8s/new.yaml"}, []string{"k8s/new.yml"}, "k8s", []string{"a.txt"}, []string{"new.yaml"}},
		{"k8s/*", []string{"k8s/new.yaml", "k8s/dir/new.yaml"}, []string{"k8s/new.txt"}, "k8s", nil, []string{"dir", "dir/sub"}},
		{"*.yaml", []string{"new.yaml"}, []string{"src/new.yaml"}, ".", []string{"node_modules", "src", "main.go"}, []string{"new.yaml"}},
		{"deploy/*/x.yaml", []string{"deploy/a/x.yaml"}, []string{"deploy/x.yaml", "deploy/a/b/x.yaml"}, ".", []string{"src", "deploy/a/y.yaml"}, []string{"deploy", "deploy/a", "deploy/a/x.yaml"}},
	} {
		t.Run(tt.pattern, func(t *testing.T) {
			s, err := raw.New(raw.Options{Patterns: []string{tt.pattern}, Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			w := s.Watch()
			for _, p := range tt.yes {
				if !w.Has(filepath.Join(dir, p)) {
					t.Errorf("Has(%s) is false", p)
				}
			}
			for _, p := range tt.no {
				if w.Has(filepath.Join(dir, p)) {
					t.Errorf("Has(%s) is true", p)
				}
			}
			if diff := cmp.Diff(filepath.Join(dir, tt.root), w.Roots[0].Dir); diff != "" {
				t.Errorf("root (-want +got):\n%s", diff)
			}
			for _, p := range tt.see {
				if w.Roots[0].Skip(p) {
					t.Errorf("Skip(%s) is true", p)
				}
			}
			for _, p := range tt.skip {
				if !w.Roots[0].Skip(p) {
					t.Errorf("Skip(%s) is false", p)
				}
			}
		})
	}
}

func TestAManifestFromTheWebIsFetchedOnce(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/a.yaml" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far}\n"))
	}))
	t.Cleanup(s.Close)
	source, err := raw.New(raw.Options{Patterns: []string{s.URL + "/a.yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if diff := cmp.Diff([]string{"far"}, names(t, source)); diff != "" || asked != 1 {
			t.Errorf("asked %d times (-want +got):\n%s", asked, diff)
		}
	}
	missing, err := raw.New(raw.Options{Patterns: []string{s.URL + "/b.yaml?token=s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = missing.Objects(t.Context(), render.Input{})
	if want := "manifest " + s.URL + "/b.yaml cannot be fetched: the server answers 404 Not Found"; err == nil || err.Error() != want {
		t.Errorf("Objects = %v, want %s", err, want)
	}
}

func TestFaultsOfAllFilesAreToldTogether(t *testing.T) {
	dir := folder(t, "a.yaml")
	for _, name := range []string{"b.yaml", "c.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("kind: Pod\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := raw.New(raw.Options{Patterns: []string{"*.yaml"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Objects(t.Context(), render.Input{})
	if faults := diag.All(err); len(faults) != 2 || faults[0].Pos.File != filepath.Join(dir, "b.yaml") || faults[1].Code != diag.CodeDeploy {
		t.Errorf("Objects = %v", err)
	}
}

func TestAPatternThatCannotBeUsedIsRefused(t *testing.T) {
	for _, pattern := range []string{"gs://bucket/x.yaml", "k8s/[a", "{{.X"} {
		if _, err := raw.New(raw.Options{Patterns: []string{pattern}, Dir: "/p"}); err == nil || diag.All(err)[0].Code != diag.CodeConfig {
			t.Errorf("New(%q) = %v", pattern, err)
		}
	}
}
