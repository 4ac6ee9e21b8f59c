package image

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/tree"
)

// index is an index of files that is not kept.
func index(t *testing.T) *tree.Index {
	t.Helper()
	x, err := tree.OpenIndex("")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// testRegistry is a registry in this process that counts what it is asked.
type testRegistry struct {
	host  string
	mu    sync.Mutex
	asked []string
}

func newTestRegistry(t *testing.T) *testRegistry {
	t.Helper()
	r := &testRegistry{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		if req.URL.Path != "/v2/" {
			r.asked = append(r.asked, req.Method+" "+req.URL.Path)
		}
		r.mu.Unlock()
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(s.Close)
	r.host = strings.TrimPrefix(s.URL, "http://")
	return r
}

// push puts an image into the registry and returns its digest.
func (r *testRegistry) push(t *testing.T, ref string) string {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := name.ParseReference(r.host + "/" + ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(parsed, img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	r.asked = nil
	return digest.String()
}

// testEngine has images by ID, with their names.
type testEngine struct {
	images map[string][]string
	digest string // what a push answers
	did    []string
}

func (e *testEngine) Inspect(_ context.Context, ref string) (engine.Image, error) {
	tags, ok := e.images[ref]
	if !ok {
		return engine.Image{}, engine.ErrNotFound
	}
	return engine.Image{ID: ref, Tags: tags}, nil
}

func (e *testEngine) Tag(_ context.Context, source, target string) error {
	if _, ok := e.images[source]; !ok {
		return engine.ErrNotFound
	}
	e.did = append(e.did, "tag "+target)
	e.images[source] = append(e.images[source], target)
	return nil
}

func (e *testEngine) Pull(_ context.Context, ref string, _ func(string)) error {
	e.did = append(e.did, "pull "+ref)
	if _, ok := e.images[e.digest]; !ok {
		return engine.ErrNotFound
	}
	e.images[ref] = nil
	return nil
}

func (e *testEngine) Push(_ context.Context, ref string, _ func(string)) (string, error) {
	e.did = append(e.did, "push "+ref)
	return e.digest, nil
}

func TestFindProvesWhatItFinds(t *testing.T) {
	reg := newTestRegistry(t)
	digest := reg.push(t, "web:old")
	gone := "sha256:" + strings.Repeat("0", 64)
	const id = "sha256:feed"
	for _, tt := range []struct {
		name   string
		saved  Result
		push   bool
		tag    string
		engine *testEngine
		want   Result
		found  bool
		asked  []string
		did    []string
	}{
		{"an image with its tag costs one HEAD", Result{Digest: digest, WorkDir: "/w"}, true, "old", nil,
			Result{Ref: "/web:old@" + digest, Digest: digest, WorkDir: "/w", Cached: "registry", Pushed: true}, true,
			[]string{"HEAD /v2/web/manifests/old"}, nil},
		{"an image under another tag is tagged in the registry", Result{Digest: digest}, true, "new", nil,
			Result{Ref: "/web:new@" + digest, Digest: digest, Cached: "registry", Pushed: true}, true, nil, nil},
		{"an image that the registry lost is pushed again where the engine has it", Result{Digest: gone, ID: id}, true, "old",
			&testEngine{images: map[string][]string{id: nil}, digest: "sha256:again"},
			Result{Ref: "/web:old@sha256:again", Digest: "sha256:again", ID: id, Cached: "engine", Pushed: true}, true, nil,
			[]string{"tag /web:old", "push /web:old"}},
		{"an image that is nowhere is built", Result{Digest: gone, ID: id}, true, "old", &testEngine{}, Result{}, false, nil, nil},
		{"an image in the engine is named by its ID", Result{ID: id, WorkDir: "/"}, false, "new",
			&testEngine{images: map[string][]string{id: nil}},
			Result{Ref: "/web:feed", ID: id, WorkDir: "/", Cached: "engine"}, true, nil, []string{"tag /web:new", "tag /web:feed"}},
		{"an image that the engine lost is built", Result{ID: id}, false, "new", &testEngine{}, Result{}, false, nil, nil},
		{"without an engine nothing is found in it", Result{ID: id}, false, "new", nil, Result{}, false, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg.asked = nil
			o := CacheOptions{File: filepath.Join(t.TempDir(), "state", "images.json"), Registry: NewRegistry(nil, nil)}
			if tt.engine != nil {
				o.Engine = tt.engine
			}
			if err := NewCache(o).Save("key", tt.saved); err != nil {
				t.Fatal(err)
			}
			r := Request{Artifact: &config.Artifact{Image: "web"}, Ref: reg.host + "/web:" + tt.tag, Push: tt.push}
			cache := NewCache(o) // a new session, which reads the file
			got, ok := cache.Find(t.Context(), r, "key")
			got.Ref = strings.TrimPrefix(got.Ref, reg.host)
			if tt.found {
				tt.want.Image = "web"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.found {
				t.Errorf("found %v (-want +got):\n%s", ok, diff)
			}
			if _, ok := cache.Find(t.Context(), r, "another key"); ok {
				t.Error("found what was never saved")
			}
			if tt.asked != nil && !cmp.Equal(tt.asked, reg.asked) {
				t.Errorf("asked the registry %q", reg.asked)
			}
			if tt.engine != nil {
				for i := range tt.engine.did {
					tt.engine.did[i] = strings.Replace(tt.engine.did[i], reg.host, "", 1)
				}
				if diff := cmp.Diff(tt.did, tt.engine.did); diff != "" {
					t.Errorf("the engine did (-want +got):\n%s", diff)
				}
			}
			if !tt.found || !tt.push || tt.engine != nil {
				return
			}
			if now, err := NewRegistry(nil, nil).Digest(t.Context(), reg.host+"/web:"+tt.tag); err != nil || now != digest {
				t.Errorf("the tag points at %s, %v", now, err)
			}
		})
	}
}

func TestSessionsShareOneFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "images.json")
	var wg sync.WaitGroup
	for s := range 4 {
		c := NewCache(CacheOptions{File: file})
		wg.Go(func() {
			for i := range 10 {
				if err := c.Save(fmt.Sprintf("%d-%d", s, i), Result{Digest: "d"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(must(readEntries(file))); n != 40 {
		t.Errorf("%d entries of 40", n)
	}
	left, err := filepath.Glob(file + ".*")
	if err != nil || len(left) > 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestABrokenFileIsAnEmptyCache(t *testing.T) {
	for _, text := range []string{"", "{", "null", "[]", `{"a": 1}`} {
		file := filepath.Join(t.TempDir(), "images.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := NewCache(CacheOptions{File: file})
		if _, ok := c.lookup("a"); ok {
			t.Errorf("%q: found something", text)
		}
		if err := c.Save("b", Result{ID: "i"}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if len(must(readEntries(file))) != 1 {
			t.Errorf("%q: not mended", text)
		}
	}
}

func TestTheKeyChangesWithWhatDecidesAboutTheImage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(file)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("a/f", "one", 0o644)
	r := Request{Artifact: &config.Artifact{Image: "web", Context: dir}, Ref: "reg/web:1"}
	f := &fake{files: []string{filepath.Join(dir, "a", "f"), filepath.Join(dir, "b", "f")}}
	c := NewCache(CacheOptions{Index: index(t)})
	seen := map[string]string{}
	step := func(what string, change func(), same bool) {
		t.Helper()
		change()
		key, err := c.Key(t.Context(), f, r)
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := seen[key]; ok != same {
			t.Errorf("%s: same key as %q: %v, want %v", what, before, ok, same)
		}
		seen[key] = what
	}
	step("at first", func() {}, false)
	step("nothing changed", func() {}, true)
	step("another tag", func() { r.Ref = "reg/web:2" }, true)
	step("the content", func() { write("a/f", "two", 0o644) }, false)
	step("the mode", func() { write("a/f", "two", 0o755) }, false)
	step("moved to another folder", func() {
		if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
			t.Fatal(err)
		}
	}, false)
	step("another registry", func() { r.Ref = "other/web:2" }, false)
	step("pushed", func() { r.Push = true }, false)
	step("the platform", func() { r.Platform = "linux/arm64" }, false)
	step("a required image", func() { r.Needs = map[string]Result{"BASE": {Ref: "reg/base:1@sha256:1", Digest: "sha256:1"}} }, false)
	step("only the tag of the required image", func() { r.Needs = map[string]Result{"BASE": {Ref: "reg/base:2@sha256:1", Digest: "sha256:1"}} }, true)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
