//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestASavedKustomizationIsDeployedAndAnotherOverlayIsNot(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/kustomize")
	s := p.dev()
	pod := p.pod("pages")
	// A file that the overlay does not read means nothing.
	p.replace("prod/kustomization.yaml", "count: 2", "count: 3")
	p.replace("base/pages.yaml", "replicas: 1", "replicas: 2")
	until(t, "the change of the base is deployed", func() bool {
		d, err := world.cluster.client.AppsV1().Deployments(p.namespace).Get(t.Context(), "pages", metav1.GetOptions{})
		return err == nil && *d.Spec.Replicas == 2
	})
	p.replace("dev/kustomization.yaml", "STAGE=dev", "STAGE=test")
	until(t, "the pods read the new settings", func() bool {
		for _, c := range p.pod("pages").Spec.Containers {
			return c.EnvFrom[0].ConfigMapRef.Name != pod.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name
		}
		return false
	})
	until(t, "only the new settings are left", func() bool {
		maps, err := world.cluster.client.CoreV1().ConfigMaps(p.namespace).List(t.Context(), metav1.ListOptions{})
		var stages []string
		for _, m := range maps.Items {
			if strings.HasPrefix(m.Name, "settings-") {
				stages = append(stages, m.Data["STAGE"])
			}
		}
		return err == nil && slices.Equal(stages, []string{"test"})
	})
	s.interrupt()
	p.left()
}

func TestABrokenKustomizationIsExplainedWithItsPlace(t *testing.T) {
	t.Parallel()
	p := newProject(t, "../examples/kustomize")
	p.replace("base/kustomization.yaml", "pages.yaml", "page.yaml")
	r := p.skiff("render")
	if r.code != 1 || !strings.Contains(r.stderr, "page.yaml does not exist") || !strings.Contains(r.stderr, "dev/kustomization.yaml") {
		t.Errorf("exit code %d:\n%s", r.code, r.stderr)
	}
}
