//go:build e2e && unix

package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// firstCommand is the first command of the README.
func firstCommand(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(data), "## Try it")
	for line := range strings.Lines(after) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			return strings.Fields(command)
		}
	}
	t.Fatal("the README has no command")
	return nil
}

// clone is what git would give a newcomer of this repository, as far as the first command needs it.
func clone(t *testing.T) *project {
	t.Helper()
	p := &project{t: t, dir: filepath.Join(t.TempDir(), "clone"), home: t.TempDir(), port: freePort(t), env: []string{"GOFLAGS=-trimpath -buildvcs=false"}}
	root := filepath.Join("..", "..")
	for _, dir := range []string{"cmd", "internal", "examples"} {
		if err := os.CopyFS(filepath.Join(p.dir, dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.dir, file), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Only the number is another one, so that the test stands in nobody's way.
	p.replace("examples/hello/k8s/hello.yaml", "containerPort: 8080", fmt.Sprintf("containerPort: %d", p.port))
	p.replace("examples/hello/Dockerfile", "PORT=8080", fmt.Sprintf("PORT=%d", p.port))
	return p
}

// TestTheFirstCommandOfTheReadme needs nothing but Go and the module cache, and begins as a newcomer does: in a clone.
func TestTheFirstCommandOfTheReadme(t *testing.T) {
	t.Parallel()
	command := firstCommand(t)
	if got := strings.Join(command, " "); got != "go run ./cmd/skiff dev -f examples/hello/skaffold.yaml" {
		t.Errorf("the first command is %q", got)
	}
	s := clone(t).run(command...)
	s.within(10*time.Minute, "/ answers", func() bool { return strings.Contains(get(s.port, "/"), "static page") })
	if first, _, _ := strings.Cut(s.text(), "\n"); !strings.HasPrefix(first, "Target: local (") {
		t.Errorf("the first line is %q", first)
	}
	s.replace("examples/hello/www/index.html", "<p>", "<p>Edited. ")
	s.answers("/", "<p>Edited. ")
	s.replace("examples/hello/main.go", "Hello from skiff", "Good morning")
	s.answers("/hello", "Good morning")
	s.interrupt()
	s.leavesNothing()
}
