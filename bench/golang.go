package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/sync/errgroup"
)

// measureGo changes one line of a Go program and takes the time of `skiff build`, from just before the process starts until its manifest
// is in a registry on this machine, beside that of `go build` alone after the same change in a second copy.
func measureGo(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("%d changes each, by turns, medians; a web server of the standard library, no base image; clock: the wall", l.runs), Samples: map[string][]float64{}}
	host, stop, err := serveRegistry()
	if err != nil {
		return r, err
	}
	defer stop()
	ours, theirs := filepath.Join(l.tmp, "go-skiff"), filepath.Join(l.tmp, "go-build")
	for _, dir := range []string{ours, theirs} {
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(l.root, "examples", "golang"))); err != nil {
			return r, err
		}
	}
	if err := commit(ctx, ours); err != nil {
		return r, err
	}
	roads := []struct {
		name, dir string
		args      []string
	}{
		{"go build", theirs, []string{"go", "build", "-trimpath", "-o", filepath.Join(l.tmp, "greeter"), "."}},
		{"skiff build", ours, []string{l.skiff, "build", "-q", "--default-repo=" + host, "--push"}},
	}
	for i := range l.runs + 1 {
		for _, road := range roads {
			greeting := fmt.Sprintf("package main\n\nfunc init() { println(\"change %d of %d\") }\n", i, time.Now().UnixNano())
			if err := put(filepath.Join(road.dir, "change.go"), greeting); err != nil {
				return r, err
			}
			cmd := exec.CommandContext(ctx, road.args[0], road.args[1:]...)
			cmd.Dir, cmd.Env = road.dir, append(l.environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
			begin := time.Now()
			text, err := cmd.CombinedOutput()
			took := time.Since(begin)
			if err != nil {
				return r, fmt.Errorf("%s: %w: %s", road.name, err, text)
			}
			if i > 0 { // the first fills the caches
				r.Samples[road.name] = append(r.Samples[road.name], milliseconds(took))
			}
		}
	}
	alone, whole := median(r.Samples["go build"]), median(r.Samples["skiff build"])
	allowed := alone*1.1 + 100
	over := row("go", "skiff build: change to manifest", "ms", whole)
	over.Target = &allowed
	r.Rows = append(r.Rows, row("go", "go build alone", "ms", alone), over)
	return r, nil
}

// serveRegistry is a registry in memory, on this machine.
func serveRegistry() (host string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: time.Minute}
	var g errgroup.Group
	g.Go(func() error { return server.Serve(listener) })
	return listener.Addr().String(), func() {
		_ = server.Close()
		_ = g.Wait() // it says that it was closed
	}, nil
}
