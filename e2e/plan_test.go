//go:build e2e && linux

package e2e

import (
	"io"
	"os"
	"strings"
	"testing"
)

// typed is a session with a terminal, and what types there.
func (p *project) typed(args ...string) (s *transcript, say func(string), end func() int) {
	p.Helper()
	ours, theirs := terminal(p.T)
	cmd := p.command(p.Context(), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	_ = theirs.Close() // the child has it; now its end is the end of what is read here
	out := &transcript{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, ours) // a terminal whose other side is gone reads as an error
	}()
	say = func(line string) {
		p.Helper()
		if _, err := ours.WriteString(line + "\n"); err != nil {
			p.Fatal(err)
		}
	}
	end = func() int {
		_ = cmd.Wait() // the exit code says it
		<-done
		return cmd.ProcessState.ExitCode()
	}
	p.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(os.Interrupt)
			_ = end()
		}
	})
	return out, say, end
}

func TestAPlanIsAcceptedOrNotAtTheTerminal(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"a.yaml": configMap("a", "1")})
	asked := func(out *transcript) {
		t.Helper()
		until(t, "skiff asks", func() bool { return strings.Contains(out.String(), "[y/N]") })
	}
	out, say, end := p.typed("run", "--plan")
	asked(out)
	say("n")
	if code := end(); code != 1 || !strings.Contains(out.String(), "the plan was not accepted") {
		t.Errorf("after a no the exit code is %d:\n%s", code, out)
	}
	p.wants()
	out, say, end = p.typed("run", "--plan")
	asked(out)
	say("y")
	if code := end(); code != 0 {
		t.Errorf("after a yes the exit code is %d:\n%s", code, out)
	}
	p.wants("a", "skiff-plain")
}

func TestAPlanInDevIsAskedOnceWhereEnterTriggers(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"a.yaml": configMap("a", "1")})
	out, say, _ := p.typed("dev", "--plan", "--trigger=manual", "--target=cluster")
	until(t, "skiff asks", func() bool { return strings.Contains(out.String(), "[y/N]") })
	say("y")
	until(t, "it is deployed", func() bool { return strings.Contains(out.String(), "Watching for changes") })
	p.write("k8s/a.yaml", configMap("a", "2"))
	until(t, "the change waits for Enter", func() bool { return strings.Contains(out.String(), "Waiting for Enter") })
	say("")
	until(t, "the change is deployed", func() bool { return strings.Contains(out.String(), "ConfigMap/a configured") })
	if n := strings.Count(out.String(), "[y/N]"); n != 1 {
		t.Errorf("it asked %d times", n)
	}
}
