//go:build e2e

package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/tree"
)

// registryHost is the registry of the test cluster; E2E_REGISTRY names another one.
func registryHost() string {
	if h := os.Getenv("E2E_REGISTRY"); h != "" {
		return h
	}
	return "localhost:5005"
}

// real is a builder on the engine of this machine, once for each of its builders.
type real struct {
	*engine.Engine
	kind engine.Kind
	last []string
}

func (r *real) Build(ctx context.Context, o engine.BuildOptions, out func(string)) (string, error) {
	if r.kind != engine.Best {
		o.Builder = r.kind
	}
	return r.Engine.Build(ctx, o, func(line string) { r.last = append(r.last, line); out(line) })
}

func eachBuilder(t *testing.T, test func(t *testing.T, r *real)) {
	for _, kind := range []engine.Kind{engine.BuildKit, engine.Classic} {
		t.Run(string(kind), func(t *testing.T) {
			e, err := engine.Connect(engine.Options{Getenv: os.Getenv})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { e.Close() })
			if _, err := e.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, &real{Engine: e, kind: kind})
		})
	}
}

// project writes files and is the artifact of the folder.
func project(t *testing.T, files map[string]string) *config.Artifact {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	return &config.Artifact{Image: "skiff-e2e-" + name, Context: dir, Docker: &config.DockerArtifact{Dockerfile: "Dockerfile"}}
}

func (r *real) build(t *testing.T, a *config.Artifact, push bool) (image.Result, error) {
	t.Helper()
	ref := a.Image + ":t1"
	if push {
		ref = registryHost() + "/" + ref
	}
	r.last = nil
	res, err := New(Options{Engine: r, Dir: a.Context, Environ: []string{"HOME=/root"}, Mode: "dev"}).
		Build(t.Context(), image.Request{Artifact: a, Ref: ref, Push: push}, func(string) {})
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, name := range []string{ref, res.Ref} {
			if name != "" && !strings.Contains(name, "@") {
				_ = r.Remove(ctx, name)
			}
		}
	})
	return res, err
}

// says fails the test unless the build printed the text.
func (r *real) says(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(strings.Join(r.last, "\n"), text) {
		t.Errorf("the build did not print %q:\n%s", text, strings.Join(r.last, "\n"))
	}
}

func TestAPushedImageHasTheDigestThatItsRegistryNames(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{
			"Dockerfile": "FROM python:3.12-slim\nWORKDIR /srv/app\nCOPY *.py .\nCMD [\"python3\", \"app.py\"]\n",
			"app.py":     "print('hello')\n",
		})
		res, err := r.build(t, a, true)
		if err != nil {
			t.Fatal(diag.Text(err))
		}
		ref := registryHost() + "/" + a.Image + ":t1"
		digest, err := image.NewRegistry(r.Auth(), nil).Digest(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if res.Digest != digest || res.Ref != ref+"@"+digest || !res.Pushed {
			t.Errorf("built %+v, the registry has %s", res, digest)
		}
		if res.WorkDir != "/srv/app" {
			t.Errorf("working folder %q", res.WorkDir)
		}
	})
}

func TestAnImageThatStaysInTheEngineIsNamedByItsID(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{"Dockerfile": "FROM busybox:1\nCOPY f /f\n", "f": "x"})
		res, err := r.build(t, a, false)
		if err != nil {
			t.Fatal(diag.Text(err))
		}
		if want := a.Image + ":" + strings.TrimPrefix(res.ID, "sha256:"); res.Ref != want {
			t.Errorf("reference %s, want %s", res.Ref, want)
		}
		im, err := r.Inspect(t.Context(), res.Ref)
		if err != nil || im.ID != res.ID {
			t.Errorf("inspect %s: %+v, %v", res.Ref, im, err)
		}
		if res.WorkDir != "/" {
			t.Errorf("working folder %q", res.WorkDir)
		}
	})
}

func TestAFailingCommandIsExplainedWithItsLine(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{
			"Dockerfile": "FROM busybox:1 AS base\n# nothing\n\nFROM base\nARG X=1\nWORKDIR /w\nRUN echo before && \\\n    echo more && exit 7\n",
		})
		_, err := r.build(t, a, false)
		var e *diag.Error
		if !errors.As(err, &e) {
			t.Fatalf("error %v", err)
		}
		want := fmt.Sprintf("image %q: Dockerfile:7: \"echo before && echo more && exit 7\" exited with 7 (its last lines are above)", a.Image)
		if got := strings.Join(strings.Fields(err.Error()), " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if diag.Kind(err) != diag.CodeBuild {
			t.Errorf("kind %v", diag.Kind(err))
		}
		r.says(t, "before")
		t.Log("\n" + strings.Join(r.last, "\n") + "\n" + diag.Text(err))
	})
}

func TestAFileThatIsIgnoredIsNotSentAndACopyOfItIsExplained(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{
			"Dockerfile":    "FROM busybox:1\nCOPY . /all\nRUN ls -a /all && ! test -e /all/secret.txt\nCOPY secret.txt /\n",
			".dockerignore": "secret.txt\n", "a.txt": "a", "secret.txt": "s",
		})
		_, err := r.build(t, a, false)
		if err == nil || !strings.Contains(diag.Text(err), "Dockerfile:4: COPY secret.txt /: \"secret.txt\" is not in the build context") {
			t.Fatalf("error:\n%s", diag.Text(err))
		}
		if !strings.Contains(diag.Text(err), "hint: .dockerignore leaves it out") {
			t.Errorf("no hint:\n%s", diag.Text(err))
		}
	})
}

