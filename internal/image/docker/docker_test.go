package docker

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// fakeEngine answers a build as it is told to, and remembers what it was asked.
type fakeEngine struct {
	mu     sync.Mutex
	err    error
	pushes error
	asked  engine.BuildOptions
	did    []string
}

var _ Engine = (*fakeEngine)(nil)

func (f *fakeEngine) Build(_ context.Context, o engine.BuildOptions, _ func(string)) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = o
	return "sha256:feed", f.err
}

func (f *fakeEngine) Push(_ context.Context, ref string, _ func(string)) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, "push "+ref)
	return "sha256:d1", f.pushes
}

func (f *fakeEngine) Tag(_ context.Context, source, target string) error {
	f.did = append(f.did, "tag "+source+" "+target)
	return nil
}

func (f *fakeEngine) Inspect(context.Context, string) (engine.Image, error) {
	return engine.Image{ID: "sha256:e1", Config: engine.Config{WorkingDir: "/w"}}, nil
}

func (f *fakeEngine) Load(_ context.Context, tar io.Reader) error {
	data, err := io.ReadAll(tar)
	f.did = append(f.did, "load "+string(data))
	return err
}

func (f *fakeEngine) Running(_ context.Context, name string) (bool, error) {
	return name == "runs", nil
}

// artifact is a Dockerfile in a context of its own.
func artifact(t *testing.T, dockerfile string) *config.Artifact {
	t.Helper()
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "Dockerfile"), dockerfile)
	return &config.Artifact{Image: "web", Context: dir, Docker: &config.DockerArtifact{Dockerfile: "Dockerfile"}}
}

func build(t *testing.T, e *fakeEngine, a *config.Artifact, push bool, needs map[string]image.Result) (image.Result, error) {
	t.Helper()
	b := New(Options{Engine: e, Dir: a.Context, Environ: []string{"USER=ann", "TOKEN=s3", "HOME=/home/ann"}, Mode: "dev"})
	return b.Build(t.Context(), image.Request{Artifact: a, Ref: "reg:5000/team/web:v1", Push: push, Needs: needs}, func(string) {})
}

