package docker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
)

// write makes files with their own names as contents.
func write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		writeText(t, filepath.Join(dir, filepath.FromSlash(name)), name)
	}
}

func writeText(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var everything = []string{"a.go", "b.go", "c.txt", "docker/web.Dockerfile", "sub/d.go", "sub/deep/e.go", "web/index.html", "web/node_modules/x.js"}

func TestInputs(t *testing.T) {
	all := append([]string{"Dockerfile"}, everything...)
	value := "sub"
	for _, tt := range []struct {
		name       string
		dockerfile string
		ignore     string
		target     string
		args       map[string]*string
		want       []string
		has        []string // besides want
		not        []string
	}{
		{"no COPY takes no file", "FROM a\nRUN x\n", "", "", nil, []string{"Dockerfile"}, []string{".dockerignore", "Dockerfile.dockerignore"}, []string{"a.go", "new"}},
		{"a folder is taken with all below it", "FROM a\nCOPY sub /s\n", "", "", nil, []string{"Dockerfile", "sub/d.go", "sub/deep/e.go"}, []string{"sub", "sub/new", "sub/x/y/new"}, []string{"a.go", "subway", "web"}},
		{"a point is everything", "FROM a\nCOPY . .\n", "", "", nil, all, []string{"new", "x/y", "."}, []string{"../new"}},
		{"a repository's own files count only where a step names them", "FROM a\nCOPY . .\n", "", "", nil, all, []string{"x/git", ".gitignore"}, []string{".git", ".git/HEAD", "sub/.git/HEAD"}},
		{"a repository's own files that a step names count", "FROM a\nCOPY .git/HEAD /\n", "", "", nil, []string{"Dockerfile"}, []string{".git/HEAD"}, []string{".git/index"}},
		{"a wildcard stays in its folder", "FROM a\nCOPY *.go ./\n", "", "", nil, []string{"Dockerfile", "a.go", "b.go"}, []string{"new.go"}, []string{"sub/d.go", "c.txt"}},
		{"a wildcard in a folder", "FROM a\nCOPY s*/*.go ./\n", "", "", nil, []string{"Dockerfile", "sub/d.go"}, []string{"s2/new.go", "sub", "s"}, []string{"sub/deep/e.go", "web/x.go"}},
		{"a folder that a wildcard matches is taken with all below it", "FROM a\nCOPY s* ./\n", "", "", nil, []string{"Dockerfile", "sub/d.go", "sub/deep/e.go"}, []string{"s/new"}, nil},
		{"two stars are widened", "FROM a\nCOPY --parents sub/**/e.go ./\n", "", "", nil, []string{"Dockerfile", "sub/d.go", "sub/deep/e.go"}, nil, []string{"a.go"}},
		{"a path above the context is the context", "FROM a\nCOPY ../c.txt /x/../a.go ./\n", "", "", nil, []string{"Dockerfile", "a.go", "c.txt"}, nil, []string{"b.go"}},
		{"the JSON form", "FROM a\nADD [\"c.txt\", \"my file\", \"/\"]\n", "", "", nil, []string{"Dockerfile", "c.txt"}, []string{"my file"}, nil},
		{"files of other stages, images and addresses do not count", "FROM a AS x\nFROM b\nCOPY --from=x /a.go /\nCOPY --from=img b.go /\nADD https://h/c.txt git@h:r.git /\n", "", "", nil, []string{"Dockerfile"}, nil, []string{"a.go", "b.go", "c.txt"}},
		{"here-documents do not count", "FROM a\nCOPY <<a.go <<EOT /x/\none\na.go\ntwo\nEOT\n", "", "", nil, []string{"Dockerfile"}, nil, []string{"a.go"}},
		{"a mount counts", "FROM a\nRUN --mount=type=bind,source=sub,target=/s x\n", "", "", nil, []string{"Dockerfile", "sub/d.go", "sub/deep/e.go"}, nil, []string{"a.go"}},
		{"a mount of the context counts", "FROM a\nRUN --mount=target=/s x\n", "", "", nil, all, nil, nil},
		{"a mount of a stage or a cache does not", "FROM b AS y\nFROM a\nRUN --mount=from=y,target=/s --mount=type=cache,target=/c x\n", "", "", nil, []string{"Dockerfile"}, nil, []string{"a.go"}},
		{"stages that the last one does not need do not count", "FROM a AS x\nCOPY a.go /\nFROM a AS y\nCOPY b.go /\nFROM a AS unused\nCOPY c.txt /\nFROM y\nCOPY --from=x / /\n", "", "", nil, []string{"Dockerfile", "a.go", "b.go"}, nil, []string{"c.txt"}},
		{"a stage by its number", "FROM a\nCOPY a.go /\nFROM a\nCOPY b.go /\nFROM a\nCOPY --from=0 / /\n", "", "", nil, []string{"Dockerfile", "a.go"}, nil, []string{"b.go"}},
		{"a target ends it", "FROM a AS x\nCOPY a.go /\nFROM x\nCOPY b.go /\n", "", "X", nil, []string{"Dockerfile", "a.go"}, nil, []string{"b.go"}},
		{"a stage by a mount", "FROM a AS x\nCOPY a.go /\nFROM b\nRUN --mount=from=x,target=/s x\n", "", "", nil, []string{"Dockerfile", "a.go"}, nil, []string{"b.go"}},
		{"a stage by an argument", "ARG B=x\nFROM a AS x\nCOPY a.go /\nFROM ${B}\n", "", "", nil, []string{"Dockerfile", "a.go"}, nil, nil},
		{"ARG, its default and its value", "FROM a\nARG D=web\nARG F=c\nCOPY $D/deep ${F}.txt /\n", "", "", map[string]*string{"D": &value}, []string{"Dockerfile", "c.txt", "sub/deep/e.go"}, nil, []string{"web/index.html"}},
		{"an ARG before FROM", "ARG D=sub\nFROM a\nARG D\nCOPY ${D} /\n", "", "", nil, []string{"Dockerfile", "sub/d.go", "sub/deep/e.go"}, nil, []string{"a.go"}},
		{"ENV wins and is inherited by stages, ARG is not", "FROM a AS x\nARG D=web\nENV D=sub\nFROM x\nCOPY ${D}/deep /\n", "", "", nil, []string{"Dockerfile", "sub/deep/e.go"}, nil, []string{"web/index.html"}},
		{"a variable that only the engine knows is widened", "FROM a\nARG TARGETARCH\nCOPY sub/$TARGETARCH/x /\n", "", "", nil, []string{"Dockerfile", "sub/d.go", "sub/deep/e.go"}, nil, []string{"a.go"}},
		{"ONBUILD of a stage counts where another starts from it", "FROM a AS x\nONBUILD COPY a.go /\nFROM x\n", "", "", nil, []string{"Dockerfile", "a.go"}, nil, []string{"b.go"}},
		{"an image with ONBUILD in its name takes everything", "FROM python:3-onbuild\n", "", "", nil, all, nil, nil},
		{"what is ignored does not count", "FROM a\nCOPY . .\n", "*.go\nweb\n!web/index.html\n**/deep\n", "", nil,
			[]string{".dockerignore", "Dockerfile", "c.txt", "docker/web.Dockerfile", "sub/d.go", "web/index.html"}, nil, []string{"new.go", "web/x", "sub/deep/new", "web/node_modules/x.js"}},
		{"the Dockerfile counts also where it is ignored", "FROM a\nCOPY c.txt .\n", "Dockerfile\n.dockerignore\n", "", nil, []string{".dockerignore", "Dockerfile", "c.txt"}, nil, nil},
		{"a Dockerfile that cannot be read takes everything", "FROM a\nCOPI . .\n", "", "", nil, all, []string{"new"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, everything...)
			writeText(t, filepath.Join(dir, "Dockerfile"), tt.dockerfile)
			if tt.ignore != "" {
				writeText(t, filepath.Join(dir, ".dockerignore"), tt.ignore)
			}
			a := &config.Artifact{Image: "web", Context: dir, Docker: &config.DockerArtifact{Dockerfile: "Dockerfile", Target: tt.target, BuildArgs: tt.args}}
			in, err := New(Options{}).Inputs(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			files, err := in.Files(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, file := range files {
				rel, err := filepath.Rel(dir, file)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, filepath.ToSlash(rel))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			for _, name := range append(tt.want, tt.has...) {
				if !in.Has(filepath.Join(dir, name)) {
					t.Errorf("%s does not count", name)
				}
			}
			for _, name := range tt.not {
				if in.Has(filepath.Join(dir, name)) {
					t.Errorf("%s counts", name)
				}
			}
		})
	}
}

func TestASourceBehindALinkCountsToo(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "real/f", "other/g")
	writeText(t, filepath.Join(dir, "Dockerfile"), "FROM a\nCOPY link /\n")
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	in, err := readInputs(dir, filepath.Join(dir, "Dockerfile"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"link": true, "real/f": true, "real/new": true, "other/g": false} {
		if got := in.Has(filepath.Join(dir, name)); got != want {
			t.Errorf("%s counts: %v", name, got)
		}
	}
}

func TestOnlyFoldersThatMayHoldInputsAreWatched(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, everything...)
	writeText(t, filepath.Join(dir, "Dockerfile"), "FROM a\nCOPY sub/deep web /\n")
	writeText(t, filepath.Join(dir, ".dockerignore"), "**/node_modules\n")
	in, err := readInputs(dir, filepath.Join(dir, "Dockerfile"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	roots := in.Roots()
	if len(roots) != 1 || roots[0].Dir != dir {
		t.Fatalf("roots %+v", roots)
	}
	for name, want := range map[string]bool{"sub": false, "sub/deep": false, "sub/other": true, "web": false, "web/node_modules": true, "docker": true} {
		if got := roots[0].Skip(name); got != want {
			t.Errorf("%s is skipped: %v", name, got)
		}
	}
}

func TestADockerfileOfTheWorkingFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "ctx/f", "deploy/Dockerfile", "ctx/own/Dockerfile")
	b := New(Options{Dir: dir})
	for name, want := range map[string]string{
		"deploy/Dockerfile": "deploy/Dockerfile", "own/Dockerfile": "ctx/own/Dockerfile", "none": "ctx/none", "": "ctx/Dockerfile",
	} {
		a := &config.Artifact{Context: filepath.Join(dir, "ctx"), Docker: &config.DockerArtifact{Dockerfile: name}}
		if got := b.dockerfile(a); got != filepath.Join(dir, want) {
			t.Errorf("%q: %s", name, got)
		}
	}
}
