//go:build e2e && unix

// Package local drives the skiff binary with --target=local: no cluster, no Docker, and an environment that names neither.
package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is skiff, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "skiff-e2e-*")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "skiff")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/skiff").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// project is a copy of an example in a folder with a blank in its name, outside of git.
type project struct {
	t    *testing.T
	dir  string
	home string
	port int
	env  []string // besides the usual
}

func copyExample(t *testing.T, name string) *project {
	t.Helper()
	p := &project{t: t, dir: filepath.Join(t.TempDir(), "my project"), home: t.TempDir()}
	if err := os.CopyFS(p.dir, os.DirFS(filepath.Join("..", "..", "examples", name))); err != nil {
		t.Fatal(err)
	}
	return p
}

// hello is the example on a port of its own, so that tests run side by side.
func hello(t *testing.T) *project {
	p := copyExample(t, "hello")
	p.port = freePort(t)
	p.replace("k8s/hello.yaml", "containerPort: 8080", fmt.Sprintf("containerPort: %d", p.port))
	p.replace("Dockerfile", "PORT=8080", fmt.Sprintf("PORT=%d", p.port))
	return p
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (p *project) replace(file, old, text string) {
	p.t.Helper()
	name := filepath.Join(p.dir, file)
	data, err := os.ReadFile(name)
	if err != nil {
		p.t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(old)) {
		p.t.Fatalf("%s does not hold %q", file, old)
	}
	if err := os.WriteFile(name, bytes.ReplaceAll(data, []byte(old), []byte(text)), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// session is a skiff that runs.
type session struct {
	*project
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	out  strings.Builder
	err  error
}

func (s *session) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *session) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// environment is a machine with Go, and without Docker and Kubernetes.
func (p *project) environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "GOPROXY=off", "GOFLAGS=-mod=mod"}
	for _, name := range []string{"GOCACHE", "GOPATH", "GOMODCACHE", "GOROOT"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			p.t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	return env
}

func (p *project) start(args ...string) *session {
	p.t.Helper()
	return p.run(append([]string{binary}, args...)...)
}

// run starts a command that is a session of skiff. It is a process group, as a terminal makes one: Ctrl-C reaches all of it.
func (p *project) run(args ...string) *session {
	p.t.Helper()
	s := &session{project: p, done: make(chan struct{})}
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = p.dir, append(p.environment(), p.env...), s, s
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { s.err = s.cmd.Wait(); close(s.done) }()
	p.t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT)
		select {
		case <-s.done:
		case <-time.After(15 * time.Second):
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
			p.t.Error("skiff does not end")
		}
		if p.t.Failed() {
			p.t.Logf("skiff said:\n%s", s.text())
		}
	})
	return s
}

// within waits until what is true.
func (s *session) within(d time.Duration, what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if is() {
			return
		}
	}
	s.t.Fatalf("not within %s: %s", d, what)
}

func (s *session) says(text string) {
	s.t.Helper()
	s.within(60*time.Second, "skiff says "+text, func() bool { return strings.Contains(s.text(), text) })
}

// interrupt is Ctrl-C, and waits for the end.
func (s *session) interrupt() {
	s.t.Helper()
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	<-s.done
}

func get(port int, path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		return err.Error()
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	data, _ := io.ReadAll(response.Body)
	return string(data)
}

func (s *session) answers(path, want string) time.Duration {
	s.t.Helper()
	began := time.Now()
	s.within(60*time.Second, path+" answers "+want, func() bool { return strings.Contains(get(s.port, path), want) })
	return time.Since(began)
}

// left is the processes that still have something of the project open or in their command line.
func (p *project) left() []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err == nil && bytes.Contains(env, []byte("SKIFF_PROCESS=")) && bytes.Contains(env, []byte("HOME="+p.home+"\x00")) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func (s *session) leavesNothing() {
	s.t.Helper()
	s.within(10*time.Second, "no process is left", func() bool { return len(s.left()) == 0 })
	if s.port != 0 {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err != nil {
			s.t.Fatalf("the port is not free: %v", err)
		}
		l.Close()
	}
}

