//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// leftovers fails the test when containers or networks of a session, or Jobs in the namespace, are left.
func (p *project) leftovers() {
	p.Helper()
	until(p.T, "no Job is left", func() bool {
		jobs, err := world.cluster.client.BatchV1().Jobs(p.namespace).List(p.Context(), metav1.ListOptions{})
		return err == nil && len(jobs.Items) == 0
	})
	for _, what := range []string{"container", "network"} {
		args := []string{what, "ls", "--format={{.ID}}", "--filter=name=" + p.namespace}
		if what == "container" {
			args = append(args, "--all")
		}
		out, err := exec.Command("docker", args...).CombinedOutput()
		if err != nil {
			p.Logf("the docker command is not there to look: %v", err)
		} else if len(strings.TrimSpace(string(out))) > 0 {
			p.Errorf("a %s is left: %s", what, out)
		}
	}
}

// append adds to the project file; NAME in it becomes the test's own, for the engine shares container names among all tests.
func (p *project) append(text string) {
	p.Helper()
	p.write("skaffold.yaml", p.read("skaffold.yaml")+strings.ReplaceAll(text, "NAME", p.namespace))
	p.commit("more")
}

func TestVerifyRunsInTheClusterAndThenHere(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.append(`
verify:
- name: NAME-here
  container: {name: NAME-here, image: busybox, command: [sh, -c], args: ['echo "here $FOO $FROM_FILE"'], env: [{name: FOO, value: bar}]}
- name: NAME-there
  container: {name: NAME-there, image: busybox, command: [sh, -c], args: ['echo "there $FOO $FROM_FILE"'], env: [{name: FOO, value: baz}]}
  executionMode: {kubernetesCluster: {}}
`)
	p.write("vars.env", "# a remark\nFROM_FILE='of the file'\n")
	r := p.must("verify", "--env-file=vars.env")
	there := strings.Index(r.stdout, "there baz of the file")
	here := strings.Index(r.stdout, "here bar of the file")
	if there < 0 || here < there {
		t.Errorf("the cluster's test is to come first, both with their environment: %d, %d", there, here)
	}
	p.leftovers()
}

func TestAVerifyTestInTheClusterThatFailsIsExplained(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, container, want string }{
		{"an exit code", `{name: NAME-bad, image: busybox, command: [sh, -c, 'echo my last words; exit 3']}`, "exit code 3"},
		{"an image that is not there", `{name: NAME-bad, image: localhost:5005/no-such-image}`, "ErrImagePull"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := box(t)
			p.append("\nverify:\n- name: NAME-bad\n  container: " + tt.container + "\n  executionMode: {kubernetesCluster: {}}\n")
			r := p.skiff("verify")
			if r.code != 1 || !strings.Contains(r.stderr, tt.want) || !strings.Contains(r.stderr, "skaffold.yaml:17") {
				t.Errorf("ended with %d", r.code)
			}
			p.leftovers()
		})
	}
}

func TestACustomActionEndsWithItsFirstFailure(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.append(`
customActions:
- name: fast
  executionMode: {local: {useLocalImages: true}}
  containers:
  - {name: NAME-ok, image: busybox, command: [sh, -c, 'sleep 600']}
  - {name: NAME-bad, image: busybox, command: [sh, -c, 'exit 4']}
- name: safe
  failFast: false
  executionMode: {kubernetesCluster: {}}
  containers:
  - {name: NAME-slow, image: busybox, command: [sh, -c, 'sleep 2; echo to the end']}
  - {name: NAME-quick, image: busybox, command: [sh, -c, 'exit 4']}
- name: late
  timeout: 3
  executionMode: {kubernetesCluster: {}}
  containers: [{name: NAME-late, image: busybox, command: [sh, -c, 'sleep 600']}]
`)
	if r := p.skiff("exec", "fast"); r.code != 1 || !strings.Contains(r.stderr, "exit code 4") {
		t.Errorf("fast ended with %d", r.code)
	}
	if r := p.skiff("exec", "safe"); r.code != 1 || !strings.Contains(r.stdout, "to the end") {
		t.Errorf("safe ended with %d", r.code)
	}
	if r := p.skiff("exec", "late"); r.code != 1 || !strings.Contains(r.stderr, "within 3 seconds") {
		t.Errorf("late ended with %d", r.code)
	}
	if r := p.skiff("exec", "none"); r.code != 1 || !strings.Contains(r.stderr, "fast, safe, late") {
		t.Errorf("none ended with %d", r.code)
	}
	p.leftovers()
}

