package golang

import (
	"archive/tar"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
)

const program = `package main

import "fmt"

var version = "none"

func main() { fmt.Println("hello", version) }
`

// sources writes a Go module and returns its folder.
func sources(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		write(t, dir, name, text)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func environment() []string {
	return append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local", "NAME=ann")
}

// server is a registry with a base image for this machine.
func server(t *testing.T) (host string) {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	host = strings.TrimPrefix(s.URL, "http://")
	img, err := random.Image(300, 1)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.Config(img, v1.Config{User: "nobody", WorkingDir: "/srv", Env: []string{"PATH=/bin", "A=b"}, Cmd: []string{"sh"}})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(host + "/team/base:1")
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return host
}

func pull(t *testing.T, ref string) v1.Image {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// entries is what the last layers hold, with the mode.
func entries(t *testing.T, img v1.Image, last int) map[string]string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, l := range layers[len(layers)-last:] {
		stream, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for in := tar.NewReader(stream); ; {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text := os.FileMode(h.Mode).String()
			if h.Typeflag == tar.TypeReg && h.Size < 100 {
				data, err := io.ReadAll(in)
				if err != nil {
					t.Fatal(err)
				}
				text += " " + string(data)
			}
			if h.ModTime.Unix() != 0 {
				text += " " + h.ModTime.String()
			}
			found[h.Name] = text
		}
		_ = stream.Close()
	}
	return found
}

func TestAProgramIsPutOnTopOfItsBase(t *testing.T) {
	host := server(t)
	dir := sources(t, map[string]string{
		"go.mod": "module example.com/app\n\ngo 1.26\n", "cmd/web/main.go": program,
		"cmd/web/kodata/page.html": "<p>", "cmd/web/kodata/sub/run.sh": "#!",
	})
	a := &config.Artifact{Image: "web", Context: dir, Ko: &config.KoArtifact{
		Main: "./cmd/web", FromImage: host + "/team/base:1", Labels: map[string]string{"who": "{{.NAME}}", "tag": "{{.IMAGE_TAG}}"},
		Ldflags: []string{"-s", "-X main.version={{.Env.NAME}}"},
	}}
	b := New(Options{Registry: image.NewRegistry(nil, nil), Environ: environment(), Templates: config.Templates{Environ: environment()}})
	var said []string
	res, err := b.Build(t.Context(), image.Request{Artifact: a, Ref: host + "/team/web:7", Push: true}, func(l string) { said = append(said, l) })
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(said, "\n"))
	}
	if want := host + "/team/web:7@" + res.Digest; res.Ref != want || res.WorkDir != "/srv" || !res.Pushed {
		t.Errorf("result %+v", res)
	}
	img := pull(t, host+"/team/web:7")
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		User: "nobody", WorkingDir: "/srv", Env: []string{"PATH=/bin:/ko-app", "A=b", "KO_DATA_PATH=/var/run/ko"},
		Entrypoint: []string{"/ko-app/web"}, Labels: map[string]string{"who": "ann", "tag": "7"},
	}
	if diff := cmp.Diff(want, file.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	got := entries(t, img, 2)
	if diff := cmp.Diff(map[string]string{
		"ko-app/": "-r-xr-xr-x", "ko-app/web": "-r-xr-xr-x", "var/": "-r-xr-xr-x", "var/run/": "-r-xr-xr-x", "var/run/ko/": "-r-xr-xr-x",
		"var/run/ko/page.html": "-r--r--r-- <p>", "var/run/ko/sub/": "-r-xr-xr-x", "var/run/ko/sub/run.sh": "-r--r--r-- #!",
	}, got); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	again, err := New(b.o).Build(t.Context(), image.Request{Artifact: a, Ref: host + "/team/web:7", Push: true}, func(string) {})
	if err != nil || again.Digest != res.Digest {
		t.Errorf("the same sources made %s and %s (%v)", res.Digest, again.Digest, err)
	}
}

