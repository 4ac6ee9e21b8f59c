package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// sample is a small image made through the same road as the real ones, and how often its layer was written.
func sample(t *testing.T, c *cluster, written *int) built {
	t.Helper()
	l := layer{name: "sample", recipe: "1", write: func(_ context.Context, _ string, out io.Writer) error {
		*written++
		return writeBusybox(out, []byte("program"), []string{"sh", "busybox"})
	}}
	b, _, err := c.makeLayer(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	image, err := makeImage(recipe{[]string{"sample:1"}, []string{"sample"}, object{"Cmd": []string{"sh"}}}, map[string]blob{"sample": b})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestALayerIsMadeOncePerRecipe(t *testing.T) {
	c, written := scratch(t), 0
	if err := os.MkdirAll(c.path("images"), 0o755); err != nil {
		t.Fatal(err)
	}
	first, second := sample(t, c, &written), sample(t, c, &written)
	if written != 1 || first.id() != second.id() {
		t.Errorf("written %d times, ids %s and %s", written, first.id(), second.id())
	}
	left, err := filepath.Glob(c.path("images", "*.work"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestAnArchiveHoldsWhatEnginesRead(t *testing.T) {
	c, written := scratch(t), 0
	if err := os.MkdirAll(c.path("images"), 0o755); err != nil {
		t.Fatal(err)
	}
	image := sample(t, c, &written)
	archive, end := image.stream()
	defer end()
	files := map[string][]byte{}
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if sha256Of(files[manifest[0].Config]) != image.id() || !slices.Equal(manifest[0].RepoTags, []string{"sample:1"}) {
		t.Errorf("manifest %+v", manifest)
	}
	if got := sha256Of(files[manifest[0].Layers[0]]); got != image.layers[0].Digest {
		t.Errorf("layer %s, want %s", got, image.layers[0].Digest)
	}
}

// shelf is as much of a registry as a push needs.
type shelf struct {
	mu     sync.Mutex
	things map[string][]byte
	puts   int
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Method == http.MethodPost:
		w.Header().Set("Location", r.URL.Path+"1?_state=x")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/uploads/"):
		if digest := r.URL.Query().Get("digest"); digest != sha256Of(body) || r.URL.Query().Get("_state") != "x" {
			http.Error(w, "bad upload", http.StatusBadRequest)
			return
		}
		s.puts++
		s.things["/v2/library/sample/blobs/"+r.URL.Query().Get("digest")] = body
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPut:
		s.puts++
		s.things[r.URL.Path] = body
		w.WriteHeader(http.StatusCreated)
	case s.things[r.URL.Path] == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Docker-Content-Digest", sha256Of(s.things[r.URL.Path]))
	}
}

func TestAPushSendsOnlyWhatIsMissing(t *testing.T) {
	c, written := scratch(t), 0
	if err := os.MkdirAll(c.path("images"), 0o755); err != nil {
		t.Fatal(err)
	}
	image := sample(t, c, &written)
	store := &shelf{things: map[string][]byte{}}
	server := httptest.NewServer(store)
	defer server.Close()
	for _, tt := range []struct {
		name  string
		tag   string
		fresh bool
		puts  int
	}{
		{"all of it at first", "sample:1", true, 3},
		{"nothing the second time", "sample:1", false, 3},
		{"only the manifest under another tag", "sample:2", true, 4},
	} {
		fresh, err := registry{server.URL}.push(t.Context(), image, tt.tag)
		if fresh != tt.fresh || err != nil || store.puts != tt.puts {
			t.Errorf("%s: push = %v, %v with %d uploads; want %v with %d", tt.name, fresh, err, store.puts, tt.fresh, tt.puts)
		}
	}
	manifest := store.things["/v2/library/sample/manifests/1"]
	if !bytes.Contains(manifest, []byte(image.id())) {
		t.Errorf("manifest %s does not name %s", manifest, image.id())
	}
}

func TestRecipesNameLayersThatExist(t *testing.T) {
	sources, seen := scratch(t).layerSources(), map[string]bool{}
	for _, r := range recipes() {
		for _, name := range r.layers {
			if sources[name] == nil {
				t.Errorf("%v: no layer %q", r.names, name)
			}
		}
		for _, name := range r.names {
			if seen[name] {
				t.Errorf("%s is made twice", name)
			}
			seen[name] = true
		}
	}
}

func TestRepository(t *testing.T) {
	for _, tt := range []struct{ name, path, tag string }{
		{"python:3.12-slim", "library/python", "3.12-slim"},
		{"team/app:1", "team/app", "1"},
	} {
		if path, tag := repository(tt.name); path != tt.path || tag != tt.tag {
			t.Errorf("repository(%q) = %q, %q", tt.name, path, tag)
		}
	}
}

func TestStreamError(t *testing.T) {
	if err := streamError("{\"status\":\"Pulling\"}\n{\"error\":\"no such image\"}\n"); err == nil || err.Error() != "engine: no such image" {
		t.Errorf("streamError = %v", err)
	}
	if err := streamError("{\"status\":\"Pulling\"}\nno json\n"); err != nil {
		t.Errorf("streamError = %v", err)
	}
}
