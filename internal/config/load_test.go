package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/skiff-dev/skiff/internal/diag"
)

// load loads a text as the skaffold.yaml of an empty folder.
func load(t testing.TB, text string) (*Project, error) {
	t.Helper()
	return Load(context.Background(), Options{File: "-", Dir: "/p", Stdin: strings.NewReader(text), Command: "build"})
}

// TestEffectiveConfiguration loads the project of each archive, with the options in its comment, and compares the
// configuration that comes out with its part "effective".
func TestEffectiveConfiguration(t *testing.T) {
	for _, name := range archives(t, "testdata/effective") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			o := optionsOf(string(archive.Comment))
			o.Dir = unpack(t, archive)
			p, err := Load(context.Background(), o)
			if err != nil {
				t.Fatal(diag.Text(err))
			}
			data, err := p.YAML()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, archive, "effective", strings.ReplaceAll(string(data), o.Dir, "DIR"))
		})
	}
}

func TestTheFileIsFound(t *testing.T) {
	const text = "apiVersion: skaffold/v4beta14\nkind: Config\n"
	for _, tt := range []struct{ name, lies, asked, want string }{
		{"skaffold.yaml is the default", "skaffold.yaml", "", "skaffold.yaml"},
		{"skaffold.yml stands in for it", "skaffold.yml", "", "skaffold.yml"},
		{"skaffold.yml stands in for it in another folder", "a/skaffold.yml", "a/skaffold.yaml", "a/skaffold.yml"},
		{"any name can be given", "prod.yaml", "prod.yaml", "prod.yaml"},
		{"a byte order mark is dropped", "skaffold.yaml", "", "skaffold.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, tt.lies)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("\xef\xbb\xbf"+strings.ReplaceAll(text, "\n", "\r\n")), 0o644); err != nil {
				t.Fatal(err)
			}
			p, err := Load(context.Background(), Options{File: tt.asked, Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			want := filepath.Join(dir, tt.want)
			if p.File != want || !cmp.Equal(p.Files, []string{want}) {
				t.Errorf("File %q, Files %q, want %q", p.File, p.Files, want)
			}
		})
	}
}

func TestBytesThatAreNoText(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a NUL byte", "apiVersion: a\nkind: \x00b\n", "stdin:2:7: the file holds a NUL byte"},
		{"a control character", "a: \x01", "stdin:1:4: the file is not text: it holds a control character"},
		{"Latin-1", "a: b\nc: caf\xe9", "stdin:2:7: the file is not UTF-8 here"},
		{"UTF-16", "\xff\xfea\x00", "stdin:1:1: the file is UTF-16"},
		{"nothing", "", "stdin: the file is empty"},
		{"an alias of itself", "apiVersion: skaffold/v4beta14\nbuild: &a {local: *a}\n", ""},
		{"deep brackets", "a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "stdin:1:104: the file is nested deeper than 100 levels"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestTheLineOfASyntaxErrorIsFound(t *testing.T) {
	good := strings.Repeat("- a: [1,\n  2,\n  3]\n  b: 'x\n    y'\n", 100)
	for _, tt := range []struct {
		name, bad string
		column    int
	}{
		{"wrong indentation", " c: d", 2},
		{"a quote that is never closed", "- \"c", 1},
		{"a bracket that is never closed", "- [c", 1},
		{"two colons", "- a: b: c", 1},
	} {
		text := good + tt.bad + "\n" + good
		_, err := load(t, text)
		want := fmt.Sprintf("stdin:501:%d: ", tt.column)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, want)
		}
	}
}

func TestAliasesThatGrowWithoutEndAreRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: skaffold/v4beta14\nkind: Config\n.a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		b.WriteString(strings.NewReplacer("N", string(rune('1'+i)), "M", string(rune('0'+i))).Replace(".aN: &aN [*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM]\n"))
	}
	b.WriteString("manifests: {rawYaml: *a9}\n")
	_, err := load(t, b.String())
	if err == nil || !strings.Contains(err.Error(), "values, aliases written out, or more than") {
		t.Errorf("got %v", err)
	}
}

func TestPositionsLeadToTheUsersFile(t *testing.T) {
	p, err := Load(context.Background(), Options{File: "-", Dir: "/p", Profiles: []string{"dev"}, Stdin: strings.NewReader(`apiVersion: skaffold/v2beta29
kind: Config
build:
  artifacts:
  - image: web
    docker: {dockerfile: x}
deploy:
  kubectl:
    manifests:
    - a.yaml
    - b.yaml
profiles:
- name: dev
  build:
    artifacts:
    - image: web
      context: dev
`)})
	if err != nil {
		t.Fatal(diag.Text(err))
	}
	c := p.Configs[0]
	for _, tt := range []struct {
		name string
		got  diag.Pos
		want string
	}{
		{"a value that moved with the upgrade", c.Position("manifests", "rawYaml", 1), "stdin:11:7"},
		{"a value that a profile set", c.Build.Artifacts[0].Position("context"), "stdin:17:16"},
		{"a value that nobody wrote is at its block", c.Build.Artifacts[0].Position("docker", "target"), "stdin:16:7"},
		{"a whole block is at its key", c.Position("deploy", "kubectl"), "stdin:8:3"},
	} {
		if tt.got.String() != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

func TestAConfigThatStandsAloneGetsARendererAndADeployer(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		raw        []string
		kubectl    bool
	}{
		{"nothing is written", "", []string{"/p/k8s/*.yaml"}, true},
		{"manifests are written", "manifests: {rawYaml: [a.yaml]}", []string{"/p/a.yaml"}, true},
		{"helm is written", "deploy: {helm: {releases: [{name: a}]}}", nil, false},
		{"kustomize is written", "manifests: {kustomize: {paths: [x]}}", nil, true},
		{"docker is written", "deploy: {docker: {images: [a]}}", nil, false},
		{"kpt packages are written", "manifests: {kpt: [x]}", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := load(t, "apiVersion: skaffold/v4beta14\nkind: Config\n"+tt.text+"\n")
			if err != nil {
				t.Fatal(diag.Text(err))
			}
			c := p.Configs[0]
			if diff := cmp.Diff(tt.raw, c.Manifests.RawYaml); diff != "" {
				t.Errorf("rawYaml (-want +got):\n%s", diff)
			}
			if got := c.Deploy.Kubectl != nil; got != tt.kubectl {
				t.Errorf("kubectl deployer: %v, want %v", got, tt.kubectl)
			}
		})
	}
}
