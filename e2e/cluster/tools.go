package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// output runs a program to its end and returns what it printed; what it complained about is in the error.
func output(ctx context.Context, name string, args ...string) (string, error) {
	return pipe(ctx, nil, name, args...)
}

// pipe is output with standard input.
func pipe(ctx context.Context, in io.Reader, name string, args ...string) (string, error) {
	program, err := lookPath(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &complaints
	cmd.Env = baseEnv(os.Getenv)
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(complaints.String(), 600))
	}
	return out.String(), nil
}

// stream runs a program whose output is the result.
func stream(ctx context.Context, out io.Writer, name string, args ...string) error {
	program, err := lookPath(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &complaints
	cmd.Env = baseEnv(os.Getenv)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, tail(complaints.String(), 600))
	}
	return nil
}

// logged runs a long job with its output in a log file, and ends it and all its children with the context. It bears marks as
// a part does: when a driver is killed, the next one finds the job that goes on, and ends it.
func (c *cluster) logged(ctx context.Context, log string, env []string, dir, name string, args ...string) error {
	program, err := lookPath(name)
	if err != nil {
		return err
	}
	old, err := c.processes(log)
	if err != nil {
		return err
	}
	if err := c.stop(ctx, old, time.Second); err != nil {
		return err
	}
	path := c.path("log", log+".log")
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(env, marks(log, c.home, "")...), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return &partError{fmt.Errorf("%s: %w", name, err), path}
	}
	return nil
}

func tail(text string, n int) string {
	text = strings.TrimSpace(text)
	return text[max(0, len(text)-n):]
}

// buildKube builds the Kubernetes binary, unless one of the same sources is there.
func (c *cluster) buildKube(ctx context.Context, path string) (string, error) {
	if _, err := os.Stat(path); err == nil {
		return "built before", nil
	}
	dir := c.source + "/kube"
	env := append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off")
	if err := c.logged(ctx, "build-kube", env, dir, goProgram(), "build", "-ldflags=-s -w", "-o", path+".new", "."); err != nil {
		return "", err
	}
	return "built", os.Rename(path+".new", path)
}

// kubePath names the binary by its sources and its compiler.
func (c *cluster) kubePath(ctx context.Context) (string, error) {
	sources, err := sourceDigest(os.DirFS(c.source + "/kube"))
	if err != nil {
		return "", err
	}
	version, err := output(ctx, goProgram(), "env", "GOVERSION")
	return c.path("bin", "kube-"+digest(sources, strings.TrimSpace(version))), err
}

// goProgram is the go command that the user's PATH has.
func goProgram() string {
	if path, err := exec.LookPath("go"); err == nil {
		return path
	}
	return "/usr/local/go/bin/go"
}
