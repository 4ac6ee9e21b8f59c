//go:build e2e

package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// built is the reference of the only image that `build --quiet` printed.
func (r result) built(t *testing.T) string {
	t.Helper()
	var out struct {
		Builds []struct {
			Tag string `json:"tag"`
		} `json:"builds"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil || len(out.Builds) != 1 {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	return out.Builds[0].Tag
}

func TestAGoProgramIsBuiltOnABaseAndFollowsItsSources(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/golang").freshCache()
	needRegistry(t)
	host := world.cluster.registry
	p.replace("skaffold.yaml", "fromImage: scratch", "fromImage: "+host+"/library/busybox:latest")
	p.commit("base")
	ref := p.must("build", "--quiet").built(t)
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(parsed)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(file.Config.Entrypoint, " "); got != "/ko-app/greeter" || len(file.RootFS.DiffIDs) < 3 {
		t.Errorf("entry point %q, %d layers", got, len(file.RootFS.DiffIDs))
	}
	p.write("unrelated/other.go", "package unrelated\n")
	if again := p.must("build"); !strings.Contains(again.stdout, "Found [") {
		t.Error("a package that is no part of the program made a build")
	}
	p.replace("main.go", "Hello from Go!", "Hello once more!")
	if next := p.must("build", "--quiet").built(t); strings.Split(next, "@")[1] == strings.Split(ref, "@")[1] {
		t.Error("a change of the program made no other image")
	}
}

func TestAGoProgramIsBuiltIntoTheEngine(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/golang").freshCache()
	ref := p.must("build", "--quiet", "--push=false").built(t)
	if strings.Contains(ref, "@") || len(ref[strings.LastIndexByte(ref, ':')+1:]) != 64 {
		t.Errorf("the image is called %s", ref)
	}
	if again := p.must("build", "--push=false"); !strings.Contains(again.stdout, "in the engine: "+ref) {
		t.Error("the engine does not have it")
	}
}

func TestHooksRunAroundARealBuildOnly(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/custom").freshCache()
	p.replace("skaffold.yaml", "      before:\n      - command: [\"sh\", \"-c\", \"echo going to build $SKAFFOLD_IMAGE\"]",
		"      before:\n      - command: [\"sh\", \"-c\", \"echo before $SKAFFOLD_IMAGE >> hooks.log\"]\n      after:\n      - command: [\"sh\", \"-c\", \"echo after $SKAFFOLD_PUSH_IMAGE >> hooks.log\"]\n"+
			"      - command: [\"false\"]\n        os: [\"plan9\"]")
	p.commit("hooks")
	p.must("build", "--tag=one")
	log := p.read("hooks.log")
	if lines := strings.Split(strings.TrimSpace(log), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], "before ") || !strings.HasSuffix(lines[0], ":one") || lines[1] != "after true" {
		t.Errorf("the hooks wrote %q", log)
	}
	p.must("build", "--tag=one")
	if again := p.read("hooks.log"); again != log {
		t.Errorf("the image was found, and the hooks wrote %q", again)
	}
	p.replace("skaffold.yaml", "echo before $SKAFFOLD_IMAGE >> hooks.log", "exit 7")
	p.write("www/index.html", "changed")
	if r := p.skiff("build"); r.code != 7 || !strings.Contains(r.stderr, "skaffold.yaml:") {
		t.Errorf("a hook that fails ended it with %d", r.code)
	}
}

func TestACommandThatMakesNoImageIsNoBuild(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/custom").freshCache()
	p.write("build.sh", "#!/bin/sh\necho pretended\n")
	r := p.skiff("build", "--tag=never-"+p.namespace)
	if r.code != 1 || !strings.Contains(r.stderr, "is not in its registry") {
		t.Errorf("it ended with %d", r.code)
	}
}

func TestAMissingToolIsToldBeforeAnythingIsBuilt(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/custom").freshCache()
	p.replace("skaffold.yaml", "  - image: example-custom\n", "  - image: first\n    bazel:\n      target: //:first.tar\n  - image: example-custom\n")
	r := p.skiff("build")
	if r.code != 1 || !strings.Contains(r.stderr, "there is no bazel on the PATH") || strings.Contains(r.stdout, "Building") {
		t.Errorf("it ended with %d", r.code)
	}
}
