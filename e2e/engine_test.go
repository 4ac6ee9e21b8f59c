//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// docker is what a docker command prints; without the command the test is skipped.
func (p *project) docker(args ...string) string {
	p.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		p.Skip("the docker command is not there to look")
	}
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		return "error: " + string(out)
	}
	return strings.TrimSpace(string(out))
}

// onEngine makes the box project one that runs on the Docker engine alone, without any cluster in sight.
func onEngine(t *testing.T) *project {
	p := box(t)
	p.flags = nil
	p.env = append(p.env, "KUBECONFIG="+p.path("no-kubeconfig"), "HOME="+p.TempDir())
	p.replace("skaffold.yaml", "image: box\n", "image: "+p.namespace+"\n")
	p.replace("skaffold.yaml", "manifests:\n  rawYaml:\n  - k8s/*\n", "deploy:\n  docker:\n    images: ["+p.namespace+"]\n")
	p.remove("k8s")
	p.commit("on the engine")
	return p
}

func TestAProjectRunsOnTheDockerEngine(t *testing.T) {
	t.Parallel()
	p := onEngine(t)
	s := p.dev()
	name := p.namespace
	s.says(0, "["+name+"] up")
	id := p.docker("inspect", "--format={{.Id}}", name)
	p.write("files/a.txt", "synced")
	until(t, "the file is in the container", func() bool { return p.docker("exec", name, "cat", "/srv/files/a.txt") == "synced" })
	p.remove("files/b.txt")
	until(t, "the file is gone", func() bool { return !strings.Contains(p.docker("exec", name, "ls", "/srv/files"), "b.txt") })
	mark := s.mark()
	p.write("data.cfg", "rebuilt")
	until(t, "the new image runs", func() bool { return p.docker("exec", name, "cat", "/srv/data.cfg") == "rebuilt" })
	s.says(mark, "Watching for changes...")
	if now := p.docker("inspect", "--format={{.Id}}", name); now == id {
		t.Error("the container is still the old one")
	}
	if got := p.docker("exec", name, "cat", "/srv/files/a.txt"); got != "synced" {
		t.Errorf("the new container has %q", got)
	}
	mark = s.mark()
	p.docker("exec", name, "kill", "-9", "-1")
	p.docker("kill", name)
	s.says(mark, "ended with exit code")
	s.interrupt()
	if left := p.docker("ps", "--all", "--quiet", "--filter=name="+name); left != "" {
		t.Errorf("the container %s is left", left)
	}
}

func TestARunOnTheEngineLeavesWhatDidNotChangeAlone(t *testing.T) {
	t.Parallel()
	p := onEngine(t)
	defer p.skiff("delete")
	p.must("run")
	id := p.docker("inspect", "--format={{.Id}}", p.namespace)
	if r := p.must("run"); !strings.Contains(r.stdout, "unchanged") {
		t.Error("the second run does not say that nothing changed")
	}
	if now := p.docker("inspect", "--format={{.Id}}", p.namespace); now != id {
		t.Error("the second run made another container")
	}
	p.must("delete")
	if left := p.docker("ps", "--all", "--quiet", "--filter=name="+p.namespace); left != "" {
		t.Errorf("the container %s is left", left)
	}
}

func TestAComposeProjectRunsOnTheEngine(t *testing.T) {
	t.Parallel()
	p := onEngine(t)
	p.replace("skaffold.yaml", "  docker:\n", "  docker:\n    useCompose: true\n")
	p.write("compose.yaml", strings.ReplaceAll(`
services:
  NAME-web:
    image: NAME
    environment: {GREETING: hello}
    depends_on: {NAME-first: {condition: service_completed_successfully}}
  NAME-first:
    image: busybox
    command: [sh, -c, "echo first"]
`, "NAME", p.namespace))
	defer p.skiff("delete")
	p.must("run")
	if got := p.docker("exec", p.namespace+"-web", "sh", "-c", "echo $GREETING; ping -c1 "+p.namespace+"-web >/dev/null && echo reached"); got != "hello\nreached" {
		t.Errorf("in the container: %q", got)
	}
	p.must("delete")
	if left := p.docker("ps", "--all", "--quiet", "--filter=name="+p.namespace); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}
