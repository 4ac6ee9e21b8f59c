package task

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

// heard is what a runner told: the lines of output, and how each task ended.
type heard struct {
	mu    sync.Mutex
	lines []string
	ends  []string
}

func (h *heard) Send(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := e.(type) {
	case event.TaskOutput:
		h.lines = append(h.lines, e.Line)
	case event.TaskEnded:
		end := "passed"
		if e.Err != nil {
			end = "failed"
		}
		h.ends = append(h.ends, e.Name+" "+end)
	}
}

func runner(t *testing.T, env ...string) (*Runner, *heard) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the commands of this test are for a Unix shell")
	}
	h := &heard{}
	environ := append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	return &Runner{Environ: environ, Dir: t.TempDir(), RunID: "run", Sink: h, Templates: func(context.Context) config.Templates { return config.Templates{Environ: environ} }}, h
}

func load(t *testing.T, text string) *config.Project {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "skaffold.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := config.Load(t.Context(), config.Options{Dir: dir, Command: "run", Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const head = "apiVersion: skaffold/v4beta11\nkind: Config\n"

func TestATestCommandGetsItsImageAndItsExitCodeCounts(t *testing.T) {
	p := load(t, head+`
build: {artifacts: [{image: app}, {image: other}]}
test:
- image: app
  custom:
  - command: 'echo "$IMAGE {{.WORD}} $TEST_CONTEXT"'
  - command: 'echo broken >&2; exit 7'
  - command: 'echo never'
- image: other
  custom: [{command: 'echo not asked for'}]
`)
	r, h := runner(t, "WORD=a-word")
	err := r.Tests(t.Context(), p, map[string]string{"app": "registry/app:1"})
	if diag.Exit(err) != 7 {
		t.Errorf("exit code %d of %v, want 7", diag.Exit(err), err)
	}
	if err == nil || !strings.Contains(err.Error(), "skaffold.yaml:9:5") {
		t.Errorf("the failure does not name its place: %v", err)
	}
	want := []string{"registry/app:1 a-word " + p.Dir, "broken"}
	if diff := cmp.Diff(want, h.lines); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"app passed", "app failed"}, h.ends); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
}

func TestATestThatTakesTooLongIsEnded(t *testing.T) {
	p := load(t, head+"build: {artifacts: [{image: app}]}\ntest: [{image: app, custom: [{command: 'sleep 60', timeoutSeconds: 1}]}]\n")
	r, _ := runner(t)
	start := time.Now()
	err := r.Tests(t.Context(), p, map[string]string{"app": "app"})
	if err == nil || !strings.Contains(err.Error(), "within 1 seconds") {
		t.Errorf("got %v", err)
	}
	if time.Since(start) > 30*time.Second {
		t.Error("the command was waited for")
	}
}

func TestAnInterruptedTestIsNoFailure(t *testing.T) {
	p := load(t, head+"build: {artifacts: [{image: app}]}\ntest: [{image: app, custom: [{command: 'echo begun; sleep 60'}]}]\n")
	r, h := runner(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.Sink = event.SinkFunc(func(e event.Event) {
		if _, ok := e.(event.TaskOutput); ok {
			cancel()
		}
		h.Send(e)
	})
	if err := r.Tests(ctx, p, map[string]string{"app": "app"}); diag.Exit(err) != 0 || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestTheFilesOfTests(t *testing.T) {
	p := load(t, head+`
build: {artifacts: [{image: app}]}
test:
- image: app
  custom:
  - command: 'true'
    dependencies: {paths: ["src", "*.sh"], ignore: ["src/tmp/**"]}
  - command: 'true'
    dependencies: {command: 'echo "[\"listed\"]"'}
`)
	r, _ := runner(t)
	r.Dir = p.Dir
	for _, name := range []string{"src/a.py", "src/tmp/b", "run.sh", "listed", "other"} {
		file := filepath.Join(r.Dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := r.TestFiles(t.Context(), p, "app")
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i], _ = filepath.Rel(r.Dir, got[i])
	}
	if diff := cmp.Diff([]string{"listed", "run.sh", "src/a.py"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestStructureTestsWithoutTheirToolAreToldBeforeAnything(t *testing.T) {
	p := load(t, head+"build: {artifacts: [{image: app}]}\ntest: [{image: app, structureTests: [a.yaml]}]\n")
	r, _ := runner(t)
	r.Environ = []string{"PATH=" + t.TempDir()}
	err := r.CheckTests(p)
	if err == nil || !strings.Contains(err.Error(), "skaffold.yaml:4:21") || !strings.Contains(err.Error(), "container-structure-test") {
		t.Errorf("got %v", err)
	}
}

func TestStructureTestsAreHandedToTheirTool(t *testing.T) {
	p := load(t, head+"build: {artifacts: [{image: app}]}\ntest: [{image: app, structureTests: ['t/*.yaml'], structureTestsArgs: [--driver=tar]}]\n")
	r, _ := runner(t)
	r.Dir = p.Dir
	for name, text := range map[string]string{"t/b.yaml": "", "t/a.yaml": "", "bin/container-structure-test": "#!/bin/sh\necho \"$@\"\n"} {
		file := filepath.Join(r.Dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.Environ = []string{"PATH=" + filepath.Join(r.Dir, "bin") + ":" + os.Getenv("PATH")}
	if err := r.CheckTests(p); err != nil {
		t.Fatal(err)
	}
	files, err := r.globs(p.Configs[0], 0, p.Configs[0].Test[0])
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(structureArgs("app:1", files, p.Configs[0].Test[0].StructureTestsArgs), " ")
	want := "container-structure-test test -v warn --image app:1 --config " + r.path("t/a.yaml") + " --config " + r.path("t/b.yaml") + " --driver=tar"
	if got != want {
		t.Errorf("the tool gets\n%s, want\n%s", got, want)
	}
	p.Configs[0].Test[0].StructureTests[0] = "none/*.yaml"
	if _, err := r.globs(p.Configs[0], 0, p.Configs[0].Test[0]); err == nil || !strings.Contains(err.Error(), "no file matches") {
		t.Errorf("a pattern without a match: %v", err)
	}
}

func TestLinesComeWhole(t *testing.T) {
	var got []string
	l := &lines{to: func(s string) { got = append(got, s) }}
	for _, piece := range []string{"a", "b\nc\r\n\nd", "e"} {
		if _, err := l.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	l.flush()
	if diff := cmp.Diff([]string{"ab", "c", "", "de"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
