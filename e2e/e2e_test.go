//go:build e2e

// Package e2e drives the real skiff against a real cluster, as a user does, and looks at what came of it: in the containers, on
// the API server, in the registry, behind the local port.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// world is what all tests share; TestMain makes it, and nobody changes it.
var world struct {
	skiff   string // the program under test
	cache   string // its cache folder, unless a test wants one of its own
	cluster *cluster
	broken  error // why there is no cluster
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "skiff-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := begin(m, dir)
	_ = os.RemoveAll(dir) // a leftover in the temporary folder harms nobody
	os.Exit(code)
}

func begin(m *testing.M, dir string) int {
	world.cache = filepath.Join(dir, "cache")
	world.skiff = os.Getenv("SKIFF")
	if world.skiff == "" {
		world.skiff = filepath.Join(dir, "skiff")
		build := exec.Command("go", "build", "-o", world.skiff, "../cmd/skiff")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build skiff:", err)
			return 1
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	world.cluster, world.broken = connect(ctx)
	return m.Run()
}

// patience is how long anything that should happen by itself may take on a busy machine.
const patience = 45 * time.Second

// commandTime is how long one command may take: an example compiles Go in a container that has no build cache.
const commandTime = 5 * time.Minute

// until waits for ok, and fails the test when that takes longer than patience.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, patience, what, ok)
}

func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	if !wait(t, limit, ok) {
		t.Fatalf("after %s still waiting until %s", limit, what)
	}
}

// wait is whether ok became true within limit.
func wait(t *testing.T, limit time.Duration, ok func() bool) bool {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			return ok()
		case <-t.Context().Done():
			return false
		}
	}
	return true
}
