package nodes

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/engine"
)

func TestClustersByTheirContexts(t *testing.T) {
	for context, want := range map[string]Cluster{
		"kind-dev": {"kind", "dev"}, "kind-a-b": {"kind", "a-b"}, "old@kind": {"kind", "old"}, "k3d-x": {"k3d", "x"}, "minikube": {}, "kind": {}, "my-kind-x": {},
	} {
		if got, ok := Named(context); got != want || ok != (want != Cluster{}) {
			t.Errorf("%s: %+v %v, want %+v", context, got, ok, want)
		}
	}
}

// fakeNodes is an engine with an image and nodes that keep what they are sent.
type fakeNodes struct {
	mu     sync.Mutex
	layers []string // contents
	modern bool     // the engine saves by digest
	images map[string]string
	blobs  map[string]map[string]bool
	broken string // a node on which nothing can be imported
	sent   map[string][]string
}

func (f *fakeNodes) Containers(_ context.Context, labels map[string]string) ([]engine.Container, error) {
	if labels["io.x-k8s.kind.cluster"] != "dev" {
		return nil, nil
	}
	role := func(r string) map[string]string { return map[string]string{"io.x-k8s.kind.role": r} }
	return []engine.Container{
		{ID: "one", Name: "dev-control-plane", Running: true, Labels: role("control-plane")}, {ID: "two", Name: "dev-worker", Running: true, Labels: role("worker")},
		{ID: "lb", Name: "dev-lb", Running: true, Labels: role("external-load-balancer")}, {ID: "off", Name: "dev-worker2", Labels: role("worker")},
	}, nil
}

func (f *fakeNodes) Exec(_ context.Context, node string, command []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	if stdin == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		fmt.Fprintf(stdout, "%s\n\n%s\n", f.images[node], strings.Join(slices.Sorted(maps.Keys(f.blobs[node])), "\n"))
		return 0, nil
	}
	if node == f.broken {
		fmt.Fprintln(stderr, "ctr: no space left on device")
		return 1, nil
	}
	files := map[string][]byte{}
	for r := tar.NewReader(stdin); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		files[h.Name], _ = io.ReadAll(r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, data := range files {
		if digest, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && digestOf(data) != "sha256:"+digest {
			return 0, fmt.Errorf("%s holds something else", name)
		}
	}
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		return 0, err
	}
	var manifest struct{ Layers []descriptor }
	if err := json.Unmarshal(files[blobPath(index.Manifests[0].Digest)], &manifest); err != nil {
		return 0, err
	}
	for i, l := range manifest.Layers {
		if l.Digest != digestOf([]byte(f.layers[i])) || l.Size != int64(len(f.layers[i])) {
			return 0, fmt.Errorf("layer %d is %+v", i, l)
		}
		if _, sent := files[blobPath(l.Digest)]; sent {
			f.sent[node] = append(f.sent[node], f.layers[i][:1])
		}
	}
	f.images[node] = index.Manifests[0].Annotations["io.containerd.image.name"]
	return 0, nil
}

func (f *fakeNodes) Save(context.Context, string) (io.ReadCloser, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	put := func(name string, data []byte) {
		_ = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644})
		_, _ = w.Write(data)
	}
	var ids, names []string
	for i, l := range f.layers {
		name := fmt.Sprintf("%d/layer.tar", i)
		if f.modern {
			name = blobPath(digestOf([]byte(l)))
		}
		put(name, []byte(l))
		ids, names = append(ids, digestOf([]byte(l))), append(names, name)
	}
	config, _ := json.Marshal(map[string]any{"rootfs": map[string]any{"diff_ids": ids}})
	put("c.json", config)
	list, _ := json.Marshal([]map[string]any{{"Config": "c.json", "Layers": names}})
	put("manifest.json", list)
	_ = w.Close()
	return io.NopCloser(&buf), nil
}

func TestANodeIsSentWhatItLacks(t *testing.T) {
	big := strings.Repeat("b", maxSmall+1)
	id := strings.Repeat("a", 64)
	for _, modern := range []bool{false, true} {
		f := &fakeNodes{
			layers: []string{big, "top"}, modern: modern, images: map[string]string{}, sent: map[string][]string{},
			blobs: map[string]map[string]bool{"one": {digestOf([]byte(big)): true}, "two": {}},
		}
		l := &Loader{Engine: f, Cluster: Cluster{"kind", "dev"}}
		for range 2 { // the second time nothing is sent
			if err := l.Load(t.Context(), []string{"team/web:" + id}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(map[string][]string{"one": {"t"}, "two": {"b", "t"}}, f.sent); diff != "" {
			t.Errorf("modern %v: sent (-want +got):\n%s", modern, diff)
		}
		if want := "docker.io/team/web:" + id; f.images["one"] != want || f.images["two"] != want {
			t.Errorf("images %v, want %s", f.images, want)
		}
		if err := l.Load(t.Context(), []string{"team/web:v1"}); err != nil || f.images["two"] != "docker.io/team/web:v1" {
			t.Errorf("by a tag: %v %v", err, f.images)
		}
	}
}

func TestANodeThatTakesNothingIsNamedWithItsWords(t *testing.T) {
	f := &fakeNodes{layers: []string{"x"}, images: map[string]string{}, sent: map[string][]string{}, blobs: map[string]map[string]bool{}, broken: "two"}
	err := (&Loader{Engine: f, Cluster: Cluster{"kind", "dev"}}).Load(t.Context(), []string{"web:1"})
	if err == nil || !strings.Contains(err.Error(), "node dev-worker:") || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
	if err := (&Loader{Engine: f, Cluster: Cluster{"k3d", "dev"}}).Load(t.Context(), []string{"web:1"}); err == nil || !strings.Contains(err.Error(), `k3d cluster "dev"`) {
		t.Errorf("%v", err)
	}
}
