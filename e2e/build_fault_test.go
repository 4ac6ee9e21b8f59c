//go:build e2e

package e2e

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// engineStep is a step that only the engine can make, and that no earlier build made.
func (p *project) engineStep() {
	p.replace("Dockerfile", "WORKDIR /srv\n", "WORKDIR /srv\nRUN echo "+p.namespace+"; sleep 3\n")
}

// registryProxy stands before the registry and can fail.
type registryProxy struct {
	host   string
	refuse atomic.Bool  // every upload is refused, after its beginning was read
	cuts   atomic.Int64 // how many uploads are cut off in the middle
	slow   atomic.Bool
	seen   atomic.Int64 // uploads
}

func newRegistryProxy(t *testing.T) *registryProxy {
	t.Helper()
	needRegistry(t)
	to := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", world.cluster.registry
			r.Out.Host = r.In.Host // the registry names its own places by what it was called
		},
	}
	p := &registryProxy{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upload := r.Method == http.MethodPatch || r.Method == http.MethodPut || r.Method == http.MethodPost
		if upload {
			p.seen.Add(1)
		}
		if upload && p.refuse.Load() {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"the disk is full"}]}`)
			return
		}
		if upload && p.cuts.Add(-1) >= 0 {
			_, _ = io.CopyN(io.Discard, r.Body, 512)
			panic(http.ErrAbortHandler)
		}
		if upload && p.slow.Load() {
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
				return
			}
		}
		to.ServeHTTP(w, r)
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { _ = s.Close(); wg.Wait() })
	p.host = strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
	return p
}

func TestARegistryThatFailsInTheMiddleOfAPushIsExplainedAndTheNextBuildPushes(t *testing.T) {
	t.Parallel()
	reg := newRegistryProxy(t)
	p := box(t).freshCache()
	p.flags = append(p.flags, "--default-repo="+reg.host+"/"+p.namespace)
	reg.refuse.Store(true)
	r := p.skiff("build", "-q")
	if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "error: ") || !strings.Contains(r.stderr, "box") {
		t.Errorf("it ended with %d, printed %q and says %q", r.code, r.stdout, r.stderr)
	}
	if reg.seen.Load() == 0 {
		t.Error("nothing was ever sent to the registry: this tested nothing")
	}
	// Connections that break, and answers that take long, are no reason to give up.
	reg.refuse.Store(false)
	reg.slow.Store(true)
	reg.cuts.Store(2)
	r = p.must("build", "-q")
	if !strings.Contains(r.stdout, reg.host) || !strings.Contains(r.stdout, "@sha256:") {
		t.Errorf("the next build printed %s", r.stdout)
	}
}

// engineProxy is a socket before the engine's, whose connections can be cut.
func engineProxy(t *testing.T) (socket string, cut func()) {
	t.Helper()
	const engine = "/var/run/docker.sock"
	if _, err := os.Stat(engine); err != nil {
		t.Skip("there is no engine at " + engine)
	}
	dir, err := os.MkdirTemp("", "sock") // the path of a socket may not be long
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", engine)
			if err != nil {
				in.Close()
				continue
			}
			mu.Lock()
			open = append(open, in, out)
			mu.Unlock()
			wg.Go(func() { _, _ = io.Copy(out, in); out.Close() })
			wg.Go(func() { _, _ = io.Copy(in, out); in.Close() })
		}
	})
	cut = func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	}
	t.Cleanup(func() { cut(); wg.Wait(); os.RemoveAll(dir) })
	return socket, cut
}

func TestAnEngineThatDiesDuringABuildIsExplained(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	p.engineStep()
	socket, cut := engineProxy(t)
	p.env = append(p.env, "DOCKER_HOST=unix://"+socket)
	s := p.start("build", "--event-log-file=../events.json")
	s.says(0, "RUN echo "+p.namespace)
	cut()
	if !s.endsWithin(patience) {
		t.Fatal("it waits for an engine that is gone")
	}
	if out := s.out.String(); s.code() != 1 || !strings.Contains(out, "error: ") {
		t.Errorf("it ended with %d and says %s", s.code(), out)
	}
	p.env = append(p.env, "DOCKER_HOST=")
	p.must("build", "-q")
}

func TestACacheFolderOnAFullDiskCostsTheCacheOnly(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root makes a small file system")
	}
	p := box(t)
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no small file system can be made here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 60<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "XDG_CACHE_HOME="+dir)
	r := p.must("build")
	if !strings.Contains(r.stdout+r.stderr, "no space left on device") {
		t.Errorf("a cache that cannot be written is not told: %s%s", r.stdout, r.stderr)
	}
	p.must("build", "-q")
}

func TestASpoiledCacheIsToldAndMadeAnew(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	file := p.path("../images")
	p.must("build", "--cache-file="+file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	const log = "../events.json"
	r := p.must("build", "--cache-file="+file, "--event-log-file="+log)
	if !strings.Contains(r.stdout, "spoiled") {
		t.Errorf("it does not say that the cache is spoiled: %s", r.stdout)
	}
	if got := p.builds(log)["box"]; !strings.HasPrefix(got, "built: ") {
		t.Errorf("box was %q", got)
	}
	p.must("build", "--cache-file="+file, "--event-log-file="+log)
	p.wantBuilds(log, map[string]string{"box": "found"})
}

func TestADockerfileThatReadsOutsideOfItsContextIsExplained(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	p.replace("Dockerfile", "COPY data.cfg .", "COPY ../secret.txt .")
	if err := os.WriteFile(filepath.Join(filepath.Dir(p.dir), "secret.txt"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := p.skiff("build")
	if r.code != 1 || !strings.Contains(r.stderr, "Dockerfile:4") || !strings.Contains(r.stderr, "secret.txt") {
		t.Errorf("it ended with %d and says %s", r.code, r.stderr)
	}
}