func TestAResultNamesThePushedManifestOrTheImageInTheEngine(t *testing.T) {
	for _, tt := range []struct {
		name string
		push bool
		want image.Result
		did  []string
	}{
		{"pushed", true, image.Result{Image: "web", Ref: "reg:5000/team/web:v1@sha256:d1", Digest: "sha256:d1", ID: "sha256:feed", WorkDir: "/w", Pushed: true},
			[]string{"push reg:5000/team/web:v1"}},
		{"not pushed", false, image.Result{Image: "web", Ref: "reg:5000/team/web:feed", ID: "sha256:feed", WorkDir: "/w"},
			[]string{"tag sha256:feed reg:5000/team/web:feed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &fakeEngine{}
			got, err := build(t, e, artifact(t, "FROM a\n"), tt.push, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.did, e.did); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildArguments(t *testing.T) {
	text := func(s string) *string { return &s }
	a := artifact(t, "FROM a\nARG SKAFFOLD_RUN_MODE\n")
	a.Docker.BuildArgs = map[string]*string{
		"PLAIN": text("x"), "USER": nil, "UNSET": nil, "MINE": text("own"),
		"ENV": text("{{.USER}}-{{.NOBODY}}"), "REF": text("{{.IMAGE_REPO}}|{{.IMAGE_NAME}}|{{.IMAGE_TAG}}"), "ELSE": text(`{{default "d" .NOBODY}}`),
	}
	e := &fakeEngine{}
	needs := map[string]image.Result{"BASE": {Ref: "reg/base:1@sha256:b"}, "MINE": {Ref: "reg/mine:1"}}
	if _, err := build(t, e, a, false, needs); err != nil {
		t.Fatal(err)
	}
	want := map[string]*string{
		"PLAIN": text("x"), "USER": text("ann"), "UNSET": nil, "MINE": text("own"), "BASE": text("reg/base:1@sha256:b"),
		"ENV": text("ann-<no value>"), "REF": text("reg:5000/team|web|v1"), "ELSE": text("d"), "SKAFFOLD_RUN_MODE": text("dev"),
	}
	if diff := cmp.Diff(want, e.asked.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestTheFieldsOfTheProjectFileReachTheEngine(t *testing.T) {
	a := artifact(t, "FROM a\n")
	writeText(t, filepath.Join(a.Context, "key"), "k1")
	off := false
	a.Config = &config.Config{}
	a.Config.Build.Local = &config.LocalBuild{UseBuildkit: &off}
	a.Docker.Target, a.Docker.Network, a.Docker.AddHost, a.Docker.CacheFrom = "t", "host", []string{"h:1.2.3.4"}, []string{"c:1"}
	a.Docker.NoCache, a.Docker.PullParent, a.Docker.Squash, a.Docker.SSH = true, true, true, "id=/k1,/k2"
	a.Docker.Secrets = []*config.DockerSecret{{ID: "file", Src: "key"}, {ID: "env", Env: "TOKEN"}, {ID: "USER"}}
	e := &fakeEngine{}
	if _, err := build(t, e, a, false, nil); err != nil {
		t.Fatal(err)
	}
	e.asked.Archive = nil
	want := engine.BuildOptions{
		Context: a.Context, Dockerfile: filepath.Join(a.Context, "Dockerfile"), Tags: []string{"reg:5000/team/web:v1"}, Target: "t",
		Args: map[string]*string{}, Network: "host", AddHost: []string{"h:1.2.3.4"}, CacheFrom: []string{"c:1"}, NoCache: true, Pull: true,
		Squash: true, Secrets: map[string][]byte{"file": []byte("k1"), "env": []byte("s3"), "USER": []byte("ann")},
		SSH: []engine.SSH{{ID: "id", Paths: []string{"/k1", "/k2"}}}, Builder: engine.Classic,
	}
	if diff := cmp.Diff(want, e.asked); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

func TestFailuresAreExplained(t *testing.T) {
	const dockerfile = "# one\nFROM base AS x\nRUN --mount=type=cache,target=/c npm ci\nFROM x\nENV A=1\nWORKDIR /w\nCOPY secret.txt /\nRUN echo \\\n  two\nRUN npm ci\n"
	step := func(stage string, i int, text string) engine.Step {
		return engine.Step{Stage: stage, Index: i, Text: text, Kind: engine.BuildKit}
	}
	classic := func(i int, text string) engine.Step { return engine.Step{Index: i, Text: text, Kind: engine.Classic} }
	for _, tt := range []struct {
		name   string
		failed engine.BuildError
		want   string
		line   string
	}{
		{"a command of a named stage", engine.BuildError{Step: step("x", 2, "RUN --mount=type=cache,target=/c npm ci"), Exit: 1, Output: true},
			`image "web": Dockerfile:3: "npm ci" exited with 1 (its last lines are above)`, "RUN --mount=type=cache,target=/c npm ci"},
		{"a command of a stage without a name, by its number", engine.BuildError{Step: step("stage-1", 5, "RUN npm ci"), Exit: 127},
			`image "web": Dockerfile:10: "npm ci" exited with 127`, "RUN npm ci"},
		{"a command over two lines, by its text", engine.BuildError{Step: step("stage-1", 9, "RUN echo two"), Exit: 1},
			`image "web": Dockerfile:8: "echo two" exited with 1`, "RUN echo \\"},
		{"a command of the classic builder", engine.BuildError{Step: classic(8, "RUN npm ci"), Exit: 2},
			`image "web": Dockerfile:10: "npm ci" exited with 2`, "RUN npm ci"},
		{"a file that is ignored", engine.BuildError{Step: step("stage-1", 3, "COPY secret.txt /"), Message: `failed to compute cache key: "/secret.txt" not found: not found`},
			"image \"web\": Dockerfile:7: COPY secret.txt /: \"secret.txt\" is not in the build context\nhint: .dockerignore leaves it out: add \"!secret.txt\" there", "COPY secret.txt /"},
		{"a file that is ignored, of a newer BuildKit", engine.BuildError{Step: step("stage-1", 3, "COPY secret.txt /"), Message: `failed to calculate checksum of ref abc::def: "/secret.txt": not found`},
			"image \"web\": Dockerfile:7: COPY secret.txt /: \"secret.txt\" is not in the build context\nhint: .dockerignore leaves it out: add \"!secret.txt\" there", "COPY secret.txt /"},
		{"a base image that is not there", engine.BuildError{Step: engine.Step{Text: "FROM docker.io/library/base", Kind: engine.BuildKit}, Message: "base: not found"},
			"image \"web\": Dockerfile:2: FROM docker.io/library/base: base: not found\nhint: check the image's name and that its registry can be reached; docker login where it is private", "FROM base AS x"},
		{"a fault of the Dockerfile", engine.BuildError{Message: "dockerfile parse error line 5: unknown instruction: ENVY"},
			`image "web": Dockerfile:5: unknown instruction: ENVY`, "ENV A=1"},
		{"a syntax that cannot be fetched", engine.BuildError{Message: "lookup registry-1.docker.io: no such host"},
			"image \"web\": Dockerfile:1: the syntax docker/dockerfile:1 cannot be fetched: lookup registry-1.docker.io: no such host\nhint: remove the line to build with the engine's own syntax, or make the registry reachable", "# syntax=docker/dockerfile:1"},
		{"anything else is told as it is", engine.BuildError{Message: "no space left on device"}, `image "web": Dockerfile: no space left on device`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := artifact(t, dockerfile)
			if strings.Contains(tt.line, "syntax") {
				a = artifact(t, tt.line+"\n"+dockerfile)
			}
			write(t, a.Context, "secret.txt")
			writeText(t, filepath.Join(a.Context, ".dockerignore"), "secret.*\n")
			_, err := build(t, &fakeEngine{err: &tt.failed}, a, false, nil)
			var e *diag.Error
			if !errors.As(err, &e) {
				t.Fatalf("%T %v", err, err)
			}
			got := err.Error()
			if e.Hint != "" {
				got += "\nhint: " + e.Hint
			}
			if got != tt.want || e.Line != tt.line {
				t.Errorf("got  %s\nwant %s\nline %q, want %q", got, tt.want, e.Line, tt.line)
			}
			if diag.Kind(err) != diag.CodeBuild {
				t.Errorf("kind %v", diag.Kind(err))
			}
		})
	}
}

func TestWhatCannotBeBuiltIsRefusedBeforeTheEngineIsAsked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(a *config.Artifact)
		want   string
	}{
		{"no Dockerfile", func(a *config.Artifact) { a.Docker.Dockerfile = "none" }, "there is no Dockerfile at none"},
		{"no context", func(a *config.Artifact) { a.Context += "/none" }, "is no folder"},
		{"the network of a container that does not run", func(a *config.Artifact) { a.Docker.Network = "container:ended" }, `the container "ended" does not run`},
		{"a network that BuildKit does not know", func(a *config.Artifact) { a.Docker.Network, a.Docker.SSH = "mine", "default" }, `docker.network "mine" needs`},
		{"a cache that is no image", func(a *config.Artifact) { a.Docker.CacheFrom = []string{"type=gha"} }, "from images only"},
		{"a secret without a file", func(a *config.Artifact) { a.Docker.Secrets = []*config.DockerSecret{{ID: "a", Src: "none"}} }, `secret "a"`},
		{"a secret without a variable", func(a *config.Artifact) { a.Docker.Secrets = []*config.DockerSecret{{ID: "a", Env: "NONE"}} }, "NONE is not set"},
		{"a template that does not parse", func(a *config.Artifact) { s := "{{"; a.Docker.BuildArgs = map[string]*string{"A": &s} }, `build argument "A"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := artifact(t, "FROM a\n")
			tt.change(a)
			e := &fakeEngine{}
			_, err := build(t, e, a, false, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `image "web"`) {
				t.Errorf("error %v", err)
			}
			if e.asked.Context != "" {
				t.Error("the engine was asked")
			}
		})
	}
}

func TestAFailedPushHasANextStep(t *testing.T) {
	for text, want := range map[string]struct {
		hint string
		code diag.Code
	}{
		"push x: denied: requested access to the resource is denied":   {"docker login reg:5000", diag.CodeBuild},
		"push x: dial tcp 127.0.0.1:5000: connect: connection refused": {"start the registry", diag.CodeCluster},
		"push x: http: server gave HTTP response to HTTPS client":      {"insecure-registries", diag.CodeBuild},
	} {
		_, err := build(t, &fakeEngine{pushes: errors.New(text)}, artifact(t, "FROM a\n"), true, nil)
		var e *diag.Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint, want.hint) || diag.Kind(err) != want.code {
			t.Errorf("%s: %+v", text, e)
		}
	}
}

func TestArchive(t *testing.T) {
	for _, tt := range []struct {
		name, ignore, dockerfile string
		want                     []string
		as                       string
	}{
		{"everything without an ignore file", "", "ctx/Dockerfile", []string{"Dockerfile", "a", "link", "sub/", "sub/b", "sub/c"}, "Dockerfile"},
		{"what is ignored stays away", "sub\n!sub/c\n", "ctx/Dockerfile", []string{".dockerignore", "Dockerfile", "a", "link", "sub/", "sub/c"}, "Dockerfile"},
		{"a Dockerfile in a folder", "", "ctx/sub/b", []string{"Dockerfile", "a", "link", "sub/", "sub/b", "sub/c"}, "sub/b"},
		{"a Dockerfile outside comes along", "a\n", "other/x.Dockerfile", []string{".dockerfile.X", ".dockerignore", "Dockerfile", "link", "sub/", "sub/b", "sub/c"}, ".dockerfile.X"},
		{"an ignored Dockerfile comes along", "Dockerfile\n", "ctx/Dockerfile", []string{".dockerfile.X", ".dockerignore", "a", "link", "sub/", "sub/b", "sub/c"}, ".dockerfile.X"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "ctx/a", "ctx/sub/b", "ctx/sub/c", "ctx/Dockerfile", "other/x.Dockerfile")
			if err := os.Symlink("a", filepath.Join(dir, "ctx", "link")); err != nil {
				t.Fatal(err)
			}
			if tt.ignore != "" {
				writeText(t, filepath.Join(dir, "ctx", ".dockerignore"), tt.ignore)
			}
			stream, as, err := archive{filepath.Join(dir, "ctx"), filepath.Join(dir, tt.dockerfile)}.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			found := map[string]string{}
			for r := tar.NewReader(stream); ; {
				h, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				if h.Uid != 0 || h.Gid != 0 {
					t.Errorf("%s belongs to %d:%d", h.Name, h.Uid, h.Gid)
				}
				found[shorten(h.Name)] = string(data) + h.Linkname
			}
			if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(found))); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if shorten(as) != tt.as {
				t.Errorf("the Dockerfile is %s, want %s", as, tt.as)
			}
			if found["link"] != "a" {
				t.Errorf("the link leads to %q", found["link"])
			}
		})
	}
}

// shorten hides the digest that names a Dockerfile from elsewhere.
func shorten(name string) string {
	if strings.HasPrefix(name, ".dockerfile.") {
		return ".dockerfile.X"
	}
	return name
}

func TestAnArchiveThatIsNotReadToTheEndIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "Dockerfile"), "FROM a\n")
	writeText(t, filepath.Join(dir, "big"), strings.Repeat("x", 1<<20))
	stream, _, err := archive{dir, filepath.Join(dir, "Dockerfile")}.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(); err != nil { // waits for the writer
		t.Error(err)
	}
}
