package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// measureLocal runs a copy of examples/hello as a process of this machine: how long it takes from nothing to the first answer, and
// from a save to the first answer that shows it. What Go itself takes for the same change is measured beside it, by turns.
func measureLocal(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("examples/hello, asked over HTTP without a pause; %d saves of the page, %d of the server; clock: the wall", l.saves, l.rounds), Samples: map[string][]float64{}}
	h, err := newHello(l)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	if err := h.start(l); err != nil {
		return r, err
	}
	defer h.stop()
	if err := h.until(ctx, "/", "static page"); err != nil {
		return r, err
	}
	r.Rows = append(r.Rows, row("local", "start to the first answer, all of Go's library compiled", "ms", milliseconds(time.Since(begin))))
	// The session must have begun to watch before anything is saved.
	if err := h.until(ctx, "/hello", "Hello"); err != nil {
		return r, err
	}
	if err := wait(ctx, 2*time.Second); err != nil {
		return r, err
	}
	for i := range l.saves {
		took, err := h.save(ctx, "www/index.html", "/", fmt.Sprintf("page-%d", i), "<p>", "<p>page-%d ")
		if err != nil {
			return r, err
		}
		r.Samples["page"] = append(r.Samples["page"], took)
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return r, err
		}
	}
	for i := range l.rounds {
		took, err := h.save(ctx, "main.go", "/hello", fmt.Sprintf("Hello-%d", i), "\"Hello", "\"Hello-%d ")
		if err != nil {
			return r, err
		}
		r.Samples["server"] = append(r.Samples["server"], took)
		if took, err = h.plain(ctx, l, i); err != nil {
			return r, err
		}
		r.Samples["go build and start"] = append(r.Samples["go build and start"], took)
	}
	h.stop()
	begin = time.Now()
	if err := h.start(l); err != nil {
		return r, err
	}
	if err := h.until(ctx, "/", "page-"); err != nil {
		return r, err
	}
	r.Rows = append(r.Rows,
		row("local", "start to the first answer, the library in the compiler's cache", "ms", milliseconds(time.Since(begin))),
		row("local", "page: save to served, p50", "ms", median(r.Samples["page"])),
		row("local", "page: save to served, p99", "ms", percentile(r.Samples["page"], 99)),
		row("local", "Go server: save to served, p50", "ms", median(r.Samples["server"])),
		row("local", "go build and start of it alone, p50", "ms", median(r.Samples["go build and start"])),
	)
	return r, nil
}

// hello is a copy of the example on a port of its own.
type hello struct {
	dir  string
	port int
	cmd  *exec.Cmd
}

func newHello(l *lab) (*hello, error) {
	h := &hello{dir: filepath.Join(l.tmp, "hello")}
	var err error
	if h.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := errors.Join(os.CopyFS(h.dir, os.DirFS(filepath.Join(l.root, "examples", "hello")))); err != nil {
		return nil, err
	}
	port := strconv.Itoa(h.port)
	return h, errors.Join(h.replace("k8s/hello.yaml", "containerPort: 8080", "containerPort: "+port), h.replace("Dockerfile", "PORT=8080", "PORT="+port))
}

func (h *hello) replace(file, old, text string) error {
	name := filepath.Join(h.dir, file)
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(strings.Replace(string(data), old, text, 1)), 0o644)
}

func (h *hello) start(l *lab) error {
	h.cmd = exec.Command(l.skiff, "dev", "--target=local")
	h.cmd.Dir, h.cmd.Env = h.dir, l.environ()
	return h.cmd.Start()
}

func (h *hello) stop() {
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	_ = h.cmd.Wait()
}

// save changes a file and takes the time until the answer shows it.
func (h *hello) save(ctx context.Context, file, path, mark, old, text string) (float64, error) {
	before, err := os.ReadFile(filepath.Join(h.dir, file))
	if err != nil {
		return 0, err
	}
	number := mark[strings.LastIndexByte(mark, '-')+1:]
	begin := time.Now()
	if err := h.replace(file, old, strings.ReplaceAll(text, "%d", number)); err != nil {
		return 0, err
	}
	err = h.until(ctx, path, mark)
	took := milliseconds(time.Since(begin))
	if err != nil {
		return 0, fmt.Errorf("%s, %d bytes: %w", file, len(before), err)
	}
	return took, nil
}

// plain is what the same change takes without skiff: go build, the start of the program, its first answer.
func (h *hello) plain(ctx context.Context, l *lab, i int) (float64, error) {
	other := &hello{dir: filepath.Join(l.tmp, "plain"), port: h.port + 1}
	if err := os.RemoveAll(other.dir); err != nil {
		return 0, err
	}
	if err := os.CopyFS(other.dir, os.DirFS(h.dir)); err != nil {
		return 0, err
	}
	mark := fmt.Sprintf("Plain-%d", i)
	if err := other.replace("main.go", "\"Hello", "\""+mark+" Hello"); err != nil {
		return 0, err
	}
	begin := time.Now()
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", "plain", ".")
	build.Dir, build.Env = other.dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w: %s", err, out)
	}
	other.cmd = exec.CommandContext(ctx, filepath.Join(other.dir, "plain"))
	other.cmd.Dir, other.cmd.Env = other.dir, append(os.Environ(), "PORT="+strconv.Itoa(other.port), "PAGES=www")
	if err := other.cmd.Start(); err != nil {
		return 0, err
	}
	defer other.stop()
	err := other.until(ctx, "/hello", mark)
	return milliseconds(time.Since(begin)), err
}

// until asks until the answer holds a text.
func (h *hello) until(ctx context.Context, path, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		if body, err := fetch(ctx, fmt.Sprintf("http://127.0.0.1:%d%s", h.port, path)); err == nil && strings.Contains(body, text) {
			return nil
		}
		if err := wait(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("%s does not answer %q: %w", path, text, err)
		}
	}
}

func fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return string(data), err
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return ctx.Err()
}
