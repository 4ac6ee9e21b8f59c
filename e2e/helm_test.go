//go:build e2e

package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// revisions is what helm keeps of a release: its revisions with their status, the first one first.
func (p *project) revisions(release string) []string {
	p.Helper()
	list, err := world.cluster.client.CoreV1().Secrets(p.namespace).List(p.Context(), metav1.ListOptions{LabelSelector: "owner=helm,name=" + release})
	if err != nil {
		p.Fatal(err)
	}
	var all []string
	for _, s := range list.Items {
		all = append(all, s.Labels["version"]+" "+s.Labels["status"])
	}
	slices.Sort(all)
	return all
}

func (p *project) revised(release string, want ...string) {
	p.Helper()
	if got := p.revisions(release); !slices.Equal(got, want) {
		p.Errorf("the revisions of %s are %q, want %q", release, got, want)
	}
}

func TestAReleaseIsUpgradedWhenItsInputsChangeAndElseNotTouched(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/helm")
	p.must("run")
	pod := p.pod("pages")
	p.revised("pages", "1 deployed")
	if image := pod.Spec.Containers[0].Image; !strings.Contains(image, "/example-release:") || !strings.Contains(image, "@sha256:") {
		t.Errorf("the image is %s", image)
	}

	if r := p.must("run"); !regexp.MustCompile(`Release/pages.* unchanged`).MatchString(r.stdout) {
		t.Errorf("the second run does not say that the release is unchanged:\n%s", r.stdout)
	}
	p.same(pod)
	p.revised("pages", "1 deployed")

	p.replace("values-dev.yaml", "dev", "again")
	p.must("run")
	p.revised("pages", "1 superseded", "2 deployed")
	until(t, "the pod has the new value", func() bool { return p.pod("pages").Spec.Containers[0].Env[0].Value == "again" })

	if r := p.must("delete"); !strings.Contains(r.stdout, "Release/pages") {
		t.Errorf("delete says:\n%s", r.stdout)
	}
	p.left()
}

func TestAnUpgradeThatFailsKeepsTheStateBeforeInReachAndItsMendIsTaken(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/helm")
	p.must("run")
	p.write("chart/templates/broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'no name'}\n")
	r := p.skiff("run")
	if r.code != 1 || !strings.Contains(r.stdout+r.stderr, "helm rollback pages 1 -n "+p.namespace) {
		t.Errorf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if got := p.revisions("pages"); !slices.Contains(got, "1 deployed") {
		t.Errorf("the state before is gone: %q", got)
	}
	p.remove("chart/templates/broken.yaml")
	p.must("run")
	p.pod("pages")
}

func TestASessionUninstallsTheReleasesThatItInstalledAndNoOther(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/helm")
	p.must("run") // release pages is there before the session
	p.replace("skaffold.yaml", "    - name: pages\n", "    - name: fresh\n      chartPath: chart\n      dependsOn: [pages]\n      setValues: {replicas: 2}\n    - name: pages\n")
	s := p.dev()
	p.pod("fresh")
	p.revised("fresh", "1 deployed")
	old := p.pod("pages")
	p.write("www/index.html", "synced\n")
	until(t, "the page is in the container", func() bool {
		out, err := p.in(old.Name, "cat", "/www/index.html")
		return err == nil && out == "synced\n"
	})
	mark := s.mark()
	p.replace("values-dev.yaml", "dev", "looped")
	s.says(mark, "Release/pages configured")
	s.says(mark, "Watching for changes")
	if out := s.since(mark); strings.Contains(out, "Release/fresh configured") {
		t.Errorf("a release that does not read the file is upgraded:\n%s", out)
	}
	s.interrupt()
	p.revised("fresh")
	// The tag of the image is that of a changed tree, so the session upgraded it once, and then for the value.
	p.revised("pages", "1 superseded", "2 superseded", "3 deployed")
	if slices.ContainsFunc(p.pods(), func(pod corev1.Pod) bool { return strings.HasPrefix(pod.Name, "fresh") }) {
		t.Error("pods of the release that was uninstalled are there")
	}
}
