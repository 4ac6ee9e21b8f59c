//go:build e2e

package docker

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

func TestNetworkAndHostsReachTheSteps(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{
			"Dockerfile": "FROM busybox:1\nRUN grep -q '10.9.8.7.*skiff.test' /etc/hosts && echo \"hosts are there\"; ls /sys/class/net\n",
		})
		a.Docker.NoCache, a.Docker.AddHost, a.Docker.Network = true, []string{"skiff.test:10.9.8.7"}, "none"
		if _, err := r.build(t, a, false); err != nil {
			t.Fatal(diag.Text(err))
		}
		r.says(t, "hosts are there")
		if strings.Contains(strings.Join(r.last, "\n"), "eth0") {
			t.Error("network none has an interface")
		}
		a.Docker.Network = "host"
		if _, err := r.build(t, a, false); err != nil {
			t.Fatal(diag.Text(err))
		}
		r.says(t, "docker0")
	})
}

func TestTheNetworkOfAContainerIsShared(t *testing.T) {
	r := realEngine(t, engine.Best)
	out := docker(t, "run", "--detach", "--rm", "--network=none", "--hostname=skiff-shared", "busybox:1", "sleep", "100")
	id := strings.TrimSpace(out)
	t.Cleanup(func() { docker(t, "rm", "--force", id) })
	a := project(t, map[string]string{"Dockerfile": "FROM busybox:1\nRUN hostname; ls /sys/class/net | tr '\\n' ' '\n"})
	a.Docker.NoCache, a.Docker.Network = true, "container:"+id
	if _, err := r.build(t, a, false); err != nil {
		t.Fatal(diag.Text(err))
	}
	a.Docker.Network = "container:skiff-nobody"
	if _, err := r.build(t, a, false); err == nil || !strings.Contains(err.Error(), `container "skiff-nobody"`) {
		t.Errorf("a container that is not there: %v", err)
	}
}

func TestALayerIsTakenFromACacheImage(t *testing.T) {
	r := realEngine(t, engine.BuildKit)
	a := project(t, map[string]string{"Dockerfile": "FROM busybox:1\nRUN echo ran at " + time.Now().String() + "\n"})
	a.Docker.CacheFrom = []string{a.Image}
	if _, err := r.build(t, a, true); err != nil {
		t.Fatal(diag.Text(err))
	}
	config, err := remoteConfig(t, registryHost()+"/"+a.Image+":t1")
	if err != nil || !strings.Contains(config, "moby.buildkit.cache.v0") {
		t.Errorf("the image bears no cache: %v %s", err, config)
	}
}

func TestAnImageForSeveralPlatformsIsAnIndex(t *testing.T) {
	r := realEngine(t, engine.BuildKit)
	a := project(t, map[string]string{
		"Dockerfile": "FROM --platform=$BUILDPLATFORM busybox:1 AS build\nARG TARGETARCH\nRUN echo $TARGETARCH > /arch\nFROM scratch\nWORKDIR /w\nCOPY --from=build /arch /arch\n",
	})
	ref := registryHost() + "/" + a.Image + ":t1"
	registry := image.NewRegistry(r.Auth(), nil)
	b := New(Options{Engine: r, Registry: registry, Dir: a.Context})
	res, err := b.Build(t.Context(), image.Request{Artifact: a, Ref: ref, Push: true, Platform: "linux/amd64,linux/arm64"}, func(string) {})
	t.Cleanup(func() {
		for _, p := range []string{"-linux-amd64", "-linux-arm64"} {
			_ = r.Remove(context.WithoutCancel(t.Context()), ref+p)
		}
	})
	if err != nil {
		t.Fatal(diag.Text(err))
	}
	parsed, err := name.ParseReference(res.Ref)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(parsed, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 2 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	for i, want := range []string{"linux/amd64", "linux/arm64"} {
		m := manifest.Manifests[i]
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		file, err := img.ConfigFile()
		if err != nil || m.Platform.String() != want || file.OS+"/"+file.Architecture != want {
			t.Errorf("entry %d is %s with an image of %s/%s (%v), want %s", i, m.Platform, file.OS, file.Architecture, err, want)
		}
	}
	if res.WorkDir != "/w" || !res.Pushed {
		t.Errorf("%+v", res)
	}
}

func TestSquashIsExplainedWhereTheEngineRefusesIt(t *testing.T) {
	r := realEngine(t, engine.Classic)
	a := project(t, map[string]string{"Dockerfile": "FROM busybox:1\nRUN true\n"})
	a.Docker.Squash = true
	_, err := r.build(t, a, false)
	if err == nil || !strings.Contains(diag.Text(err), "experimental") {
		t.Errorf("%s", diag.Text(err))
	}
	t.Log(diag.Text(err))
}

func TestTheDockerCommandBuildsWhereFlagsForItAreGiven(t *testing.T) {
	r := realEngine(t, engine.Classic)
	off := false
	a := project(t, map[string]string{"Dockerfile": "FROM busybox:1\nARG WHO\nWORKDIR /w\nRUN echo hello $WHO\n"})
	who := "{{.IMAGE_TAG}}"
	a.Docker.NoCache, a.Docker.BuildArgs, a.Docker.CLIFlags = true, map[string]*string{"WHO": &who}, []string{"--label=made={{.IMAGE_TAG}}"}
	a.Config = &config.Config{}
	a.Config.Build.Local = &config.LocalBuild{UseBuildkit: &off}
	var lines []string
	ref := a.Image + ":t1"
	b := New(Options{Engine: r, Dir: a.Context, Environ: os.Environ()})
	res, err := b.Build(t.Context(), image.Request{Artifact: a, Ref: ref}, func(line string) { lines = append(lines, line) })
	if err != nil {
		t.Fatalf("%s\n%s", diag.Text(err), strings.Join(lines, "\n"))
	}
	t.Cleanup(func() {
		_ = r.Remove(context.WithoutCancel(t.Context()), ref)
		_ = r.Remove(context.WithoutCancel(t.Context()), res.Ref)
	})
	im, err := r.Inspect(t.Context(), res.Ref)
	if err != nil || im.Config.Labels["made"] != "t1" || res.WorkDir != "/w" || !strings.Contains(strings.Join(lines, "\n"), "hello t1") {
		t.Errorf("%+v %+v %v\n%s", res, im, err, strings.Join(lines, "\n"))
	}

	writeText(t, filepath.Join(a.Context, "Dockerfile"), "FROM busybox:1\nRUN echo so && exit 3\n")
	_, err = b.Build(t.Context(), image.Request{Artifact: a, Ref: ref}, func(line string) {})
	if err == nil || !strings.Contains(diag.Text(err), "exited with") {
		t.Errorf("a failing build: %s", diag.Text(err))
	}
}

func realEngine(t *testing.T, kind engine.Kind) *real {
	t.Helper()
	e, err := engine.Connect(engine.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return &real{Engine: e, kind: kind}
}

// docker runs the docker command.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// remoteConfig is the configuration of an image in the registry.
func remoteConfig(t *testing.T, ref string) (string, error) {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return "", err
	}
	img, err := remote.Image(parsed, remote.WithContext(t.Context()))
	if err != nil {
		return "", err
	}
	data, err := img.RawConfigFile()
	return string(data), err
}
