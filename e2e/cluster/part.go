package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// part is one long-running program of the cluster.
type part struct {
	name  string
	args  []string // the command line; the program first
	files []string // configuration it reads: when their content changes, it is started again
	ports []int    // what it listens on; nothing else may
	ready func(context.Context) error
	// before clears away what a killed predecessor left; it runs only when the part is about to start.
	before func(context.Context) error
	// orphans says that its child processes go on without it and are found again by the next one.
	orphans bool
	grace   time.Duration // from the polite signal to the hard one; 0 means 10 s
}

// errEnded is the failure of a part that did not stay.
var errEnded = errors.New("ended by itself")

// partError is a failure of a part with the place of its log.
type partError struct {
	err error
	log string
}

func (e *partError) Error() string { return e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// run sees to it that the part runs as described and is ready: what runs is left alone, what died or was described
// differently is started anew.
func (c *cluster) run(ctx context.Context, p part) (string, error) {
	log := c.path("log", p.name+".log")
	spec, err := p.spec()
	if err != nil {
		return "", err
	}
	mine, err := c.processes(p.name)
	if err != nil {
		return "", err
	}
	note := "started"
	leader, running := leaderOf(mine)
	if running && leader.spec == spec {
		note = "already runs"
	} else {
		if running {
			note = "started again: its settings changed"
		}
		if leader, err = c.restart(ctx, p, spec, log, mine); err != nil {
			return "", &partError{err, log}
		}
	}
	if err := c.await(ctx, p, leader); err != nil {
		return "", &partError{err, log}
	}
	return note, nil
}

// spec names all that decides how a part runs.
func (p part) spec() (string, error) {
	words := append([]string{p.name}, p.args...)
	for _, file := range p.files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		words = append(words, file, string(data))
	}
	return digest(words...), nil
}

func (c *cluster) restart(ctx context.Context, p part, spec, log string, mine []process) (process, error) {
	stop := mine
	if p.orphans {
		stop = nil
		if leader, ok := leaderOf(mine); ok {
			stop = []process{leader}
		}
	}
	if err := c.stop(ctx, stop, p.grace); err != nil {
		return process{}, err
	}
	for _, port := range p.ports {
		if err := free(ctx, port); err != nil {
			return process{}, err
		}
	}
	if p.before != nil {
		if err := p.before(ctx); err != nil {
			return process{}, err
		}
	}
	return c.start(p, spec, log)
}

// start leaves the part in a session of its own, so that it outlives the driver and its terminal. The marks in its
// environment are its identity: they die with it, while a pid in a file may be another program's the next day.
func (c *cluster) start(p part, spec, log string) (process, error) {
	program, err := lookPath(p.args[0])
	if err != nil {
		return process{}, err
	}
	_ = os.Rename(log, log+".old") // there is none the first time
	out, err := os.Create(log)
	if err != nil {
		return process{}, err
	}
	defer out.Close()
	cmd := exec.Command(program, p.args[1:]...)
	cmd.Dir = c.home
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(baseEnv(c.getenv), marks(p.name, c.home, spec)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("start %s: %w", p.name, err)
	}
	return process{pid: cmd.Process.Pid, part: p.name, spec: spec, leader: true}, nil
}

// await waits until the part is ready, but not longer than it lives.
func (c *cluster) await(ctx context.Context, p part, leader process) error {
	const patience = 2 * time.Minute
	deadline := time.Now().Add(patience)
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := p.ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if !alive(leader.pid) {
			return fmt.Errorf("%s %w", p.name, errEnded)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s: %w", p.name, patience, err)
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// free waits a moment for a port: the threads of a predecessor may outlive its main one and hold it a little longer.
func free(ctx context.Context, port int) error {
	return until(ctx, 3*time.Second, func(context.Context) error {
		if answers(port) {
			return fmt.Errorf("port %d is taken by a program that this cluster did not start; \"ss -ltnp sport = :%d\" names it", port, port)
		}
		return nil
	})
}

// answers says whether something on this machine accepts connections to the port.
func answers(port int) bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookPath also finds what a plain user's PATH leaves out: dockerd, debootstrap and iptables are in /usr/sbin.
func lookPath(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for dir := range strings.SplitSeq(systemPath, ":") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// baseEnv is the small environment that parts and tools run in: a fixed PATH, and the proxy for engines that pull.
func baseEnv(getenv func(string) string) []string {
	env := []string{"PATH=" + systemPath, "HOME=" + getenv("HOME"), "LC_ALL=C.UTF-8"}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		if value := getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return append(env, "NO_PROXY=localhost,127.0.0.0/8,10.0.0.0/8,192.168.0.0/16,172.16.0.0/12,.svc,.cluster.local,"+getenv("NO_PROXY"))
}

// lastLines reads the end of a log, without blank lines.
func lastLines(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 64<<10 {
		_, _ = f.Seek(-64<<10, io.SeekEnd)
	}
	data, _ := io.ReadAll(f)
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line[:min(len(line), 300)])
		}
	}
	return lines[max(0, len(lines)-n):]
}