func TestCtrlCInAnActionLeavesNothing(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.append(`
customActions:
- name: here
  executionMode: {local: {useLocalImages: true}}
  containers: [{name: NAME-here, image: busybox, command: [sh, -c, 'echo begun; sleep 600']}]
- name: there
  executionMode: {kubernetesCluster: {}}
  containers: [{name: NAME-there, image: busybox, command: [sh, -c, 'echo begun; sleep 600']}]
`)
	for _, action := range []string{"here", "there"} {
		s := p.start("exec", action)
		s.says(0, "] begun")
		s.interrupt()
		p.leftovers()
	}
}

func TestTestsAndHooksRunAroundTheStages(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	p.replace("skaffold.yaml", "        dest: .\n", `        dest: .
      hooks:
        before: [{host: {command: [sh, -c, 'echo before-sync $SKAFFOLD_FILES_ADDED_OR_MODIFIED']}}]
        after: [{container: {command: [sh, -c, 'cat files/a.txt > copied']}}]
`)
	p.replace("skaffold.yaml", "  rawYaml:\n  - k8s/*\n", `  rawYaml:
  - k8s/*
  hooks:
    before: [{host: {command: [echo, before-render]}}]
    after: [{host: {command: [sed, 's/replicas: 1/replicas: 2/'], withChange: true}}]
deploy:
  kubectl:
    hooks:
      before: [{host: {command: [sh, -c, 'echo before-deploy $SKAFFOLD_NAMESPACES']}}]
      after: [{container: {command: [touch, /srv/after-deploy], podName: 'web-*', containerName: web}}]
test:
- image: box
  custom:
  - command: test -n "$IMAGE" && grep -q good verdict
    dependencies: {paths: [verdict]}
`)
	p.write("verdict", "good")
	p.commit("hooks")
	s := p.dev()
	pod := p.pod("web")
	out := s.out.String()
	last := -1
	for _, text := range []string{"Testing images", "before-render", "before-deploy " + p.namespace, "after deploy"} {
		at := strings.Index(out, text)
		if at <= last {
			t.Errorf("%q is not where it belongs", text)
		}
		last = at
	}
	until(t, "the hook after render has made two of one", func() bool { return len(p.pods()) == 2 })
	p.equal(pod.Name, "files", "/srv/files")
	p.holds(pod.Name, "/srv/after-deploy", "")

	mark := s.mark()
	p.write("files/a.txt", "changed")
	s.says(mark, "before-sync "+p.path("files/a.txt"))
	p.holds(pod.Name, "/srv/copied", "changed")

	mark = s.mark()
	p.write("verdict", "bad")
	s.says(mark, "a test of \"box\" failed")
	p.same(pod)
	mark = s.mark()
	p.write("verdict", "good")
	s.says(mark, "Passed [box]")
	s.says(mark, "Watching for changes...")
	s.interrupt()
}

func TestACustomTestDecidesTheExitCode(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.append("test: [{image: box, custom: [{command: 'exit 9'}]}]\n")
	if r := p.skiff("build"); r.code != 9 {
		t.Errorf("build ended with %d", r.code)
	}
	p.must("build", "--skip-tests", "--file-output=build.json")
	if r := p.skiff("test", "--build-artifacts=build.json"); r.code != 9 {
		t.Errorf("test ended with %d", r.code)
	}
	if r := p.skiff("test"); r.code != 1 || !strings.Contains(r.stderr, `no image is given for "box"`) {
		t.Errorf("test without an image ended with %d", r.code)
	}
}
