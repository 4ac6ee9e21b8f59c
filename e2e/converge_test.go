//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// scale asks for so many pods of a Deployment, as somebody else would.
func (p *project) scale(name string, replicas int) {
	p.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := world.cluster.client.AppsV1().Deployments(p.namespace).Patch(p.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	if err != nil {
		p.Fatal(err)
	}
}

func TestANewContainerHoldsWhatWasCopied(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()
	first := p.pod("web")
	p.write("files/a.txt", "copied\n")
	p.write("files/new.txt", "added\n")
	p.remove("files/b.txt")
	p.equal(first.Name, "files", "/srv/files")

	t.Run("after the container has died and was started again", func(t *testing.T) {
		p := p.sub(t)
		_, _ = p.in(first.Name, "sh", "-c", "kill 1") // the one who kills may die with the container, which is no failure
		until(t, "the container was started again", func() bool {
			now := p.pod(first.Name).Status.ContainerStatuses[0]
			return now.RestartCount > first.Status.ContainerStatuses[0].RestartCount && now.State.Running != nil
		})
		p.equal(first.Name, "files", "/srv/files")
	})
	t.Run("after the pod was deleted and another took its place", func(t *testing.T) {
		p := p.sub(t)
		err := world.cluster.client.CoreV1().Pods(p.namespace).Delete(t.Context(), first.Name, metav1.DeleteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		until(t, "another pod is there", func() bool {
			pods := p.pods()
			return len(pods) == 1 && pods[0].Name != first.Name && ready(pods[0])
		})
		p.equal(p.pod("web").Name, "files", "/srv/files")
	})
	t.Run("after the Deployment was scaled, and from then on both get what is saved", func(t *testing.T) {
		p := p.sub(t)
		p.scale("web", 2)
		until(t, "there are two pods", func() bool {
			pods := p.pods()
			return len(pods) == 2 && ready(pods[0]) && ready(pods[1])
		})
		for _, pod := range p.pods() {
			p.equal(pod.Name, "files", "/srv/files")
		}
		p.write("files/a.txt", "copied to both\n")
		for _, pod := range p.pods() {
			p.holds(pod.Name, "/srv/files/a.txt", "copied to both\n")
		}
	})
	if out := s.out.String(); strings.Count(out, "Building [box]")+strings.Count(out, "Found [box]") != 1 {
		t.Error("there was more than one build")
	}
}

func TestWhatIsSavedWhileTheImageIsBuiltIsNotLost(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()
	mark, before := s.mark(), p.image("web")
	// The step that reads the files comes first, so that the image holds what was there before the saves.
	p.slowBuild(3)
	s.matches(mark, `RUN sleep 3`)
	p.write("files/a.txt", "saved during the build\n")
	p.write("files/late.txt", "added during the build\n")
	p.remove("files/b.txt")
	p.rebuilt("web", before)
	s.says(mark, "Everything runs")
	p.settles("files", "/srv/files")
}

func TestABurstOf500FilesArrivesWhole(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()
	pod, mark := p.pod("web"), s.mark()
	burst := func(word string) {
		for i := range 500 {
			p.write(fmt.Sprintf("files/dir%d/file%d.txt", i%20, i), fmt.Sprintf("%s %d\n", word, i))
		}
	}
	start := time.Now()
	burst("first")
	p.equal(pod.Name, "files", "/srv/files")
	t.Logf("500 files were written and are equal after %s", time.Since(start).Round(time.Millisecond))
	burst("second")
	p.equal(pod.Name, "files", "/srv/files")
	for i := range 20 {
		p.remove(fmt.Sprintf("files/dir%d", i))
	}
	p.equal(pod.Name, "files", "/srv/files")
	p.same(pod)
	if out := s.since(mark); strings.Contains(out, "rebuild") {
		t.Errorf("there was a rebuild:\n%s", out)
	}
}

func TestManySavesOfOneFileEndInTheLast(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.dev()
	pod := p.pod("web")
	for i := range 100 {
		p.write("files/a.txt", fmt.Sprintf("save %d\n", i))
		wait(t, time.Duration(i%7)*time.Millisecond, func() bool { return false })
	}
	p.holds(pod.Name, "/srv/files/a.txt", "save 99\n")
	p.same(pod)
}

func TestAnotherBranchEndsInEquality(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.git("checkout", "--quiet", "-b", "other")
	for i := range 200 {
		p.write(fmt.Sprintf("files/other/%d/file%d.txt", i%7, i), fmt.Sprintf("other %d\n", i))
	}
	p.write("files/a.txt", "of the other branch\n")
	p.write("data.cfg", "of the other branch\n")
	p.remove("files/b.txt")
	p.commit("other")
	p.git("checkout", "--quiet", "main")

	p.dev()
	for _, branch := range []string{"other", "main"} {
		t.Run(branch, func(t *testing.T) {
			p := p.sub(t)
			p.git("checkout", "--quiet", branch)
			// data.cfg has no rule: it comes with a new image, and so in a new pod.
			until(t, "the pod holds the branch", func() bool {
				pods := p.pods()
				if len(pods) != 1 || !ready(pods[0]) {
					return false
				}
				got, err := p.in(pods[0].Name, "cat", "/srv/data.cfg")
				return err == nil && got == p.read("data.cfg")
			})
			p.equal(p.pods()[0].Name, "files", "/srv/files")
		})
	}
}

func TestWhatCannotBeCopiedComesWithANewImage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, dockerfile, cat string }{
		{"the container's user may not write the file", `FROM busybox
WORKDIR /srv
COPY files files
USER 1000
CMD ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"]
`, "cat"},
		{"the image has neither tar nor a shell", `FROM busybox AS tools
FROM scratch
COPY --from=tools /bin/busybox /tools/cat
COPY --from=tools /bin/busybox /tools/sleep
WORKDIR /srv
COPY files files
CMD ["/tools/sleep", "100000"]
`, "/tools/cat"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := box(t)
			p.write("Dockerfile", tt.dockerfile)
			s := p.dev()
			before, mark := p.image("web"), s.mark()
			p.write("files/a.txt", "saved\n")
			p.rebuilt("web", before)
			s.says(mark, "Everything runs")
			until(t, "the pod holds the file", func() bool {
				pods := p.pods()
				if len(pods) != 1 {
					return false
				}
				got, err := p.in(pods[0].Name, tt.cat, "/srv/files/a.txt")
				return err == nil && got == "saved\n"
			})
		})
	}
}