func TestSeveralPlatformsMakeAnIndex(t *testing.T) {
	host := server(t)
	dir := sources(t, map[string]string{"go.mod": "module example.com/app\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n"})
	a := &config.Artifact{Image: "ko://example.com/app", Context: dir, Ko: &config.KoArtifact{FromImage: "scratch", Main: "ignored"}}
	b := New(Options{Registry: image.NewRegistry(nil, nil), Environ: environment()})
	r := image.Request{Artifact: a, Ref: host + "/app:1", Platform: "linux/amd64,linux/arm64"}
	if _, err := b.Build(t.Context(), r, func(string) {}); err == nil || !strings.Contains(err.Error(), "must be pushed") {
		t.Errorf("error %v", err)
	}
	r.Push = true
	if _, err := b.Build(t.Context(), r, func(string) {}); err != nil {
		t.Fatal(err)
	}
	parsed, err := name.ParseReference(host + "/app:1")
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(parsed)
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range list.Manifests {
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Platform.String()+" "+file.OS+"/"+file.Architecture+" "+file.Config.Entrypoint[0])
	}
	if diff := cmp.Diff([]string{"linux/amd64 linux/amd64 /ko-app/app", "linux/arm64 linux/arm64 /ko-app/app"}, got); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeBuiltIsExplained(t *testing.T) {
	good := map[string]string{"go.mod": "module example.com/app\n\ngo 1.26\n", "main.go": program, "lib/lib.go": "package lib\n"}
	for _, tt := range []struct {
		name string
		ko   config.KoArtifact
		more map[string]string
		env  []string
		want string
		hint string
	}{
		{"a mistake in the sources", config.KoArtifact{FromImage: "scratch"}, map[string]string{"bad.go": "package main\n\nvar x int = \"a\"\n"}, nil, "bad.go:3:13", "words are above"},
		{"no main package", config.KoArtifact{FromImage: "scratch", Main: "lib"}, nil, nil, "is no program: it is package lib, not main", "ko.main"},
		{"a folder that is not there", config.KoArtifact{FromImage: "scratch", Main: "./cmd/none"}, nil, nil, "cmd/none", "ko.main"},
		{"no such context", config.KoArtifact{FromImage: "scratch", Dir: "none"}, nil, nil, "is no folder", "ko.dir"},
		{"a base that nobody has", config.KoArtifact{FromImage: "localhost:1/none:1"}, nil, nil, "base image: look up localhost:1/none:1", "ko.fromImage"},
		{"no go command", config.KoArtifact{FromImage: "scratch"}, nil, []string{"PATH=/nowhere"}, "there is no go command", "https://go.dev/dl"},
		{"a template that is none", config.KoArtifact{FromImage: "scratch", Flags: []string{"{{.X"}}, nil, nil, "{{.X", ""},
		{"ko's own file is broken", config.KoArtifact{}, map[string]string{".ko.yaml": "defaultEnv: {a"}, nil, ".ko.yaml", "ko.build"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := sources(t, good)
			for name, text := range tt.more {
				write(t, dir, name, text)
			}
			b := New(Options{Registry: image.NewRegistry(nil, nil), Environ: append(environment(), tt.env...)})
			r := image.Request{Artifact: &config.Artifact{Image: "app", Context: dir, Ko: &tt.ko}, Ref: "localhost:1/app:1", Push: true}
			_, err := b.Build(t.Context(), r, func(string) {})
			if err == nil || diag.Kind(err) != diag.CodeBuild || !strings.Contains(err.Error(), tt.want) || !strings.Contains(diag.Text(err), tt.hint) {
				t.Errorf("got\n%s\nwant %q with a hint about %q", diag.Text(err), tt.want, tt.hint)
			}
		})
	}
}

func TestKosOwnFileCountsWhereTheProjectSaysNothing(t *testing.T) {
	dir := sources(t, map[string]string{".ko.yaml": `
defaultBaseImage: base.example/default
baseImageOverrides:
  example.com/app/cmd/b: base.example/b
defaultEnv: [X=1]
defaultFlags: [-v]
builds:
- main: ./cmd/a
  ldflags: -s -w
  flags: [-tags, a]
  env: [Y=2]
`})
	for _, tt := range []struct {
		name, image string
		ko          config.KoArtifact
		env         []string
		want        recipe
	}{
		{"a build of that file", "a", config.KoArtifact{Main: "cmd/a"}, nil,
			recipe{Dir: dir, Package: "./cmd/a", Env: []string{"X=1", "Y=2"}, Flags: []string{"-tags", "a"}, Ldflags: []string{"-s -w"}, Base: "base.example/default"}},
		{"its defaults", "ko://example.com/app/cmd/b", config.KoArtifact{}, nil,
			recipe{Dir: dir, Package: "example.com/app/cmd/b", Env: []string{"X=1"}, Flags: []string{"-v"}, Ldflags: []string{}, Base: "base.example/b"}},
		{"the environment", "c", config.KoArtifact{}, []string{"KO_DEFAULTBASEIMAGE=base.example/env"},
			recipe{Dir: dir, Package: ".", Env: []string{"X=1"}, Flags: []string{"-v"}, Ldflags: []string{}, Base: "base.example/env"}},
		{"the project", "a", config.KoArtifact{Main: "cmd/a", FromImage: "mine", Flags: []string{"-race"}, Env: []string{"Z=3"}}, nil,
			recipe{Dir: dir, Package: "./cmd/a", Env: []string{"X=1", "Y=2", "Z=3"}, Flags: []string{"-race"}, Ldflags: []string{"-s -w"}, Base: "mine"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := New(Options{Environ: tt.env}).recipe(image.Request{Artifact: &config.Artifact{Image: tt.image, Context: dir, Ko: &tt.ko}, Ref: "x/y:1"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("recipe (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheGoCommandsEnvironment(t *testing.T) {
	b := New(Options{Environ: []string{"GOOS=plan9", "CGO_ENABLED=1", "GOARCH=mips"}})
	last := func(env []string, name string) string { v, _ := lookup(env, name); return v }
	env := b.environ(recipe{Env: []string{"CGO_ENABLED=0"}}, v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"})
	got := map[string]string{}
	for _, name := range []string{"GOOS", "GOARCH", "GOARM", "CGO_ENABLED"} {
		got[name] = last(env, name)
	}
	if diff := cmp.Diff(map[string]string{"GOOS": "linux", "GOARCH": "arm", "GOARM": "7", "CGO_ENABLED": "0"}, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if got := last(New(Options{}).environ(recipe{}, v1.Platform{OS: "linux", Architecture: runtime.GOARCH}), "CGO_ENABLED"); got != "0" {
		t.Errorf("CGO_ENABLED=%s by itself", got)
	}
}

// request is a build of an artifact that nobody pushes.
func request(a *config.Artifact) image.Request { return image.Request{Artifact: a, Ref: "x/y:1"} }
