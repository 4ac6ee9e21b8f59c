package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/skiff-dev/skiff/internal/diag"
)

// seeds calls add with every project file of the tests, and of the corpus where it is present.
func seeds(f *testing.F, add func(text string)) {
	f.Helper()
	for _, dir := range []string{"testdata/faults", "testdata/effective", "testdata/steps", "testdata/fix"} {
		names, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				f.Fatal(err)
			}
			for _, file := range archive.Files {
				add(string(file.Data))
			}
		}
	}
	root := findCorpus(f)
	if root == "" {
		return
	}
	for _, row := range verdicts(f, root) {
		if data, err := os.ReadFile(filepath.Join(root, row["dir"], row["path"])); err == nil && row["profile"] == "" {
			add(string(data))
		}
	}
}

// loaded loads a text and writes down what came of it, whatever it is. It must not panic, and must not take long.
func loaded(t *testing.T, text string, profiles ...string) {
	t.Helper()
	start := time.Now()
	p, err := Load(context.Background(), Options{File: "-", Dir: "/p", Stdin: strings.NewReader(text), Profiles: profiles, Command: "dev", ProfileAutoActivation: true})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if err != nil {
		_ = diag.Text(err)
		return
	}
	if _, err := p.YAML(); err != nil {
		t.Errorf("a project that loads cannot be written: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	seeds(f, func(text string) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text string) { loaded(t, text) })
}

// FuzzMigrate takes any text through the steps from any version, and looks at what fix makes of it.
func FuzzMigrate(f *testing.F) {
	n := 0
	seeds(f, func(text string) {
		f.Add(text, n%len(Versions()))
		n++
	})
	f.Fuzz(func(t *testing.T, text string, version int) {
		versions := Versions()
		if version >= 0 && version < len(versions) {
			text = "apiVersion: " + versions[version] + "\n" + strings.TrimPrefix(text, "apiVersion:")
		}
		fixed, err := Fix(context.Background(), Options{File: "-", Dir: "/p", Stdin: strings.NewReader(text)}, "")
		if err != nil || fixed.New == nil {
			return
		}
		again, err := Fix(context.Background(), Options{File: "-", Dir: "/p", Stdin: strings.NewReader(string(fixed.New))}, "")
		if err != nil {
			t.Fatalf("what fix wrote is refused: %v\n%s\nbecame\n%s", err, text, fixed.New)
		}
		if again.New != nil {
			t.Errorf("what fix wrote is not the latest version:\n%s", fixed.New)
		}
		if older, err := Fix(context.Background(), Options{File: "-", Dir: "/p", Stdin: strings.NewReader(text)}, "skaffold/v2beta29"); err == nil && older.New != nil {
			if _, err := decodeAll(older.New); err != nil {
				t.Errorf("what fix wrote for an older version is no YAML: %v", err)
			}
		}
	})
}

// FuzzProfiles merges any block into any file.
func FuzzProfiles(f *testing.F) {
	seeds(f, func(text string) { f.Add(text, "  deploy: {kubectl: {}}\n  build:\n    artifacts: [{image: x}]") })
	f.Fuzz(func(t *testing.T, text, profile string) {
		loaded(t, text+"\nprofiles:\n- name: fuzz\n"+profile+"\n", "fuzz")
		loaded(t, text, profile)
	})
}

// FuzzPatches applies any edit to a file that has something to edit everywhere.
func FuzzPatches(f *testing.F) {
	for _, path := range []string{"/build/artifacts/0/image", "/build/artifacts/-", "/build/artifacts/image=web/docker", "/deploy", "", "/", "/build/artifacts/9", "/build/~0~1", "/profiles/0/name"} {
		for _, op := range []string{"add", "remove", "replace", "move", "copy", "test", ""} {
			f.Add(op, path, "/build/artifacts/0", "{image: other}", 71)
		}
	}
	f.Fuzz(func(t *testing.T, op, path, from, value string, version int) {
		versions := Versions()
		if version < 0 || version >= len(versions) {
			version = len(versions) - 1
		}
		quote := func(s string) string { return "'" + strings.ReplaceAll(strings.ToValidUTF8(s, ""), "'", "''") + "'" }
		loaded(t, "apiVersion: "+versions[version]+`
kind: Config
build:
  artifacts:
  - image: web
    docker: {buildArgs: {A: b}}
  tagPolicy: {sha256: {}}
deploy:
  kubectl: {flags: {apply: [x]}}
profiles:
- name: fuzz
  patches:
  - op: `+quote(op)+"\n    path: "+quote(path)+"\n    from: "+quote(from)+"\n    value: "+value+"\n", "fuzz")
	})
}

func TestLargeFilesAreReadOrRefusedAtOnce(t *testing.T) {
	head := "apiVersion: skaffold/v4beta14\nkind: Config\n"
	for _, tt := range []struct{ name, text, want string }{
		{"10 MB of remarks", head + strings.Repeat("# "+strings.Repeat("x", 98)+"\n", 100_000), ""},
		{"more than 16 MB", head + strings.Repeat("# "+strings.Repeat("x", 98)+"\n", 170_000), "stdin is larger than 16 MiB"},
		{"10 MB on one line", head + "metadata: {name: " + strings.Repeat("x", 10<<20) + "}\n", ""},
		{"a 10 MB list", head + "manifests:\n  rawYaml:\n" + strings.Repeat("  - "+strings.Repeat("x", 60)+"\n", 160_000), ""},
		{"100,000 keys", head + "build: {artifacts: [{image: web, docker: {buildArgs: {" + numbered(99_000, "A%d: b, ") + "}}}]}\n", "stdin:3:54: a mapping has 99000 keys, and the limit is 10000"},
		{"10,000 keys", head + "build: {artifacts: [{image: web, docker: {buildArgs: {" + numbered(10_000, "A%d: b, ") + "}}}]}\n", ""},
		{"more values than are read", head + "manifests: {rawYaml: [" + numbered(300_000, "A%d, ") + "]}\n", "stdin:3:"},
		{"90,000 keys that are not known", head + "build:\n  artifacts:\n" + strings.Repeat("  - {"+numbered(20, "zz%d: b, ")+"}\n", 4_500), "stdin:5:6: unknown field"},
		{"30,000 documents", strings.Repeat(head+"---\n", 30_000), "stdin: the file holds 30001 documents, and the limit is 5000"},
		{"1,000 documents", numbered(1_000, "---\n"+head+"metadata: {name: m%d}\n"), ""},
		{"5 MB of brackets on one line", head + "manifests: {rawYaml: " + strings.Repeat("[", 5<<20) + "\n", "stdin:"},
		{"5 MB of a quote that is never closed", head + "metadata: {name: \"" + strings.Repeat("x ", 5<<19) + "\n", "stdin:"},
		{"10 MB of text that is no YAML", strings.Repeat("}{][\n", 2<<20), "stdin:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, err := load(t, tt.text)
			if text := diag.Text(err); len(text) > 100_000 {
				t.Errorf("%d bytes are shown", len(text))
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("got %.200v, want %q", err, tt.want)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestNullsAreAsIfNotWritten(t *testing.T) {
	p, err := load(t, `apiVersion: skaffold/v4beta14
kind: Config
metadata: ~
requires: null
build:
  artifacts:
  - image: web
    context: ~
    sync: ~
    docker:
  tagPolicy: null
deploy: ~
profiles: ~
`)
	if err != nil {
		t.Fatal(diag.Text(err))
	}
	if a := p.Artifacts()[0]; a.Type() != "docker" || a.Sync != nil || a.Context != p.Dir {
		t.Errorf("got %s, sync %v, context %q", a.Type(), a.Sync, a.Context)
	}
}

// numbered repeats a text with 0, 1, 2 … in it.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
