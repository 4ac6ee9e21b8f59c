package image

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// counted is a registry that counts what is asked of it, and that can lose all that it has.
type counted struct {
	mu      sync.Mutex
	handler http.Handler
	seen    []string
	refuse  int // so many manifests are refused for want of a blob
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.seen = append(c.seen, r.Method+" "+r.URL.Path)
	h := c.handler
	refused := c.refuse > 0 && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
	if refused {
		c.refuse--
	}
	c.mu.Unlock()
	if refused {
		http.Error(w, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}`, http.StatusBadRequest)
		return
	}
	h.ServeHTTP(w, r)
}

func (c *counted) empty() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
}

func startRegistry(t *testing.T) (*counted, string) {
	t.Helper()
	c := &counted{}
	c.empty()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return c, at.Host
}

func putImage(t *testing.T, ref string) v1.Image {
	t.Helper()
	img, err := random.Image(2000, 2)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := name.ParseReference(ref)
	if err == nil {
		err = remote.Write(parsed, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func onTop(t *testing.T, base *Base) v1.Image {
	t.Helper()
	img, err := base.Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.AppendLayers(img, static.NewLayer([]byte("a layer"), types.DockerUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestAnImageIsPutOnTopOfABaseWhoseLayersNobodyFetches(t *testing.T) {
	c, host := startRegistry(t)
	putImage(t, host+"/base:1")
	r := NewRegistry(nil, nil)
	base, err := r.Base(t.Context(), host+"/base:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.seen = nil
	digest, err := r.Push(t.Context(), host+"/app:1", onTop(t, base))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Digest(t.Context(), host+"/app:1"); err != nil || got != digest {
		t.Errorf("the registry has %s, %v; pushed %s", got, err, digest)
	}
	for _, request := range c.seen {
		if strings.HasPrefix(request, "GET ") && strings.Contains(request, "/blobs/") {
			t.Errorf("a layer was fetched: %s", request)
		}
	}
}

func TestARegistryThatLostItsBlobsGetsThemAgain(t *testing.T) {
	c, host := startRegistry(t)
	img, err := random.Image(500, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRegistry(nil, nil)
	if _, err := r.Push(t.Context(), host+"/app:1", img); err != nil {
		t.Fatal(err)
	}
	c.empty()
	c.refuse = 1 // as registries do that check manifests; the library's does not
	if _, err := r.Push(t.Context(), host+"/app:2", img); err != nil {
		t.Fatal(err)
	}
	again, err := r.Base(t.Context(), host+"/app:2", nil)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := again.Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	layers, err := pulled.Layers()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if data, err := io.ReadAll(stream); err != nil || len(data) == 0 {
		t.Errorf("layer: %d bytes, %v", len(data), err)
	}
}

func TestABaseIsChosenByPlatform(t *testing.T) {
	_, host := startRegistry(t)
	arm, amd := putImage(t, host+"/arch/x:arm"), putImage(t, host+"/arch/x:amd")
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}},
		mutate.IndexAddendum{Add: amd, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
	)
	r := NewRegistry(nil, nil)
	if _, err := r.Push(t.Context(), host+"/arch/x:all", index); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		platform string
		want     v1.Image
		err      string
	}{
		{"linux/amd64", amd, ""},
		{"linux/amd64/v1", amd, ""},
		{"linux/arm64", arm, ""},
		{"linux/arm64/v8", arm, ""},
		{"linux/s390x", nil, "it has no image for linux/s390x, only for linux/arm64/v8, linux/amd64"},
	} {
		t.Run(tt.platform, func(t *testing.T) {
			p, err := v1.ParsePlatform(tt.platform)
			if err != nil {
				t.Fatal(err)
			}
			base, err := r.Base(t.Context(), host+"/arch/x:all", p)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want, _ := tt.want.Digest(); base.Digest != want {
				t.Errorf("chose %s, want %s", base.Digest, want)
			}
		})
	}
}

func TestARegistryThatIsNotThereIsNamed(t *testing.T) {
	img, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewRegistry(nil, nil).Push(t.Context(), "localhost:1/app:1", img)
	if err == nil || !strings.Contains(err.Error(), "the registry localhost:1 does not answer") {
		t.Errorf("error %v", err)
	}
}
