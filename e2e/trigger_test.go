//go:build e2e

package e2e

import (
	"io"
	"testing"
	"time"
)

func TestPollingFindsWhatIsSaved(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.dev("--trigger=polling", "--watch-poll-interval=200")
	pod := p.pod("web")
	p.write("files/a.txt", "polled\n")
	p.write("files/new/n.txt", "new\n")
	p.remove("files/b.txt")
	p.equal(pod.Name, "files", "/srv/files")
	p.same(pod)
	p.write("data.cfg", "rebuilt\n")
	p.rebuilt("web", pod.Spec.Containers[0].Image)
}

func TestTheManualTriggerWaitsForEnter(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev("--trigger=manual")
	pod, mark := p.pod("web"), s.mark()
	enter := func() {
		if _, err := io.WriteString(s.stdin, "\n"); err != nil {
			t.Fatal(err)
		}
	}
	p.write("files/a.txt", "owed\n")
	s.says(mark, "Enter")
	// Nothing may happen by itself; one second is far longer than an automatic copy takes.
	wait(t, time.Second, func() bool { return false })
	if got, err := p.in(pod.Name, "cat", "/srv/files/a.txt"); err != nil || got == "owed\n" {
		t.Errorf("before Enter the file is %q (%v)", got, err)
	}
	enter()
	p.holds(pod.Name, "/srv/files/a.txt", "owed\n")
	p.same(pod)

	mark = s.mark()
	p.write("data.cfg", "rebuilt\n")
	s.says(mark, "Enter")
	enter()
	p.rebuilt("web", pod.Spec.Containers[0].Image)
}

func TestASwitchedOffBuildWaitsForEnterWhileFilesAreCopied(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev("--auto-build=false")
	pod, mark := p.pod("web"), s.mark()
	p.write("data.cfg", "owed\n")
	s.says(mark, "Enter")
	p.write("files/a.txt", "copied\n")
	p.holds(pod.Name, "/srv/files/a.txt", "copied\n")
	p.same(pod)
	if _, err := io.WriteString(s.stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	p.rebuilt("web", pod.Spec.Containers[0].Image)
}