func TestADockerfileOutsideTheContextWithItsOwnIgnoreFile(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{
			"docker/web.Dockerfile":              "FROM busybox:1\nCOPY . /all\nRUN ls -a /all; test -e /all/a.txt && ! test -e /all/b.txt && ! test -e /all/web.Dockerfile\n",
			"docker/web.Dockerfile.dockerignore": "b.txt\n", "ctx/a.txt": "a", "ctx/b.txt": "s",
		})
		a.Docker.Dockerfile = filepath.Join(a.Context, "docker", "web.Dockerfile")
		a.Context = filepath.Join(a.Context, "ctx")
		if _, err := r.build(t, a, false); err != nil {
			t.Fatalf("%s\n%s", diag.Text(err), strings.Join(r.last, "\n"))
		}
		for _, line := range r.last {
			if strings.Contains(line, ".dockerfile.") && !strings.HasPrefix(line, "Step") {
				t.Errorf("the helper file got into the image: %s", line)
			}
		}
	})
}

func TestAStageAndABuildArgumentAreTaken(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{
			"Dockerfile": "ARG BASE=nothing:here\nFROM ${BASE} AS one\nARG WHO=nobody\nARG SKAFFOLD_RUN_MODE\nRUN echo \"hello $WHO in $SKAFFOLD_RUN_MODE\" | tee /who\nWORKDIR /one\nFROM one AS two\nRUN exit 1\n",
		})
		base, who := "busybox:1", "{{.IMAGE_TAG}}-{{.HOME}}"
		a.Docker.Target, a.Docker.BuildArgs = "one", map[string]*string{"BASE": &base, "WHO": &who}
		res, err := r.build(t, a, false)
		if err != nil {
			t.Fatal(diag.Text(err))
		}
		if res.WorkDir != "/one" {
			t.Errorf("working folder %q", res.WorkDir)
		}
		r.says(t, "hello t1-/root in dev")
	})
}

func TestAnUnknownBaseImageIsExplained(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{"Dockerfile": "FROM " + registryHost() + "/no/such:image\n"})
		_, err := r.build(t, a, false)
		if err == nil {
			t.Fatal("built")
		}
		t.Log("\n" + diag.Text(err))
		if !strings.Contains(err.Error(), "Dockerfile:1") || !strings.Contains(err.Error(), "/no/such:image") {
			t.Errorf("error: %v", err)
		}
	})
}

func TestADockerfileThatCannotBeParsedIsExplainedWithItsLine(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{"Dockerfile": "FROM busybox:1\n\nCOPI . .\n"})
		_, err := r.build(t, a, false)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), "dockerfile:3: unknown instruction: copi") {
			t.Errorf("error: %v", err)
		}
	})
}

func TestABuildEndsWithItsContext(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		a := project(t, map[string]string{"Dockerfile": "FROM busybox:1\nRUN echo " + t.Name() + " && sleep 100\n"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		start := time.Now()
		_, err := New(Options{Engine: r, Dir: a.Context}).Build(ctx, image.Request{Artifact: a, Ref: a.Image + ":t1"}, func(line string) {
			if strings.Contains(line, t.Name()) && !strings.Contains(line, "RUN") {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || time.Since(start) > 15*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestASecretIsThereDuringItsStepOnly(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		if r.kind == engine.Classic {
			t.Skip("the classic builder has no secrets")
		}
		a := project(t, map[string]string{
			"Dockerfile": "FROM busybox:1\nRUN --mount=type=secret,id=s cat /run/secrets/s | wc -c\nRUN ! test -s /run/secrets/s\n", "key": "12345",
		})
		a.Docker.NoCache = true // a step found in the cache prints nothing
		a.Docker.Secrets = []*config.DockerSecret{{ID: "s", Src: "key"}}
		if _, err := r.build(t, a, false); err != nil {
			t.Fatalf("%s\n%s", diag.Text(err), strings.Join(r.last, "\n"))
		}
		r.says(t, "5")
	})
}

func TestTheSecondBuildIsFoundInTheRegistryWithoutTheEngine(t *testing.T) {
	e, err := engine.Connect(engine.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	index, err := tree.OpenIndex("")
	if err != nil {
		t.Fatal(err)
	}
	r := &real{Engine: e, kind: engine.BuildKit}
	a := project(t, map[string]string{"Dockerfile": "FROM busybox:1\nWORKDIR /w\nCOPY f /f\n", "f": time.Now().String()})
	b := New(Options{Engine: r, Dir: a.Context})
	set := image.Set{
		Builders: func(*config.Artifact) (image.Builder, error) { return b, nil },
		Cache: image.NewCache(image.CacheOptions{
			File: filepath.Join(t.TempDir(), "images.json"), Index: index, Engine: r, Registry: image.NewRegistry(r.Auth(), nil),
		}),
	}
	var first image.Result
	for i, tag := range []string{"one", "one", "two"} {
		ref := registryHost() + "/" + a.Image + ":" + tag
		t.Cleanup(func() { _ = r.Remove(context.WithoutCancel(t.Context()), ref) })
		start := time.Now()
		res, err := image.Build(t.Context(), set, []image.Request{{Artifact: a, Ref: ref, Push: true}}, event.Discard)
		if err != nil || len(res) != 1 {
			t.Fatalf("%v %v", res, err)
		}
		t.Logf("%s: %v, found in %q", tag, time.Since(start), res[0].Cached)
		if i == 0 {
			first = res[0]
			continue
		}
		if res[0].Cached != "registry" || res[0].Digest != first.Digest || res[0].WorkDir != "/w" || res[0].Ref != image.Pinned(ref, first.Digest) {
			t.Errorf("%s: %+v after %+v", tag, res[0], first)
		}
	}
}
