//go:build e2e

package docker

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// buildkitd builds BuildKit's daemon, once for the machine, and runs one for the test. It needs root, as the test cluster does.
func buildkitd(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("BuildKit's daemon runs steps as root")
	}
	home := os.Getenv("SKIFF_E2E_HOME")
	if home == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		home = filepath.Join(cache, "skiff-e2e")
	}
	bin := filepath.Join(home, "bin", "buildkit-v0.33.1")
	if _, err := os.Stat(filepath.Join(bin, "buildkitd")); err != nil {
		build := exec.CommandContext(t.Context(), "go", "build", "-C", "../../../e2e/buildkit", "-trimpath", "-ldflags=-s -w", "-o", bin+string(filepath.Separator),
			"github.com/moby/buildkit/cmd/buildkitd", "github.com/moby/buildkit/cmd/buildctl")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build buildkitd: %v\n%s", err, out)
		}
	}
	dir, err := os.MkdirTemp("", "skiff-bk-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	address := "unix://" + filepath.Join(dir, "sock")
	var log bytes.Buffer
	daemon := exec.Command(filepath.Join(bin, "buildkitd"), "--root", filepath.Join(dir, "root"), "--addr", address, "--containerd-worker=false")
	daemon.Stderr = &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		_ = os.RemoveAll(dir)
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if _, err := os.Stat(filepath.Join(dir, "sock")); err == nil {
			return address
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("buildkitd does not begin:\n%s", log.String())
	return ""
}

func TestARemoteBuildKit(t *testing.T) {
	kit := engine.NewRemote(engine.RemoteOptions{Address: buildkitd(t), Getenv: os.Getenv})
	r := realEngine(t, engine.Best)
	registry := image.NewRegistry(r.Auth(), nil)
	build := func(t *testing.T, a *config.Artifact, req image.Request, out func(string)) (image.Result, error) {
		t.Helper()
		req.Artifact, req.Ref = a, registryHost()+"/"+a.Image+":t1"
		return New(Options{Engine: r, BuildKit: kit, Registry: registry, Dir: a.Context, Environ: []string{"TOKEN=s3cret-value"}}).Build(t.Context(), req, out)
	}
	base := registryHost() + "/library/busybox:1"

	t.Run("pushes with secrets that nobody sees", func(t *testing.T) {
		a := project(t, map[string]string{"Dockerfile": "FROM " + base + "\nWORKDIR /w\nCOPY f .\nRUN --mount=type=secret,id=t test \"$(cat /run/secrets/t)\" = s3cret-value && cat f\n", "f": "the file"})
		a.Docker.Secrets = []*config.DockerSecret{{ID: "t", Env: "TOKEN"}}
		var said []string
		res, err := build(t, a, image.Request{Push: true}, func(line string) { said = append(said, line) })
		all := strings.Join(said, "\n")
		if err != nil {
			t.Fatalf("%s\n%s", diag.Text(err), all)
		}
		digest, err := registry.Digest(t.Context(), registryHost()+"/"+a.Image+":t1")
		if err != nil || digest != res.Digest || res.WorkDir != "/w" || !strings.Contains(all, "the file") {
			t.Errorf("%+v, the registry has %s (%v)\n%s", res, digest, err, all)
		}
		if strings.Contains(all, "s3cret-value") {
			t.Errorf("the secret was told:\n%s", all)
		}
	})
	t.Run("builds for several platforms at once", func(t *testing.T) {
		a := project(t, map[string]string{"Dockerfile": "FROM --platform=$BUILDPLATFORM " + base + " AS b\nARG TARGETARCH\nRUN echo $TARGETARCH > /arch\nFROM scratch\nCOPY --from=b /arch /\n"})
		res, err := build(t, a, image.Request{Push: true, Platform: "linux/amd64,linux/arm64"}, func(string) {})
		if err != nil {
			t.Fatal(diag.Text(err))
		}
		ref, err := name.ParseReference(res.Ref)
		if err != nil {
			t.Fatal(err)
		}
		index, err := remote.Index(ref, remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := index.IndexManifest()
		if err != nil || len(manifest.Manifests) < 2 {
			t.Errorf("%+v %v", manifest, err)
		}
	})
	t.Run("gives the image to the engine", func(t *testing.T) {
		a := project(t, map[string]string{"Dockerfile": "FROM " + base + "\nWORKDIR /v\nCOPY f .\n", "f": t.Name()})
		res, err := build(t, a, image.Request{}, func(string) {})
		if err != nil {
			t.Fatal(diag.Text(err))
		}
		im, err := r.Inspect(t.Context(), res.Ref)
		if err != nil || im.ID != res.ID || res.WorkDir != "/v" {
			t.Errorf("%+v %+v %v", res, im, err)
		}
		for _, ref := range []string{res.Ref, registryHost() + "/" + a.Image + ":t1"} {
			_ = r.Remove(context.WithoutCancel(t.Context()), ref)
		}
	})
	t.Run("explains a step that failed", func(t *testing.T) {
		a := project(t, map[string]string{"Dockerfile": "FROM " + base + "\nRUN echo so && exit 4\n"})
		_, err := build(t, a, image.Request{Push: true}, func(string) {})
		if err == nil || !strings.Contains(diag.Text(err), `Dockerfile:2: "echo so && exit 4" exited with 4`) {
			t.Errorf("%s", diag.Text(err))
		}
	})
}

func TestABuildKitThatDoesNotAnswerIsNamed(t *testing.T) {
	kit := engine.NewRemote(engine.RemoteOptions{Address: "tcp://127.0.0.1:1", Getenv: os.Getenv})
	a := project(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	_, err := kit.Build(t.Context(), engine.BuildOptions{Context: a.Context, Dockerfile: filepath.Join(a.Context, "Dockerfile")}, engine.Output{Push: true}, func(string) {})
	if err == nil || !strings.Contains(diag.Text(err), "no BuildKit answers at tcp://127.0.0.1:1") {
		t.Errorf("%s", diag.Text(err))
	}
}