func TestAnEditIsServed(t *testing.T) {
	t.Parallel()
	s := hello(t).start("dev")
	s.answers("/", "static page")
	s.says("Watching for changes")
	if !strings.Contains(s.text(), "Target: local (") {
		t.Error("the first line does not say where the project runs")
	}

	var page []time.Duration
	for i := range 20 {
		s.replace("www/index.html", "<p>", fmt.Sprintf("<p>%d-", i))
		page = append(page, s.answers("/", fmt.Sprintf("<p>%d-", i)))
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("static page, save to served: %v", page)
	pid := s.left()

	s.replace("main.go", "Hello from skiff", "Good morning")
	took := s.answers("/hello", "Good morning")
	t.Logf("Go, save to served: %v (processes before: %v)", took, pid)
	s.says(" ms)") // some time is told
	// A process answers before its log line has come through the pipe.
	starts := func() int { return strings.Count(s.text(), "listening on") }
	s.within(10*time.Second, "the second start is in the log", func() bool { return starts() >= 2 })
	if n := starts(); n != 2 {
		t.Errorf("the server was started %d times, want twice", n)
	}
}

func TestABrokenBuildKeepsTheOldProcess(t *testing.T) {
	t.Parallel()
	s := hello(t).start("dev")
	s.answers("/hello", "Hello")
	s.says("Watching for changes")
	s.replace("main.go", "func main() {", "func main() { oops")
	s.says("undefined: oops")
	s.answers("/hello", "Hello")
	s.replace("main.go", "func main() { oops", "func main() {\n\tlog.Print(\"mended\")")
	s.says("mended")
	s.answers("/hello", "Hello")
}

func TestTheEndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"Ctrl-C": os.Interrupt, "SIGTERM": syscall.SIGTERM, "SIGKILL": os.Kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := hello(t).start("dev")
			s.answers("/", "static page")
			if len(s.left()) == 0 {
				t.Fatal("the test does not see the process")
			}
			if err := s.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			<-s.done
			s.leavesNothing()
		})
	}
}

func TestACrashIsToldAndTheProcessComesBack(t *testing.T) {
	t.Parallel()
	p := hello(t)
	p.replace("main.go", `http.HandleFunc("GET /healthz"`, `http.HandleFunc("GET /die", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	http.HandleFunc("GET /healthz"`)
	s := p.start("dev")
	s.answers("/", "static page")
	s.says("Watching for changes")
	get(s.port, "/die")
	s.says(`ended with exit code 7`)
	s.answers("/", "static page") // the first restart is at once
	get(s.port, "/die")
	s.says("it is started again in 10s")
	s.replace("main.go", "os.Exit(7)", "panic(7)") // a change does not wait for the back-off
	s.answers("/", "static page")
}

func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	p := hello(t)
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", p.port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := p.start("dev")
	s.says(fmt.Sprintf("port %d is taken by another program; it is ", p.port))
	s.says("Everything runs")

	fixed := copyExample(t, "hello")
	fixed.replace("Dockerfile", "PORT=8080 ", "")
	fixed.replace("k8s/hello.yaml", "containerPort: 8080", fmt.Sprintf("containerPort: %d", p.port))
	s = fixed.start("dev")
	s.says(fmt.Sprintf("port %d is taken by another program, and the program does not take its port from PORT or an argument", p.port))
}

func TestAChangedManifestRestartsOnlyWhatItChanges(t *testing.T) {
	t.Parallel()
	s := hello(t).start("dev")
	s.answers("/", "static page")
	s.says("Watching for changes")
	s.replace("k8s/hello.yaml", "  - port: 80\n", "  - port: 81\n")
	s.says("deploy again: k8s/hello.yaml changed")
	s.within(10*time.Second, "the pass ends", func() bool { return strings.Count(s.text(), "Watching for changes") == 2 })
	if strings.Count(s.text(), "listening on") != 1 {
		t.Error("a changed Service restarted the server")
	}
	s.replace("k8s/hello.yaml", "        ports:\n", "        env:\n        - name: PAGES\n          value: /none\n        ports:\n")
	s.within(10*time.Second, "the server is started anew", func() bool { return strings.Count(s.text(), "listening on") == 2 })
	s.answers("/", "404")
}

func TestGuestbook(t *testing.T) {
	t.Parallel()
	p := copyExample(t, "guestbook")
	p.port = 8081
	s := p.start("dev", "--target=local")
	s.says("Everything runs")
	s.answers("/", "Guestbook")
	s.answers("/sign?name=ann", "ann")
	s.replace("k8s/config.yaml", "Guestbook", "Visitors")
	s.answers("/", "Visitors")
}
