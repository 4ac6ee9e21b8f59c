//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

func TestABuildThatFailsIsExplainedAndItsMendIsTaken(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()
	pod, mark := p.pod("web"), s.mark()
	sane := p.read("Dockerfile")

	p.write("Dockerfile", sane+"RUN echo the reason; exit 3\n")
	s.matches(mark, `the reason`)
	s.matches(mark, `^error: .*box.*Dockerfile:6.* 3`)
	s.says(mark, "Watching for changes...")
	p.same(pod)

	mark = s.mark()
	p.write("files/a.txt", "still copied\n")
	p.holds(pod.Name, "/srv/files/a.txt", "still copied\n")
	p.same(pod)

	p.write("Dockerfile", sane+"ENV MENDED=yes\n")
	p.rebuilt("web", pod.Spec.Containers[0].Image)
	s.says(mark, "Everything runs")
	next := p.pod("web")
	p.holds(next.Name, "/srv/files/a.txt", "still copied\n")
	if out, err := p.in(next.Name, "sh", "-c", "echo $MENDED"); err != nil || out != "yes\n" {
		t.Errorf("MENDED is %q (%v)", out, err)
	}
}

func TestADockerfileThatIsBrokenFromTheStartIsExplainedAndItsMendIsTaken(t *testing.T) {
	t.Parallel()
	p := box(t)
	sane := p.read("Dockerfile")
	p.write("Dockerfile", "FORM busybox\n"+sane)
	s := p.start("dev")
	s.matches(0, `^error: .*Dockerfile:1`)
	s.says(0, "Watching for changes...")
	if pods := p.pods(); len(pods) > 0 {
		t.Errorf("%s is there, without an image", pods[0].Name)
	}
	p.write("Dockerfile", sane)
	pod := p.pod("web")
	p.equal(pod.Name, "files", "/srv/files")
}

func TestAContainerThatCrashesIsExplainedAndItsMendIsTaken(t *testing.T) {
	t.Parallel()
	p := box(t)
	sane := p.read("Dockerfile")
	crashing, _, _ := strings.Cut(sane, "CMD")
	p.write("Dockerfile", crashing+`CMD ["sh", "-c", "cat /srv/files/a.txt; echo last words; exit 7"]`+"\n")
	s := p.start("dev")
	start := time.Now()
	s.matches(0, `^error: .*[/ ]web.*\b7\b`)
	t.Logf("explained %s after the start", time.Since(start).Round(time.Millisecond))
	s.matches(0, `last words`)
	s.says(0, "Watching for changes...")

	// What cannot be copied, because no container stays alive for it, comes with a new image.
	before := p.image("web")
	p.write("files/a.txt", "into the image\n")
	p.rebuilt("web", before)

	mark := s.mark()
	p.write("Dockerfile", sane)
	s.says(mark, "Everything runs")
	p.holds(p.pod("web").Name, "/srv/files/a.txt", "into the image\n")
}

func TestAPodThatCrashesIsExplainedAndItsMendIsTaken(t *testing.T) {
	t.Parallel()
	p := flask(t)
	s := p.dev("--port-forward")
	url := s.url("5000")
	answers(t, url, "Hello, world!\n")

	mark := s.mark()
	p.replace("Dockerfile", `CMD ["python3",`, `CMD ["false",`)
	s.matches(mark, `^error: .*[Pp]od/python.*\b1\b`)
	s.says(mark, "Watching for changes...")
	p.replace("Dockerfile", `CMD ["false",`, `CMD ["python3",`)
	answers(t, url, "Hello, world!\n")
	p.write("app.py", strings.ReplaceAll(app, "WHAT", "Hello, again!"))
	answers(t, url, "Hello, again!\n")
}

const stranger = `apiVersion: v1
kind: Pod
metadata:
  name: stranger
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: localhost:5005/none:1
    command: [sleep, "100000"]
`

func TestAnImageThatCannotBePulledIsExplainedAndItsMendIsTaken(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()
	pod, mark := p.pod("web"), s.mark()

	p.write("k8s/stranger.yaml", stranger)
	s.matches(mark, `^error: .*Pod/stranger.*localhost:5005/none:1`)
	s.says(mark, "Watching for changes...")
	p.write("files/a.txt", "still copied\n")
	p.holds(pod.Name, "/srv/files/a.txt", "still copied\n")

	mark = s.mark()
	p.write("k8s/stranger.yaml", strings.ReplaceAll(stranger, "localhost:5005/none:1", "busybox"))
	p.pod("stranger")
	s.says(mark, "Everything runs")
	p.same(pod)
}

func TestAnObjectThatTheServerRefusesIsExplainedAndItsMendIsTaken(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()
	mark, sane := s.mark(), p.read("k8s/web.yaml")

	p.write("k8s/web.yaml", strings.ReplaceAll(sane, "replicas: 1", "replicas: many"))
	s.matches(mark, `^error: .*(k8s/web.yaml|Deployment/web)`)
	s.says(mark, "Watching for changes...")

	p.write("k8s/web.yaml", strings.ReplaceAll(sane, "replicas: 1", "replicas: 2"))
	until(t, "there are two pods", func() bool { return len(p.pods()) == 2 })
}
