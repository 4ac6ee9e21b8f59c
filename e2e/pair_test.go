//go:build e2e

package e2e

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestOfTwoImagesOnlyTheOneThatChangedIsMadeAnew(t *testing.T) {
	t.Parallel()
	p := newProject(t, "testdata/pair")
	s := p.dev("--port-forward")
	url := s.url("8080")
	answers(t, url, "front\n")

	t.Run("a source of the one is rebuilt, and the other's pod stays", func(t *testing.T) {
		p, s, mark := p.sub(t), s.sub(t), s.mark()
		front, back := p.pod("front"), p.image("back")
		p.write("back/index.html", "new back\n")
		p.rebuilt("back", back)
		s.says(mark, "Watching for changes...")
		p.same(front)
		if strings.Contains(s.since(mark), "[pair-front]") {
			t.Error("the other image was looked at")
		}
	})
	t.Run("a build that fails does not hold up the other's copies", func(t *testing.T) {
		p, s, mark, back := p.sub(t), s.sub(t), s.mark(), p.pod("back")
		p.replace("back/Dockerfile", "CMD", "RUN exit 3\nCMD")
		s.matches(mark, `^error: .*pair-back`)
		p.write("front/index.html", "copied\n")
		answers(t, url, "copied\n")
		mark = s.mark()
		p.replace("back/Dockerfile", "RUN exit 3\n", "")
		s.says(mark, "Watching for changes...")
		p.same(back)
	})
	t.Run("the local port survives the pod behind it", func(t *testing.T) {
		p, before := p.sub(t), p.pod("front")
		err := world.cluster.client.CoreV1().Pods(p.namespace).Delete(t.Context(), before.Name, metav1.DeleteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		until(t, "another pod is ready", func() bool {
			pods := p.pods()
			return len(pods) == 2 && ready(pods[0]) && ready(pods[1]) && pods[0].Name != before.Name && pods[1].Name != before.Name
		})
		answers(t, url, "copied\n")
	})
	t.Run("both at once are both made anew", func(t *testing.T) {
		p := p.sub(t)
		front, back := p.image("front"), p.image("back")
		p.replace("front/Dockerfile", "FROM busybox", "FROM busybox\nENV A=1")
		p.replace("back/Dockerfile", "FROM busybox", "FROM busybox\nENV A=1")
		p.rebuilt("front", front)
		p.rebuilt("back", back)
		answers(t, url, "copied\n")
	})
}
