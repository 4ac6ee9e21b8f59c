package docker

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// fakeRegistry remembers the index that it was given.
type fakeRegistry struct {
	ref   string
	parts []image.Part
}

func (f *fakeRegistry) Index(_ context.Context, ref string, parts []image.Part) (string, error) {
	f.ref, f.parts = ref, parts
	return "sha256:1dec", nil
}

func (f *fakeRegistry) Config(context.Context, string) (*v1.Config, error) {
	return &v1.Config{WorkingDir: "/r"}, nil
}

func (f *fakeRegistry) Insecure(ref string) bool { return strings.HasPrefix(ref, "plain") }

// fakeBuildKit remembers what it was asked, and writes a tar where one is wanted.
type fakeBuildKit struct {
	asked engine.BuildOptions
	to    engine.Output
	err   error
}

func (f *fakeBuildKit) Build(_ context.Context, o engine.BuildOptions, to engine.Output, _ func(string)) (engine.Solved, error) {
	f.asked, f.to = o, to
	if f.err != nil || to.Push {
		return engine.Solved{Digest: "sha256:b1"}, f.err
	}
	w, err := to.Tar()
	if err == nil {
		_, err = io.WriteString(w, "image")
	}
	if err == nil {
		err = w.Close()
	}
	return engine.Solved{ID: "sha256:c1"}, err
}

func TestABuildKitThatStandsByItselfBuildsInsteadOfTheEngine(t *testing.T) {
	a := artifact(t, "FROM a\n")
	a.Docker.CacheFrom = []string{"web", "type=s3,bucket=b"}
	e, kit := &fakeEngine{}, &fakeBuildKit{}
	b := New(Options{Engine: e, BuildKit: kit, Registry: &fakeRegistry{}, Dir: a.Context})
	got, err := b.Build(t.Context(), image.Request{Artifact: a, Ref: "plain/web:v1", Push: true, Platform: "linux/amd64,linux/arm64"}, func(string) {})
	want := image.Result{Image: "web", Ref: "plain/web:v1@sha256:b1", Digest: "sha256:b1", WorkDir: "/r", Pushed: true}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("pushed: %v (-want +got):\n%s", err, diff)
	}
	if kit.asked.Platform != "linux/amd64,linux/arm64" || !kit.to.Insecure || len(e.did) > 0 {
		t.Errorf("asked %+v %+v, the engine %v", kit.asked, kit.to, e.did)
	}
	if diff := cmp.Diff([]string{"plain/web:v1", "type=s3,bucket=b"}, kit.asked.CacheFrom); diff != "" || !slices.Equal(kit.to.CacheTo, []string{"type=inline"}) {
		t.Errorf("cache to %v, from (-want +got):\n%s", kit.to.CacheTo, diff)
	}

	got, err = b.Build(t.Context(), image.Request{Artifact: a, Ref: "reg/web:v1"}, func(string) {})
	want = image.Result{Image: "web", Ref: "reg/web:e1", ID: "sha256:e1", WorkDir: "/w"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("loaded: %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"load image", "tag sha256:e1 reg/web:e1"}, e.did); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}

	kit.err = &engine.BuildError{Message: "dockerfile parse error line 1: unknown instruction: FROM"}
	for _, push := range []bool{true, false} {
		if _, err = b.Build(t.Context(), image.Request{Artifact: a, Ref: "reg/web:v1", Push: push}, func(string) {}); err == nil || !strings.Contains(err.Error(), "Dockerfile:1: unknown instruction") {
			t.Errorf("a failure with push %v: %v", push, err)
		}
	}
}

func TestSeveralPlatformsBecomeOneIndex(t *testing.T) {
	a := artifact(t, "FROM a\nARG TAG\n")
	tag := "{{.IMAGE_TAG}}"
	a.Docker.BuildArgs = map[string]*string{"TAG": &tag}
	e, reg := &fakeEngine{}, &fakeRegistry{}
	b := New(Options{Engine: e, Registry: reg, Dir: a.Context})
	r := image.Request{Artifact: a, Ref: "reg/web:v1", Push: true, Platform: "linux/amd64,linux/arm/v7"}
	got, err := b.Build(t.Context(), r, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	want := image.Result{Image: "web", Ref: "reg/web:v1@sha256:1dec", Digest: "sha256:1dec", WorkDir: "/w", Pushed: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	slices.Sort(e.did)
	if diff := cmp.Diff([]string{"push reg/web:v1-linux-amd64", "push reg/web:v1-linux-arm-v7"}, e.did); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]image.Part{{Platform: "linux/amd64", Digest: "sha256:d1"}, {Platform: "linux/arm/v7", Digest: "sha256:d1"}}, reg.parts); diff != "" || reg.ref != r.Ref {
		t.Errorf("index %s (-want +got):\n%s", reg.ref, diff)
	}
	if got := *e.asked.Args["TAG"]; got != "v1" {
		t.Errorf("the template of the tag gave %q", got)
	}

	r.Push = false
	if _, err := b.Build(t.Context(), r, func(string) {}); err == nil || !strings.Contains(err.Error(), "cannot stay in the engine") {
		t.Errorf("without a push: %v", err)
	}
}

func TestTheDockerCommandIsAskedForByItsFieldsOnly(t *testing.T) {
	text := func(s string) *string { return &s }
	a := artifact(t, "FROM a\n")
	b := New(Options{Engine: &fakeEngine{}, Dir: a.Context, Environ: []string{"PATH=" + t.TempDir(), "TOKEN=s3cret"}})
	if err := b.Check(a); err != nil {
		t.Fatal(err)
	}
	a.Docker.CLIFlags = []string{"--label=v={{.IMAGE_TAG}}"}
	if err := b.Check(a); err == nil || !strings.Contains(err.Error(), `image "web": docker.cliFlags needs the docker command`) {
		t.Errorf("without the command: %v", err)
	}
	a.Docker.BuildArgs = map[string]*string{"A": text("1"), "B": nil}
	a.Docker.Secrets = []*config.DockerSecret{{ID: "t", Env: "TOKEN"}, {ID: "f", Src: "Dockerfile"}}
	a.Docker.NoCache, a.Docker.Target = true, "x"
	r := image.Request{Artifact: a, Ref: "reg/web:v1"}
	o, err := b.options(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.commandLine(r, o, "id")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docker", "build", "--file", a.Context + "/Dockerfile", "--iidfile", "id", "--tag", "reg/web:v1", "--build-arg", "A=1", "--build-arg", "B",
		"--target", "x", "--no-cache", "--secret", "id=t,env=TOKEN", "--secret", "id=f,src=" + a.Context + "/Dockerfile", "--label=v=v1", a.Context,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("command line (-want +got):\n%s", diff)
	}
}
