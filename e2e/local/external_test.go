//go:build e2e && unix

package local

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// withRedis is the guestbook that keeps its names in a redis, on ports of its own.
func withRedis(t *testing.T) *project {
	p := copyExample(t, "guestbook")
	p.port = freePort(t)
	p.replace("k8s/web.yaml", "8081", strconv.Itoa(p.port))
	p.replace("k8s/store.yaml", "8082", strconv.Itoa(freePort(t)))
	return p
}

// TestGuestbookWithARealRedis runs the server that skiff.yaml describes beside the services, and ends it with them.
func TestGuestbookWithARealRedis(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on this machine; make setup installs it")
	}
	p := withRedis(t)
	redis := strconv.Itoa(freePort(t))
	p.replace("skiff.yaml", "6379", redis)
	s := p.start("dev", "--target=local", "--profile=redis")
	s.says("Everything runs")
	s.answers("/sign?name=ann", "ann")
	s.replace("cmd/store/main.go", "store listens on port", "store listens anew on port")
	s.says("store listens anew on port")
	s.answers("/", "ann") // the store forgot, the redis did not
	if strings.Count(s.text(), "Ready to accept connections") != 1 {
		t.Error("the redis was not started exactly once")
	}
	s.interrupt()
	s.leavesNothing()
	l, err := net.Listen("tcp4", "127.0.0.1:"+redis)
	if err != nil {
		t.Fatalf("the port of the redis is not free: %v", err)
	}
	l.Close()
}

// TestAServerThatIsThereIsOffered has a program of the right name on its PATH.
func TestAServerThatIsThereIsOffered(t *testing.T) {
	t.Parallel()
	p := withRedis(t)
	p.write("skiff.yaml", "")
	p.write("bin/redis-server", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(p.dir, "bin", "redis-server"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.env = []string{"PATH=" + filepath.Join(p.dir, "bin") + ":" + os.Getenv("PATH")}
	s := p.start("dev", "--target=local", "--profile=redis")
	s.says("redis-server is on the PATH; add to skiff.yaml: local: {external: {redis: {command: redis-server --port 6379, port: 6379}}}")
	s.says("Everything runs")
}

// TestAServerThatIsMissing runs what does not need it.
func TestAServerThatIsMissing(t *testing.T) {
	t.Parallel()
	p := withRedis(t)
	p.write("skiff.yaml", "")
	p.replace("k8s/redis/redis.yaml", "redis:7-alpine", "registry.example/nothing-that-is-known:1")
	s := p.start("dev", "--target=local", "--profile=redis")
	s.says("image registry.example/nothing-that-is-known:1 is not built by the project and does not run here; what needs it does not work, the rest does")
	s.says("add to skiff.yaml: local: {external: {nothing-that-is-known: {command: …, port: …}}}")
	s.says("Everything runs")
	s.answers("/healthz", "ok")
}

// TestAPortThatAnotherProgramTakesLater is told, and mends itself.
func TestAPortThatAnotherProgramTakesLater(t *testing.T) {
	t.Parallel()
	p := hello(t)
	p.replace("main.go", `http.HandleFunc("GET /healthz"`, `http.HandleFunc("GET /die", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	http.HandleFunc("GET /healthz"`)
	s := p.start("dev")
	s.answers("/", "static page")
	s.says("Watching for changes")
	get(s.port, "/die")
	s.says("ended with exit code 7")
	s.answers("/", "static page")
	get(s.port, "/die")
	s.says("it is started again in 10s")
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", p.port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.replace("main.go", "os.Exit(7)", "os.Exit(8)")
	s.says(fmt.Sprintf(`port %d of container "hello" is taken by another program`, p.port))
	l.Close()
	s.replace("main.go", "os.Exit(8)", "os.Exit(9)")
	s.answers("/", "static page")
}

// TestStrictParityBeginsNothing holds for every command that would run the project.
func TestStrictParityBeginsNothing(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"dev", "run", "diagnose"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			p := hello(t)
			p.replace("Dockerfile", "FROM golang", "FROM golang:1.1 AS none\nFROM golang") // unused: no difference
			p.replace("k8s/hello.yaml", "        ports:\n", "        resources: {limits: {cpu: 1}}\n        ports:\n")
			s := p.start(command, "--target=local", "--strict-parity")
			s.says("limits are not applied")
			if command == "dev" {
				s.says("Watching for changes")
				s.replace("k8s/hello.yaml", "        resources: {limits: {cpu: 1}}\n", "")
				s.answers("/", "static page")
				if strings.Count(s.text(), "listening on") != 1 {
					t.Error("a process began although something differs")
				}
				return
			}
			<-s.done
			if s.cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("it ended with %d", s.cmd.ProcessState.ExitCode())
			}
			if strings.Contains(s.text(), "listening on") {
				t.Error("a process began although something differs")
			}
		})
	}
}

// TestTheTableStandsAtTheEndOfTheStart comes after what runs, and before the wait for changes.
func TestTheTableStandsAtTheEndOfTheStart(t *testing.T) {
	t.Parallel()
	p := hello(t)
	p.replace("k8s/hello.yaml", "        ports:\n", "        resources: {limits: {cpu: 1}}\n        ports:\n")
	s := p.start("dev")
	s.says("Watching for changes")
	ready, table, end := strings.Index(s.text(), "is ready"), strings.Index(s.text(), "Not as on a cluster:"), strings.Index(s.text(), "Everything runs")
	if ready < 0 || table < ready || end < table {
		t.Errorf("ready at %d, the table at %d, the end at %d", ready, table, end)
	}
}
