package buildpacks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pack "github.com/buildpacks/pack/pkg/client"
	"github.com/buildpacks/pack/pkg/logging"
	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// fakeEngine keeps one image.
type fakeEngine struct {
	calls  []string
	labels map[string]string
}

func (f *fakeEngine) Inspect(context.Context, string) (engine.Image, error) {
	return engine.Image{ID: "sha256:1", Config: engine.Config{WorkingDir: "/workspace", Labels: f.labels}}, nil
}
func (f *fakeEngine) Tag(_ context.Context, source, target string) error {
	f.calls = append(f.calls, "tag "+source+" "+target)
	return nil
}
func (f *fakeEngine) Push(_ context.Context, ref string, _ func(string)) (string, error) {
	f.calls = append(f.calls, "push "+ref)
	return "sha256:2", nil
}

func artifact(t *testing.T) *config.Artifact {
	t.Helper()
	return &config.Artifact{Image: "web", Context: t.TempDir(), Buildpacks: &config.BuildpacksArtifact{Builder: "builder:1", RunImage: "RUN", TrustBuilder: true}}
}

func TestTheArtifactsFieldsReachTheLifecycle(t *testing.T) {
	a := artifact(t)
	a.Buildpacks.Env = []string{"A={{.WHO}}", "B=x=y"}
	a.Buildpacks.Buildpacks = []string{"from=builder"}
	a.Buildpacks.ClearCache = true
	a.Buildpacks.Volumes = []*config.BuildpacksVolume{{Host: "/h", Target: "/t", Options: "rw"}, {Host: "vol", Target: "/v"}}
	if err := os.WriteFile(filepath.Join(a.Context, "project.toml"), []byte("[_]\nschema-version = \"0.2\"\n\n[[io.buildpacks.build.env]]\nname = \"C\"\nvalue = \"d\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var got pack.BuildOptions
	e := &fakeEngine{}
	b := New(Options{Engine: e, Templates: config.Templates{Environ: []string{"WHO=ann"}}, Pack: func(_ context.Context, log logging.Logger, o pack.BuildOptions) error {
		got = o
		log.Info("one")
		fmt.Fprint(log.Writer(), "two\nthree")
		return nil
	}})
	var said []string
	r := image.Request{Artifact: a, Ref: "reg/web:7", Push: true, Platform: "linux/amd64", Needs: map[string]image.Result{"RUN": {Ref: "reg/run:1"}}}
	res, err := b.Build(t.Context(), r, func(l string) { said = append(said, l) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(image.Result{Image: "web", Ref: "reg/web:7@sha256:2", Digest: "sha256:2", ID: "sha256:1", WorkDir: "/workspace", Pushed: true}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if got.AppPath != a.Context || got.Image != "reg/web:latest" || got.Builder != "builder:1" || got.RunImage != "reg/run:1" || !got.ClearCache || !got.TrustBuilder("x") || got.Platform != "linux/amd64" || got.Publish {
		t.Errorf("options %+v", got)
	}
	if diff := cmp.Diff(map[string]string{"A": "ann", "B": "x=y"}, got.Env); diff != "" {
		t.Errorf("env (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/h:/t:rw", "vol:/v"}, got.ContainerConfig.Volumes); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	if env := got.ProjectDescriptor.Build.Env; len(env) != 1 || env[0].Name != "C" {
		t.Errorf("project descriptor %+v", got.ProjectDescriptor)
	}
	if diff := cmp.Diff([]string{"tag reg/web:latest reg/web:7", "tag sha256:1 reg/web:1", "push reg/web:7"}, e.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one", "two", "three"}, said); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestTheImageSaysWhatIsSynced(t *testing.T) {
	a := artifact(t)
	auto := true
	a.Sync = &config.Sync{Auto: &auto}
	label := `{"bom":[{"name":"x","metadata":{}},{"name":"devmode","metadata":{"devmode.sync":[{"src":"**/*.js","dest":"/workspace"},{"src":"page.html","dest":"static"}]}}]}`
	env := map[string]string{}
	b := New(Options{Engine: &fakeEngine{labels: map[string]string{metadataLabel: label}}, Pack: func(_ context.Context, _ logging.Logger, o pack.BuildOptions) error {
		env = o.Env
		return nil
	}})
	if to, err := b.Destinations(a, "/"); to != nil || err != nil {
		t.Errorf("before the first build: %v", err)
	}
	if _, err := b.Build(t.Context(), image.Request{Artifact: a, Ref: "web:1"}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if env["GOOGLE_DEVMODE"] != "1" {
		t.Errorf("the builder is not told: %v", env)
	}
	to, err := b.Destinations(a, "/srv")
	if err != nil || to == nil {
		t.Fatal(err)
	}
	for rel, want := range map[string][]string{"lib/a.js": {"/workspace/lib/a.js"}, "page.html": {"/srv/static/page.html"}, "go.mod": nil} {
		if diff := cmp.Diff(want, to(rel)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", rel, diff)
		}
	}
}

func TestWhatFailsIsExplained(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(a *config.Artifact, r *image.Request)
		fails  error
		want   string
	}{
		{"the lifecycle", nil, errors.New("failed to build: exit 51"), "buildpacks: failed to build: exit 51"},
		{"no builder", nil, errors.New("failed to fetch builder image 'x'"), `correct "buildpacks.builder"`},
		{"arguments of the pack command", func(a *config.Artifact, _ *image.Request) { a.Buildpacks.BuildArgs = []string{"--x"} }, nil, "skiff builds without it"},
		{"a setting that is none", func(a *config.Artifact, _ *image.Request) { a.Buildpacks.Env = []string{"A"} }, nil, "write NAME=value"},
		{"several platforms", func(_ *config.Artifact, r *image.Request) { r.Platform = "linux/amd64,linux/arm64" }, nil, "one platform at a time"},
		{"a broken descriptor", func(a *config.Artifact, _ *image.Request) {
			_ = os.WriteFile(filepath.Join(a.Context, "project.toml"), []byte("[["), 0o644)
		}, nil, "project.toml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := image.Request{Artifact: artifact(t), Ref: "web:1"}
			if tt.change != nil {
				tt.change(r.Artifact, &r)
			}
			b := New(Options{Engine: &fakeEngine{}, Pack: func(context.Context, logging.Logger, pack.BuildOptions) error { return tt.fails }})
			_, err := b.Build(t.Context(), r, func(string) {})
			if err == nil || !strings.Contains(diag.Text(err), tt.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestEverythingCountsUnlessTheProjectSaysWhat(t *testing.T) {
	a := artifact(t)
	b := New(Options{})
	has := func(name string) bool {
		in, err := b.Inputs(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return in.Has(filepath.Join(a.Context, name))
	}
	if !has("a/b.js") || has(".git/HEAD") {
		t.Error("by itself everything but git's own files counts")
	}
	a.Buildpacks.Dependencies = &config.PathDependencies{Paths: []string{"**/*.js"}, Ignore: []string{"gen"}}
	if !has("a/b.js") || has("gen/b.js") || has("a/b.txt") || !has("project.toml") {
		t.Error("the patterns are not obeyed")
	}
}
