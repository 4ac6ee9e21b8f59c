//go:build e2e

package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// session is a skiff that runs until it is told to end.
type session struct {
	*testing.T
	cmd   *exec.Cmd
	out   *transcript
	stdin io.WriteCloser
	ended chan struct{}
	group *sync.WaitGroup // of the one who waits for the process
}

// code is the exit code, once ended is closed.
func (s *session) code() int { return s.cmd.ProcessState.ExitCode() }

// transcript is all that a session printed on both streams.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start begins a session. It ends with the test at the latest, and is shown when the test fails.
func (p *project) start(args ...string) *session {
	p.Helper()
	s := &session{T: p.T, cmd: p.command(context.Background(), args...), out: &transcript{}, ended: make(chan struct{}), group: &sync.WaitGroup{}}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		p.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	s.group.Go(func() {
		_ = s.cmd.Wait() // the exit code says it
		close(s.ended)
	})
	p.Cleanup(s.stop)
	return s
}

// dev is a session of `skiff dev` that has come to watching.
func (p *project) dev(args ...string) *session {
	p.Helper()
	s := p.start(append([]string{"dev"}, args...)...)
	s.says(0, "Watching for changes...")
	return s
}

// stop ends what still runs: politely, and then not.
func (s *session) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt)
	if !s.endsWithin(10 * time.Second) {
		s.Errorf("the session did not end within 10 s after SIGINT")
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // where it hangs is then in the output
	}
	s.group.Wait()
	if s.Failed() {
		s.Logf("the session's output:\n%s", s.out)
	}
}

func (s *session) endsWithin(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.ended:
		return true
	case <-timer.C:
		return false
	}
}

// sub is the session as a subtest sees it.
func (s *session) sub(t *testing.T) *session {
	c := *s
	c.T = t
	return &c
}

// sub is the project as a subtest sees it.
func (p *project) sub(t *testing.T) *project {
	c := *p
	c.T = t
	return &c
}

// mark is the place in the output where it ends now.
func (s *session) mark() int { return len(s.out.String()) }

// since is the output after a mark.
func (s *session) since(mark int) string { return s.out.String()[mark:] }

// says waits until the output after the mark holds the text.
func (s *session) says(mark int, text string) {
	s.Helper()
	s.matches(mark, regexp.QuoteMeta(text))
}

// matches waits until the output after the mark matches, and returns the groups of the match.
func (s *session) matches(mark int, pattern string) []string {
	s.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	var groups []string
	found := func() bool { groups = re.FindStringSubmatch(s.since(mark)); return groups != nil }
	if !wait(s.T, patience, func() bool { return found() || s.over() }) {
		s.Fatalf("after %s the output does not match %q:\n%s", patience, pattern, s.since(mark))
	}
	if !found() {
		s.Fatalf("the session ended with %d, and its output does not match %q:\n%s", s.code(), pattern, s.since(mark))
	}
	return groups
}

func (s *session) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// url is where the session has forwarded a remote port to.
func (s *session) url(remote string) string {
	s.Helper()
	return s.matches(0, `^Port forwarding .*remote port `+remote+` -> (http://[0-9.]+:\d+)`)[1]
}

// answers waits until a GET of the address answers with the text.
func answers(t *testing.T, url, text string) {
	t.Helper()
	var got string
	var err error
	if !wait(t, patience, func() bool { got, err = get(url); return err == nil && got == text }) {
		t.Fatalf("%s answers %q (%v), want %q", url, got, err, text)
	}
}

// get is the body of an answer, or of an error page.
func get(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// interrupt is Ctrl-C: the session has to end well, and soon.
func (s *session) interrupt() {
	s.Helper()
	start := time.Now()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.Fatal(err)
	}
	// 5 s are promised; a busy machine gets a little more.
	if !s.endsWithin(8 * time.Second) {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // where it hangs is then in the output
		s.Fatalf("the session has not ended 8 s after SIGINT")
	}
	s.Logf("the session ended %s after SIGINT", time.Since(start).Round(time.Millisecond))
	if s.code() != 0 {
		s.Errorf("the exit code after SIGINT is %d", s.code())
	}
}
