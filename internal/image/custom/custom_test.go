package custom

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// fakeEngine has the images in it.
type fakeEngine struct {
	images map[string]string
	tags   []string
}

func (f *fakeEngine) Inspect(_ context.Context, ref string) (engine.Image, error) {
	id, ok := f.images[ref]
	if !ok {
		return engine.Image{}, engine.ErrNotFound
	}
	return engine.Image{ID: id, Config: engine.Config{WorkingDir: "/srv"}}, nil
}

func (f *fakeEngine) Tag(_ context.Context, source, target string) error {
	f.tags = append(f.tags, source+" "+target)
	return nil
}

func artifact(t *testing.T, command string) *config.Artifact {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("there is no sh")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &config.Artifact{Image: "web", Context: dir, Custom: &config.CustomArtifact{BuildCommand: command}}
}

func options(more Options) Options {
	more.Environ = []string{"PATH=" + os.Getenv("PATH"), "IMAGE=exported for something else", "WHO=ann"}
	more.Templates = config.Templates{Environ: more.Environ}
	return more
}

func TestTheCommandKnowsWhatToBuild(t *testing.T) {
	a := artifact(t, `printf '%s\n' "$IMAGE" "$PUSH_IMAGE" "$IMAGE_REPO" "$IMAGE_TAG" "$BUILD_CONTEXT" "$PLATFORMS" "$SKIP_TEST" "$BASE" "{{.WHO}}" "$KUBE_CONTEXT $NAMESPACE $PULL_SECRET_NAME $TIMEOUT $DOCKER_CONFIG_SECRET_NAME"; pwd`)
	a.Config = &config.Config{}
	a.Config.Build.Cluster = &config.ClusterBuild{PullSecretName: "pull", Timeout: "20m", DockerConfig: &config.DockerConfig{SecretName: "docker"}}
	b := New(options(Options{Engine: &fakeEngine{images: map[string]string{"reg/x/web:7": "sha256:abc"}}, SkipTests: true, KubeContext: "kind", Namespace: "ns"}))
	var said []string
	r := image.Request{Artifact: a, Ref: "reg/x/web:7", Platform: "linux/amd64,linux/arm64", Needs: map[string]image.Result{"BASE": {Ref: "base:1"}}}
	res, err := b.Build(t.Context(), r, func(l string) { said = append(said, l) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"reg/x/web:7", "false", "reg/x/web", "7", a.Context, "linux/amd64,linux/arm64", "true", "base:1", "ann", "kind ns pull 20m docker", a.Context}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("the command saw (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(image.Result{Image: "web", Ref: "reg/x/web:abc", ID: "sha256:abc", WorkDir: "/srv"}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestAPushedImageIsProvedInItsRegistry(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/web:1"
	b := New(options(Options{Registry: image.NewRegistry(nil, nil)}))
	r := image.Request{Artifact: artifact(t, "true"), Ref: ref, Push: true}
	_, err := b.Build(t.Context(), r, func(string) {})
	if err == nil || !strings.Contains(diag.Text(err), "is not in its registry") || !strings.Contains(diag.Text(err), "$PUSH_IMAGE") {
		t.Fatalf("nothing was pushed: %v", err)
	}
	img, err := random.Image(10, 1)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{WorkingDir: "/app"})
	}
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := name.ParseReference(ref)
	if err == nil {
		err = remote.Write(parsed, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.Build(t.Context(), r, func(string) {})
	digest, _ := img.Digest()
	if err != nil || res.Ref != ref+"@"+digest.String() || res.WorkDir != "/app" || !res.Pushed {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestACommandThatFailsIsExplained(t *testing.T) {
	for _, tt := range []struct{ name, command, want string }{
		{"its exit code", "echo no; exit 7", `the build command "echo no; exit 7" failed: exit code 7`},
		{"no image in the end", "true", "the engine has no image web:1"},
		{"a template that is none", "{{.X", "{{.X"},
		{"nothing to run", "  ", "has no command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := New(options(Options{Engine: &fakeEngine{}}))
			_, err := b.Build(t.Context(), image.Request{Artifact: artifact(t, tt.command), Ref: "web:1"}, func(string) {})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v", err)
			}
			if strings.Contains(tt.command, "7") && diag.Exit(err) != 7 {
				t.Errorf("the exit code is %d", diag.Exit(err))
			}
		})
	}
}

func TestACancelledCommandLeavesNothing(t *testing.T) {
	a := artifact(t, `sh -c 'echo began; sleep 100; touch late' & wait`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := New(options(Options{Engine: &fakeEngine{}}))
	_, err := b.Build(ctx, image.Request{Artifact: a, Ref: "web:1"}, func(l string) {
		if l == "began" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// docker is a builder of Dockerfiles that says what it was asked.
type docker struct{ asked *config.Artifact }

func (d *docker) Inputs(_ context.Context, a *config.Artifact) (image.Inputs, error) {
	d.asked = a
	return image.Fixed([]string{"/from/dockerfile"}), nil
}

func (d *docker) Destinations(a *config.Artifact, _ string) (func(string) []string, error) {
	d.asked = a
	return func(rel string) []string { return []string{"/app/" + rel} }, nil
}

func TestDependencies(t *testing.T) {
	one := "1"
	for _, tt := range []struct {
		name string
		d    *config.CustomDependencies
		want []string
		err  string
	}{
		{"nothing is said", nil, []string{"a.c", "sub/b.h", "sub/c.txt"}, ""},
		{"paths", &config.CustomDependencies{Paths: []string{"**/*.h", "*.c"}}, []string{"a.c", "sub/b.h"}, ""},
		{"a folder without what is ignored", &config.CustomDependencies{Paths: []string{"sub"}, Ignore: []string{"**/*.h"}}, []string{"sub/c.txt"}, ""},
		{"a command", &config.CustomDependencies{Command: `echo ["a.c","missing","sub"]`}, []string{"a.c", "sub/b.h", "sub/c.txt"}, ""},
		{"a command that prints no list", &config.CustomDependencies{Command: `echo a.c`}, nil, "is no list of files"},
		{"a command that fails", &config.CustomDependencies{Command: `ls /nowhere/at/all`}, nil, "/nowhere/at/all"},
		{"a Dockerfile", &config.CustomDependencies{Dockerfile: &config.DockerfileDependency{Path: "Dockerfile", BuildArgs: map[string]*string{"A": &one}}}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := artifact(t, "true")
			a.Custom.Dependencies = tt.d
			for _, f := range []string{"a.c", "sub/b.h", "sub/c.txt"} {
				err := os.MkdirAll(filepath.Join(a.Context, "sub"), 0o755)
				if err == nil {
					err = os.WriteFile(filepath.Join(a.Context, f), nil, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			d := &docker{}
			in, err := New(options(Options{Docker: d, Dir: a.Context})).Inputs(t.Context(), a)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.d != nil && tt.d.Dockerfile != nil {
				if !in.Has("/from/dockerfile") || d.asked.Docker.Dockerfile != "Dockerfile" || d.asked.Docker.BuildArgs["A"] != &one {
					t.Errorf("asked for %+v", d.asked)
				}
				return
			}
			files, err := in.Files(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range files {
				files[i] = strings.TrimPrefix(filepath.ToSlash(f), filepath.ToSlash(a.Context)+"/")
			}
			slices.Sort(files)
			if diff := cmp.Diff(tt.want, files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSyncIsInferredFromADockerfileOnly(t *testing.T) {
	a := artifact(t, "true")
	b := New(options(Options{Docker: &docker{}}))
	if _, err := b.Destinations(a, "/"); err == nil || !strings.Contains(diag.Text(err), "dependencies.dockerfile") {
		t.Errorf("error %v", err)
	}
	a.Custom.Dependencies = &config.CustomDependencies{Dockerfile: &config.DockerfileDependency{Path: "Dockerfile"}}
	to, err := b.Destinations(a, "/")
	if err != nil || to("x")[0] != "/app/x" {
		t.Errorf("%v", err)
	}
}
