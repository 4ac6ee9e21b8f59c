package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// TestEachStepChangesWhatItSaysAndNothingElse takes the part "before" of each archive one version on. The archive has
// the name of the version it starts from; "after" is the result, "notes" what a user is told.
func TestEachStepChangesWhatItSaysAndNothingElse(t *testing.T) {
	for _, name := range archives(t, "testdata/steps") {
		version := strings.TrimSuffix(filepath.Base(name), ".txtar")
		t.Run(version, func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			d := checked(t, "apiVersion: skaffold/"+version+"\nkind: Config\n"+string(archive.Files[0].Data))
			stepFrom(t, version).apply(d)
			cut(d.root, "apiVersion")
			cut(d.root, "kind")
			var after bytes.Buffer
			e := yaml.NewEncoder(&after)
			e.SetIndent(2)
			if err := e.Encode(d.root); err != nil {
				t.Fatal(err)
			}
			golden(t, name, archive, "after", after.String())
			if notes := append(d.notes, d.faults...); len(notes) > 0 {
				golden(t, name, archive, "notes", diag.Text(notes))
			}
		})
	}
}

// checked is a document that its own version accepts.
func checked(t *testing.T, text string) *document {
	t.Helper()
	docs, faults := parse(input{"skaffold.yaml", "/skaffold.yaml", []byte(text)})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	l := &loader{format: theFormat()}
	l.identify(docs[0])
	(&checker{doc: docs[0], format: l.format, version: docs[0].version}).checkRoot()
	if len(docs[0].faults) > 0 {
		t.Fatal(diag.Text(docs[0].faults))
	}
	return docs[0]
}

func stepFrom(t *testing.T, version string) step {
	t.Helper()
	for _, s := range steps() {
		if s.from == version {
			return s
		}
	}
	t.Fatalf("no step from %s", version)
	return step{}
}

func TestTheStepsAreInOrderAndEachHasAnExample(t *testing.T) {
	last := -1
	for _, s := range steps() {
		at, known := theFormat().order[s.from]
		if !known || at <= last {
			t.Errorf("the step from %s stands at a wrong place", s.from)
		}
		last = at
		if found, err := filepath.Glob("testdata/steps/" + s.from + ".txtar"); err != nil || len(found) == 0 {
			t.Errorf("the step from %s has no example in testdata/steps", s.from)
		}
	}
}

func TestEveryVersionLoads(t *testing.T) {
	for _, version := range Versions() {
		image := "image"
		if version == "skaffold/v1alpha1" || version == "skaffold/v1alpha2" || version == "skaffold/v1alpha3" {
			image = "imageName"
		}
		p, err := load(t, "apiVersion: "+version+"\nkind: Config\nbuild:\n  artifacts:\n  - "+image+": web\n")
		if err != nil {
			t.Errorf("%s: %s", version, diag.Text(err))
			continue
		}
		if c := p.Configs[0]; c.APIVersion != Latest() || c.Build.Artifacts[0].Image != "web" {
			t.Errorf("%s: got %s with image %q", version, c.APIVersion, c.Build.Artifacts[0].Image)
		}
	}
}

// TestThereIsNoRoomForACopyPerVersion keeps the package small: a new apiVersion is some lines in the table and at most a step.
func TestThereIsNoRoomForACopyPerVersion(t *testing.T) {
	const limit = 6000
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines += bytes.Count(data, []byte("\n"))
	}
	if t.Logf("%d lines", lines); lines >= limit {
		t.Errorf("%d lines, and the limit is %d", lines, limit)
	}
}
