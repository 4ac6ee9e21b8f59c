//go:build e2e

package e2e

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// port5000 is whether the tutorial's port is free on this machine.
func port5000() bool {
	l, err := net.Listen("tcp", "127.0.0.1:5000")
	if err != nil {
		return false
	}
	_ = l.Close() // it was opened to see that it can be
	return true
}

// This test is not parallel, as the next one: both want port 5000.
func TestTheTutorialStartsFromNothingAndEndsWithCtrlC(t *testing.T) {
	needRegistry(t)
	if !port5000() {
		t.Skip("port 5000 of this machine is taken")
	}
	p := flask(t).freshCache()
	s := p.dev("--port-forward")
	pod := p.pod("python")

	t.Run("the first line names the target and the context", func(t *testing.T) {
		first, _, _ := strings.Cut(s.out.String(), "\n")
		for _, want := range []string{"cluster", world.cluster.context, p.namespace} {
			if !strings.Contains(first, want) {
				t.Errorf("the first line is %q and does not name %q", first, want)
			}
		}
	})
	t.Run("the image is built by the engine, and the build's output is shown", func(t *testing.T) {
		_, build, _ := strings.Cut(s.out.String(), "Building [python-flask]")
		build, _, built := strings.Cut(build, "Built and pushed [python-flask]")
		if !built || !strings.Contains(build, "COPY *.py .") || !strings.Contains(build, "python3 -c \"import flask\"") {
			t.Errorf("the steps of the Dockerfile are not in the output:\n%s", build)
		}
	})
	t.Run("the tag is the git commit, and the pod runs the digest that the registry names", func(t *testing.T) {
		tag := p.git("describe", "--tags", "--always")
		digest, err := world.cluster.digest(t.Context(), "python-flask", tag)
		if err != nil {
			t.Fatal(err)
		}
		want := world.cluster.registry + "/python-flask:" + tag + "@" + digest
		if got := pod.Spec.Containers[0].Image; got != want {
			t.Errorf("the pod's spec has the image %s, want %s", got, want)
		}
		s.sub(t).says(0, digest)
	})
	t.Run("port 5000 is forwarded to the same port here", func(t *testing.T) {
		if url := s.sub(t).url("5000"); url != "http://127.0.0.1:5000" {
			t.Errorf("the forward is told as %s", url)
		}
		answers(t, "http://127.0.0.1:5000", "Hello, world!\n")
	})
	t.Run("the container's log is shown, with its name in front", func(t *testing.T) {
		mark := s.mark()
		if _, err := get("http://127.0.0.1:5000/seen-in-the-log"); err != nil {
			t.Fatal(err)
		}
		s.sub(t).matches(mark, `^\[python\] .*GET /seen-in-the-log`)
	})
	t.Run("Ctrl-C deletes the pod, closes the port and ends with 0", func(t *testing.T) {
		s.sub(t).interrupt()
		if pods := p.sub(t).pods(); len(pods) > 0 {
			t.Errorf("%s is still there", pods[0].Name)
		}
		if _, err := get("http://127.0.0.1:5000"); err == nil {
			t.Error("port 5000 still answers")
		}
	})
}

func TestTheNextFreePortIsForwardedWhen5000IsTaken(t *testing.T) {
	needImages(t)
	l, err := net.Listen("tcp", "127.0.0.1:5000")
	if err != nil {
		t.Skipf("someone else has port 5000 of this machine: %v", err)
	}
	mine := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan error, 1)
	go func() { done <- mine.Serve(l) }()
	t.Cleanup(func() { _ = mine.Close(); <-done })

	p := flask(t)
	s := p.dev("--port-forward")
	url := s.url("5000")
	if strings.HasSuffix(url, ":5000") {
		t.Errorf("the forward is told as %s, which is taken", url)
	}
	answers(t, url, "Hello, world!\n")
}

func TestASlowStartIsSaidAndReadyIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.replace("Dockerfile", "echo up;", "sleep 6; touch /tmp/up; echo up;")
	p.replace("k8s/web.yaml", "image: box\n", `image: box
        readinessProbe:
          exec: {command: [test, -f, /tmp/up]}
          periodSeconds: 1
`)
	s := p.start("dev")
	p.pod("web")
	seen := time.Now()
	waited := regexp.MustCompile(`(?m)^ - (Deployment|Pod)/web\S*: .+ \([0-9.]+ m?s\)$`)
	if out := s.out.String(); !waited.MatchString(out) {
		t.Errorf("no line says what is waited for")
	}
	s.matches(0, `^ - Deployment/web is ready`)
	if late := time.Since(seen); late > 3*time.Second {
		t.Errorf("readiness was told %s after the API server had it", late)
	}
	s.says(0, "Watching for changes...")
}
