//go:build e2e

package nodes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
)

// node starts a stand-in for a kind node: a container with kind's labels in which a real containerd runs, taken from this machine.
func node(t *testing.T, cluster, role string) string {
	t.Helper()
	name := fmt.Sprintf("skiff-%s-%s", cluster, role)
	args := []string{
		"run", "--detach", "--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--name", name, "--label=io.x-k8s.kind.cluster=" + cluster, "--label=io.x-k8s.kind.role=" + role,
		"--volume=/var/lib/containerd", "--tmpfs=/run", "--network=none",
	}
	for _, program := range []string{"containerd", "ctr", "runc"} {
		path, err := exec.LookPath(program)
		if err != nil {
			path = "/usr/sbin/" + program
		}
		args = append(args, "--volume="+path+":/usr/local/bin/"+program+":ro")
	}
	out, err := exec.Command("docker", append(args, "debian:bookworm-slim", "containerd", "--log-level=warn")...).CombinedOutput()
	if err != nil {
		t.Skipf("no stand-in for a node: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", "--volumes", name).Run() })
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if exec.Command("docker", "exec", name, "ctr", "version").Run() == nil {
			return name
		}
		<-time.After(100 * time.Millisecond)
	}
	logs, _ := exec.Command("docker", "logs", name).CombinedOutput()
	t.Fatalf("containerd does not begin:\n%s", logs)
	return ""
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestNodesGetTheLayersThatTheyLack(t *testing.T) {
	e, err := engine.Connect(engine.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	cluster := "nodes" + fmt.Sprint(os.Getpid())
	first, second := node(t, cluster, "control-plane"), node(t, cluster, "worker")
	build := func(text string) string {
		dir := t.TempDir()
		for name, data := range map[string]string{"Dockerfile": "FROM busybox:1\nCOPY f /f\n", "f": text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		id, err := e.Build(t.Context(), engine.BuildOptions{
			Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile"), Builder: engine.BuildKit, Tags: []string{"skiff-nodes:" + text},
		}, func(string) {})
		if err != nil {
			t.Fatal(diag.Text(err))
		}
		ref := "skiff-nodes:" + strings.TrimPrefix(id, "sha256:")
		if err := e.Tag(t.Context(), id, ref); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, name := range []string{ref, "skiff-nodes:" + text} {
				_ = e.Remove(context.WithoutCancel(t.Context()), name)
			}
		})
		return ref
	}
	var told []string
	l := &Loader{Engine: e, Cluster: Cluster{"kind", cluster}, Tell: func(text string) { told = append(told, text) }}
	load := func(ref, want string, times int) {
		t.Helper()
		told = nil
		if err := l.Load(t.Context(), []string{ref}); err != nil {
			t.Fatal(diag.Text(err))
		}
		if got := strings.Join(told, "\n"); len(told) != times || times > 0 && strings.Count(got, want) != times {
			t.Errorf("told:\n%s\nwant %d times %q", got, times, want)
		}
		for _, n := range []string{first, second} {
			if got := docker(t, "exec", n, "ctr", "-n", "k8s.io", "images", "ls", "-q"); !strings.Contains(got, "docker.io/library/"+ref) {
				t.Errorf("node %s has %q, not %s", n, got, ref)
			}
		}
	}
	one := build("one")
	load(one, "2 of 2 layers", 2)
	load(one, "", 0)
	two := build("two")
	load(two, "1 of 2 layers", 2)
	docker(t, "exec", second, "ctr", "-n", "k8s.io", "images", "rm", "docker.io/library/"+two)
	load(two, "of 2 layers", 1)
	// What was imported without its lower layer is whole: its file is there.
	docker(t, "exec", first, "ctr", "-n", "k8s.io", "images", "mount", "docker.io/library/"+two, "/mnt")
	if got := docker(t, "exec", first, "sh", "-c", "cat /mnt/f && ls /mnt/bin/busybox"); !strings.HasPrefix(got, "two") {
		t.Errorf("the image holds %q", got)
	}
}

func TestAClusterWithoutNodesHereIsNamed(t *testing.T) {
	e, err := engine.Connect(engine.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	err = (&Loader{Engine: e, Cluster: Cluster{"kind", "nowhere"}}).Load(t.Context(), []string{"web:1"})
	if err == nil || !strings.Contains(diag.Text(err), `no node of the kind cluster "nowhere"`) || !strings.Contains(diag.Text(err), "hint: ") {
		t.Errorf("%s", diag.Text(err))
	}
}
