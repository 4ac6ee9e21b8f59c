package docker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/image"
)

func TestTraceSaysWhatBecomesOfAPath(t *testing.T) {
	const dockerfile = `ARG SRC=src
FROM golang AS build
COPY go.mod ./
RUN go mod download
FROM debian
ARG SRC
COPY early.txt /
RUN apt-get update
COPY $SRC /app
COPY *.html /www/
CMD ["app"]
`
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("web/Dockerfile", dockerfile)
	write("web/.dockerignore", "# what is not ours\n*.md\n!README.md\nsrc/tmp\n")
	b := New(Options{Dir: dir})
	a := &config.Artifact{Image: "web", Context: filepath.Join(dir, "web"), Docker: &config.DockerArtifact{Dockerfile: "Dockerfile"}}
	for path, want := range map[string]image.Trace{
		"web/src/a.py":         {Counts: true, Layer: true, Because: "taken by COPY $SRC /app (web/Dockerfile:9)"},
		"web/src/new/b.py":     {Counts: true, Layer: true, Because: "taken by COPY $SRC /app (web/Dockerfile:9)"},
		"web/index.html":       {Counts: true, Layer: true, Because: "taken by COPY *.html /www/ (web/Dockerfile:10)"},
		"web/early.txt":        {Counts: true, Because: "taken by COPY early.txt / (web/Dockerfile:7)", Needs: "RUN apt-get update (web/Dockerfile:8)"},
		"web/Dockerfile":       {Counts: true, Because: "it is the Dockerfile", Needs: "the Dockerfile itself"},
		"web/.dockerignore":    {Counts: true, Because: "it says what is left out of the build context", Needs: "the ignore file"},
		"web/src/tmp/x":        {Because: "it is left out by web/.dockerignore:4: src/tmp"},
		"web/notes.md":         {Because: "it is left out by web/.dockerignore:2: *.md"},
		"web/README.md":        {Because: "no COPY or ADD step of web/Dockerfile takes it"},
		"web/go.mod":           {Because: "no COPY or ADD step of web/Dockerfile takes it"}, // its stage is not needed
		"api/main.go":          {Because: "it lies outside of the build context web", Outside: true},
		"web/src/.git/objects": {Because: "no COPY or ADD step of web/Dockerfile takes it by name, and what git keeps for itself counts only then"},
	} {
		got, err := b.Trace(t.Context(), a, filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		inputs, err := b.Inputs(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if has := inputs.Has(filepath.Join(dir, path)); has != got.Counts {
			t.Errorf("%s counts: %v, but Trace says %v", path, has, got.Counts)
		}
	}
}
