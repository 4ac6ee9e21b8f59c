package bazel

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// fakeEngine takes in any archive.
type fakeEngine struct{ loaded int }

func (f *fakeEngine) Load(_ context.Context, tar io.Reader) error {
	n, err := io.Copy(io.Discard, tar)
	f.loaded += int(n)
	return err
}
func (f *fakeEngine) Inspect(context.Context, string) (engine.Image, error) {
	return engine.Image{ID: "sha256:1", Config: engine.Config{WorkingDir: "/app"}}, nil
}
func (f *fakeEngine) Tag(context.Context, string, string) error { return nil }

// bazel answers as the real one does; the target's file is an image that was made before.
const bazel = `#!/bin/sh
echo "$@" >> ran.log
case "$1" in
build)
  case "$*" in *broken*) echo "ERROR: no such target" >&2; exit 1;; esac
  mkdir -p out/bin/web && cp prepared.tar out/bin/web/image.tar ;;
cquery) echo out/bin/web/image.tar ;;
info) pwd ;;
query) printf '%s\n' //web:main.go //web:BUILD.bazel //:go.mod @rules_go//go:def.bzl //external:x //lib/deep:a.txt //tools:rules.bzl ;;
esac
`

func workplace(t *testing.T) (*config.Artifact, Options) {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("there is no sh")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"bin/bazel": bazel, "MODULE.bazel": "", "web/main.go": "package main", "web/BUILD.bazel": "", "go.mod": "", "lib/deep/a.txt": "", "tools/rules.bzl": "",
	} {
		file = filepath.Join(dir, file)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, []byte(text), 0o755)
		}
		if err == nil {
			err = os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	img, err := random.Image(500, 2)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{WorkingDir: "/srv"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(filepath.Join(dir, "prepared.tar"), name.MustParseReference("bazel/web:image"), img); err != nil {
		t.Fatal(err)
	}
	a := &config.Artifact{Image: "web", Context: dir, Bazel: &config.BazelArtifact{
		Target: "//web:image.tar", Args: []string{"-c", "opt"}, Platforms: []*config.BazelPlatform{{Platform: "linux/arm64", Target: "//:arm"}},
	}}
	return a, Options{Environ: []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")}}
}

func ran(t *testing.T, a *config.Artifact) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(a.Context, "ran.log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

func TestTheArchiveOfATargetIsPushed(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	a, o := workplace(t)
	o.Registry = image.NewRegistry(nil, nil)
	ref := strings.TrimPrefix(server.URL, "http://") + "/web:1"
	res, err := New(o).Build(t.Context(), image.Request{Artifact: a, Ref: ref, Push: true, Platform: "linux/arm64"}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if there, err := o.Registry.Digest(t.Context(), ref); err != nil || res.Ref != ref+"@"+there || res.WorkDir != "/srv" || res.Image != "web" {
		t.Errorf("%+v; the registry has %s, %v", res, there, err)
	}
	want := []string{
		"build -c opt --platforms=//:arm //web:image.tar", "cquery //web:image.tar --output=files -c opt --platforms=//:arm",
		"info execution_root -c opt --platforms=//:arm",
	}
	if diff := cmp.Diff(want, ran(t, a)); diff != "" {
		t.Errorf("what ran (-want +got):\n%s", diff)
	}
}

func TestTheArchiveOfATargetIsLoaded(t *testing.T) {
	a, o := workplace(t)
	a.Bazel.Platforms = nil
	e := &fakeEngine{}
	o.Engine = e
	res, err := New(o).Build(t.Context(), image.Request{Artifact: a, Ref: "web:1"}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(image.Result{Image: "web", Ref: "web:1", ID: "sha256:1", WorkDir: "/app"}, res); diff != "" || e.loaded < 1000 {
		t.Errorf("%d bytes were loaded; result (-want +got):\n%s", e.loaded, diff)
	}
}

func TestBazelSaysWhichFilesCount(t *testing.T) {
	a, o := workplace(t)
	b := New(o)
	for range 2 {
		in, err := b.Inputs(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		files, err := in.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			files[i] = strings.TrimPrefix(files[i], a.Context+"/")
		}
		if diff := cmp.Diff([]string{"MODULE.bazel", "go.mod", "lib/deep/a.txt", "tools/rules.bzl", "web/BUILD.bazel", "web/main.go"}, files); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
	if n := len(ran(t, a)); n != 1 {
		t.Errorf("bazel ran %d times for the same build files", n)
	}
	if err := os.WriteFile(filepath.Join(a.Context, "tools/rules.bzl"), []byte("x = 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Inputs(t.Context(), a); err != nil || len(ran(t, a)) != 2 {
		t.Errorf("bazel ran %d times after a build file changed (%v)", len(ran(t, a)), err)
	}
}

func TestWhatCannotBeBuiltIsExplained(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(a *config.Artifact, o *Options, r *image.Request)
		want   string
	}{
		{"no bazel", func(_ *config.Artifact, o *Options, _ *image.Request) { o.Environ = []string{"PATH=/nowhere"} }, "there is no bazel on the PATH"},
		{"a target that is no archive", func(a *config.Artifact, _ *Options, _ *image.Request) { a.Bazel.Target = "//web:image" }, "makes no archive"},
		{"a build that fails", func(a *config.Artifact, _ *Options, _ *image.Request) { a.Bazel.Target = "//web:broken.tar" }, "bazel build //web:broken.tar failed: exit code 1"},
		{"a platform that bazel does not know", func(_ *config.Artifact, _ *Options, r *image.Request) { r.Platform = "linux/s390x" }, "no bazel platform for linux/s390x"},
		{"an archive that is no image", func(a *config.Artifact, _ *Options, _ *image.Request) {
			_ = os.WriteFile(filepath.Join(a.Context, "prepared.tar"), []byte("x"), 0o644)
		}, "is no image"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, o := workplace(t)
			r := image.Request{Artifact: a, Ref: "web:1"}
			tt.change(a, &o, &r)
			_, err := New(o).Build(t.Context(), r, func(string) {})
			if err == nil || !strings.Contains(err.Error(), tt.want) || diag.Text(err) == "" {
				t.Errorf("error %v", err)
			}
		})
	}
}