func TestWhatIsSavedBeforeTheFirstContainerRunsIsNotLost(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.slowBuild(2)
	p.replace("k8s/web.yaml", "image: box\n", `image: box
        readinessProbe:
          exec: {command: ["true"]}
          initialDelaySeconds: 3
          periodSeconds: 1
`)
	s := p.start("dev")
	s.matches(0, `RUN sleep 2`)
	p.write("files/during-the-build.txt", "1\n")
	p.write("files/a.txt", "first\n")
	s.says(0, "Waiting until everything runs...")
	p.write("files/during-the-wait.txt", "2\n")
	p.write("files/a.txt", "second\n")
	s.says(0, "Watching for changes...")
	p.settles("files", "/srv/files")
}

func TestEveryContainerOfTheImageGetsWhatIsSaved(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.replace("k8s/web.yaml", "      containers:\n", `      initContainers:
      - name: before
        image: box
        command: ["true"]
      containers:
      - name: stranger
        image: busybox
        command: [sleep, "100000"]
      - name: second
        image: box
`)
	p.dev()
	pod := p.pod("web")
	p.write("files/a.txt", "copied\n")
	for _, container := range []string{"web", "second"} {
		until(t, container+" holds the file", func() bool {
			got, err := world.cluster.exec(t.Context(), p.namespace, pod.Name, container, "cat", "/srv/files/a.txt")
			return err == nil && got == "copied\n"
		})
	}
	if _, err := world.cluster.exec(t.Context(), p.namespace, pod.Name, "stranger", "cat", "/srv/files/a.txt"); err == nil {
		t.Error("a container of another image got the file")
	}
	p.same(pod)
}

func TestALaterSessionDoesNotBelieveWhatAnEarlierOneLeft(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev("--cleanup=false")
	pod := p.pod("web")
	p.write("files/a.txt", "tried out\n")
	p.write("files/extra.txt", "tried out\n")
	p.equal(pod.Name, "files", "/srv/files")
	s.interrupt()

	p.git("checkout", "--quiet", ".")
	p.git("clean", "--quiet", "--force")
	p.dev()
	// The image is that of the first session, so nothing tells that the container is not what it was made from.
	p.settles("files", "/srv/files")
}

func TestASessionThatWasKilledHardIsTakenUpByTheNext(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()
	p.write("files/a.txt", "copied\n")
	p.equal(p.pod("web").Name, "files", "/srv/files")
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !s.endsWithin(5 * time.Second) {
		t.Fatal("the killed process lives")
	}
	again := p.dev()
	p.settles("files", "/srv/files")
	now := p.pod("web").Name
	p.write("files/a.txt", "copied again\n")
	p.holds(now, "/srv/files/a.txt", "copied again\n")
	again.interrupt()
}
