package golang

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
)

// app is a program of two packages, with files that do not belong to it beside them.
func app(t *testing.T) (dir string, a *config.Artifact) {
	t.Helper()
	dir = sources(t, map[string]string{
		"go.mod": "module example.com/app\n\ngo 1.26\n",
		"cmd/web/main.go": `package main

import (
	"embed"

	"example.com/app/lib"
)

//go:embed page.html static
var files embed.FS

func main() { lib.Do(files) }
`,
		"cmd/web/page.html": "x", "cmd/web/static/a.css": "x", "cmd/web/static/.hidden": "x", "cmd/web/notes.txt": "x",
		"cmd/web/main_test.go": "package main\n", "cmd/web/main_windows.go": "package main\n", "cmd/web/kodata/x.txt": "x",
		"cmd/other/main.go": "package main\n\nfunc main() {}\n",
		"lib/lib.go":        "package lib\n\nfunc Do(any) {}\n", "lib/asm_arm64.s": "",
		"unused/unused.go": "package unused\n", ".git/HEAD": "x",
	})
	return dir, &config.Artifact{Image: "web", Context: dir, Ko: &config.KoArtifact{Main: "cmd/web", FromImage: "scratch"}}
}

func listed(t *testing.T, b *Builder, a *config.Artifact) []string {
	t.Helper()
	in, err := b.Inputs(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	files, err := in.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		rel, err := filepath.Rel(a.Context, f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, filepath.ToSlash(rel))
	}
	return all
}

func TestOnlyFilesOfTheProgramCount(t *testing.T) {
	dir, a := app(t)
	b := New(Options{Environ: environment()})
	want := []string{
		"cmd/web/kodata/x.txt", "cmd/web/main.go", "cmd/web/page.html", "cmd/web/static/a.css", "go.mod", "lib/asm_arm64.s", "lib/lib.go",
	}
	if diff := cmp.Diff(want, listed(t, b, a)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	in, err := b.Inputs(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"cmd/web/new.go": true, "lib/new.go": true, "lib/new_test.go": false, "lib/new_darwin.go": false, "unused/unused.go": false, "cmd/web/static/b.css": true,
		"cmd/web/static/sub/c.css": true, "cmd/web/static/_no": false, "cmd/web/kodata/deep/y": true, "go.sum": true, "lib/sub/x.go": false, "README.md": false, "cmd/other/main.go": false, ".ko.yaml": true,
	} {
		if got := in.Has(filepath.Join(dir, filepath.FromSlash(name))); got != want {
			t.Errorf("Has(%s) is %v", name, got)
		}
	}
	skip := in.Roots()[0].Skip
	for name, want := range map[string]bool{"cmd": false, "cmd/web": false, "cmd/web/static": false, "cmd/web/static/deep": false, "cmd/web/kodata": false, "cmd/other": true, "unused": true, ".git": true, "lib/sub": true} {
		if got := skip(name); got != want {
			t.Errorf("skip(%s) is %v", name, got)
		}
	}
}

func TestWhatTheProjectFileNamesCountsBesides(t *testing.T) {
	_, a := app(t)
	a.Ko.Dependencies = &config.PathDependencies{Paths: []string{"**/*.txt"}, Ignore: []string{"cmd/web/kodata", "lib/*.s"}}
	want := []string{"cmd/web/main.go", "cmd/web/notes.txt", "cmd/web/page.html", "cmd/web/static/a.css", "go.mod", "lib/lib.go"}
	if diff := cmp.Diff(want, listed(t, New(Options{Environ: environment()}), a)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// old makes files old enough for their stamps to be believed.
func old(t *testing.T, dir string, names ...string) {
	t.Helper()
	when := time.Now().Add(-time.Hour)
	for _, name := range names {
		if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheGoCommandIsAskedAgainOnlyWhenImportsChange(t *testing.T) {
	dir, a := app(t)
	names := []string{"cmd/web/main.go", "lib/lib.go", "go.mod"}
	old(t, dir, names...)
	state := t.TempDir()
	b := New(Options{Environ: environment(), State: state})
	listed(t, b, a)
	// From now on the go command is not there: whoever needs it fails, and everything counts.
	b.o.Environ = append(environment(), "PATH=/nowhere")
	asked := func(b *Builder) bool {
		rec, err := b.recipe(request(a))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.listingOf(t.Context(), a, rec)
		return err != nil
	}
	mark := b.lists["web"].Recipe
	follow := func(b *Builder) {
		rec, err := b.recipe(request(a))
		if err != nil {
			t.Fatal(err)
		}
		b.lists["web"].Recipe = b.mark(rec) // the toolchain is another one without its PATH
	}
	follow(b)
	if asked(b) {
		t.Error("nothing changed, and it was asked")
	}
	write(t, dir, "lib/lib.go", "package lib\n\n// Do does.\nfunc Do(any) { println(1) }\n")
	if asked(b) {
		t.Error("a body changed, and it was asked")
	}
	next := New(Options{Environ: environment(), State: state})
	if l := next.readListing(mark); l == nil {
		t.Error("the next session knows nothing")
	} else if still, _ := l.refresh(); still == nil {
		t.Error("the next session asks again")
	}
	for name, text := range map[string]string{
		"lib/lib.go":    "package lib\n\nimport _ \"example.com/app/unused\"\n\nfunc Do(any) {}\n",
		"lib/second.go": "package lib\n",
		"go.mod":        "module example.com/app\n\ngo 1.26\n\n// changed\n",
	} {
		before, err := os.ReadFile(filepath.Join(dir, name))
		write(t, dir, name, text)
		if !asked(b) {
			t.Errorf("%s changed what the program is made of, and nobody was asked", name)
		}
		if err != nil {
			err = os.Remove(filepath.Join(dir, name))
		} else {
			err = os.WriteFile(filepath.Join(dir, name), before, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.o.Environ = environment()
		listed(t, b, a)
		b.o.Environ = append(environment(), "PATH=/nowhere")
		follow(b)
	}
}

func TestAPackageThatIsNotThereYetIsWaitedFor(t *testing.T) {
	dir, a := app(t)
	write(t, dir, "lib/lib.go", "package lib\n\nimport _ \"example.com/app/later\"\n\nfunc Do(any) {}\n")
	in, err := New(Options{Environ: environment()}).Inputs(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"later/later.go", "lib/lib.go"} {
		if !in.Has(filepath.Join(dir, name)) {
			t.Errorf("%s does not count", name)
		}
	}
}

func TestWithoutAListEverythingCounts(t *testing.T) {
	dir, a := app(t)
	in, err := New(Options{Environ: append(environment(), "PATH=/nowhere")}).Inputs(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if !in.Has(filepath.Join(dir, "unused/unused.go")) || in.Has(filepath.Join(dir, "README.md")) {
		t.Error("not every Go file, or more")
	}
}

func TestEmbedPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, file string
		want          bool
	}{
		{"a.txt", "a.txt", true}, {"*.txt", "a.txt", true}, {"*.txt", "sub/a.txt", false}, {"static", "static/x/y", true},
		{"static", "static/.x", false}, {"all:static", "static/.x", true}, {"static/*", "static/.x", true}, {"static", "other", false}, {"all:.", "any", true},
	} {
		if got := embeds(tt.pattern, tt.file, false); got != tt.want {
			t.Errorf("embeds(%q, %q) is %v", tt.pattern, tt.file, got)
		}
	}
}
