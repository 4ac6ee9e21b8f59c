//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

func TestNoOtherProgramIsNeeded(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	p.env = append(p.env, "PATH="+t.TempDir())
	p.must("run")
	pod := p.pod("web")
	if want := "/box:" + p.git("describe", "--tags", "--always") + "@"; !strings.Contains(pod.Spec.Containers[0].Image, want) {
		t.Errorf("the image %s does not have the commit as its tag", pod.Spec.Containers[0].Image)
	}

	p.write("aside.txt", "a file that makes the tree dirty")
	if r := p.must("render"); !strings.Contains(r.stdout, "-dirty") {
		t.Errorf("the tag of a changed tree does not say so")
	}
	s := p.dev()
	pod = p.pod("web")
	p.write("files/a.txt", "copied\n")
	p.holds(pod.Name, "/srv/files/a.txt", "copied\n")
	s.interrupt()
}

func TestVariablesAreFlags(t *testing.T) {
	t.Parallel()
	needRegistry(t)
	p := box(t)
	other := newNamespace(t)
	repo := world.cluster.registry
	p.flags = nil
	p.env = append(p.env, "SKAFFOLD_NAMESPACE="+other, "SKAFFOLD_DEFAULT_REPO="+repo+"/team", "SKAFFOLD_TAG=by-variable")
	if world.cluster.flag != "" {
		p.env = append(p.env, "SKAFFOLD_KUBE_CONTEXT="+world.cluster.context)
	}
	if left := p.objects(); len(left) > 0 {
		t.Fatalf("%v is in the first namespace", left)
	}
	p.must("run")
	q := p.sub(t)
	q.namespace = other
	image := q.pod("web").Spec.Containers[0].Image
	digest, err := world.cluster.digest(t.Context(), "team/box", "by-variable")
	if want := repo + "/team/box:by-variable@" + digest; err != nil || image != want {
		t.Errorf("the pod has the image %s, want %s (%v)", image, want, err)
	}
	if left := p.objects(); len(left) > 0 {
		t.Errorf("%v is in the namespace that nobody named", left)
	}

	p.flags = []string{"--namespace=" + p.namespace}
	p.must("run")
	p.pod("web") // a flag wins over a variable
}

func TestTheFileSkaffoldEnvHoldsVariablesToo(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.flags = p.flags[1:]
	p.write("skaffold.env", "# for everyone\nSKAFFOLD_NAMESPACE="+p.namespace+"\n")
	p.must("run")
	p.pod("web")
}

func TestAnEngineAndAClusterThatDoNotAnswerAreExplained(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	t.Run("the engine", func(t *testing.T) {
		p := p.sub(t)
		p.env = append(p.env, "DOCKER_HOST=unix:///nowhere/docker.sock")
		r := p.skiff("run")
		if r.code != 1 || !strings.Contains(r.stderr, "/nowhere/docker.sock") || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("it ended with %d and says %q", r.code, r.stderr)
		}
	})
	t.Run("the cluster", func(t *testing.T) {
		p := p.sub(t)
		p.write("kubeconfig", `apiVersion: v1
kind: Config
current-context: silent
contexts: [{name: silent, context: {cluster: silent, user: silent}}]
clusters: [{name: silent, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: silent, user: {}}]
`)
		p.flags = []string{"--kubeconfig=kubeconfig"}
		r := p.skiff("run")
		if r.code != 1 || !strings.Contains(r.stderr, "127.0.0.1:1") || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("it ended with %d and says %q", r.code, r.stderr)
		}
	})
}
