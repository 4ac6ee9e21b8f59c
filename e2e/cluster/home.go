package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// runDir holds sockets and mounts only: a socket's path must stay under 108 bytes, and nothing in it outlives a reboot.
const runDir = "/run/skiff-e2e"

// cluster is one cluster: where it is kept, and how it tells what it does.
type cluster struct {
	home   string // all state and everything built
	source string // the folder of this module
	tell   *teller
	getenv func(string) string
}

func newCluster(getenv func(string) string) (*cluster, error) {
	home, err := homeDir(getenv)
	if err != nil {
		return nil, err
	}
	source, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(source, "kube", "go.mod")); err != nil {
		return nil, errors.New("must run in e2e/cluster; use make cluster, or go -C e2e/cluster run . up")
	}
	c := &cluster{home: home, source: source, tell: newTeller(os.Stdout), getenv: getenv}
	for _, dir := range []string{"bin", "etc", "images", "log"} {
		if err := os.MkdirAll(c.path(dir), 0o755); err != nil {
			return nil, err
		}
	}
	// The kernel's list of mounts has real paths.
	if c.home, err = filepath.EvalSymlinks(home); err != nil {
		return nil, err
	}
	return c, os.MkdirAll(runDir, 0o711)
}

// homeDir is where a cluster keeps all it has, for the given environment.
func homeDir(getenv func(string) string) (string, error) {
	if dir := getenv("SKIFF_E2E_HOME"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "skiff-e2e"), nil
	}
	if dir := getenv("HOME"); dir != "" {
		return filepath.Join(dir, ".cache", "skiff-e2e"), nil
	}
	return "", errors.New("neither SKIFF_E2E_HOME nor HOME is set")
}

func (c *cluster) path(elem ...string) string {
	return filepath.Join(append([]string{c.home}, elem...)...)
}

// lock waits until no other driver works on this folder.
func (c *cluster) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(c.path("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if !told {
			c.tell.say("waiting for another run of cluster to end")
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// wait returns after d, or with the context's error before.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// writeFile writes only what differs and never leaves half a file.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return os.Chmod(path, mode)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", data, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// digest names content: the same parts in the same order give the same short name, and no two lists of parts give the same.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// sourceDigest names the content of a module's own files; tests do not count.
func sourceDigest(dir fs.FS) (string, error) {
	var parts []string
	err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isSource(path) {
			return err
		}
		data, err := fs.ReadFile(dir, path)
		parts = append(parts, path, string(data))
		return err
	})
	return digest(parts...), err
}

func isSource(path string) bool {
	if strings.HasSuffix(path, "_test.go") {
		return false
	}
	return strings.HasSuffix(path, ".go") || path == "go.mod" || path == "go.sum"
}

// until repeats an attempt until it succeeds.
func until(ctx context.Context, patience time.Duration, attempt func(context.Context) error) error {
	deadline := time.Now().Add(patience)
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := attempt(once)
		cancel()
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("gave up after %s: %w", patience, err)
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
