package image

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func TestAnIndexNamesTheImageOfEachPlatform(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	repo := strings.TrimPrefix(server.URL, "http://") + "/team/web"
	var parts []Part
	for _, p := range []string{"linux/amd64", "linux/arm/v7"} {
		img, err := random.Image(10, 1)
		if err != nil {
			t.Fatal(err)
		}
		digest, _ := img.Digest()
		ref, err := name.NewDigest(repo + "@" + digest.String())
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img, remote.WithContext(t.Context())); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, Part{p, digest.String()})
	}
	r := NewRegistry(nil, nil)
	digest, err := r.Index(t.Context(), repo+":v1", parts)
	if err != nil {
		t.Fatal(err)
	}
	tag, _ := name.NewTag(repo + ":v1")
	index, err := remote.Index(tag, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if have, _ := index.Digest(); have.String() != digest {
		t.Errorf("the registry has %s, told was %s", have, digest)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != len(parts) {
		t.Fatalf("%+v %v", manifest, err)
	}
	for i, m := range manifest.Manifests {
		if m.Digest.String() != parts[i].Digest || m.Platform.String() != parts[i].Platform {
			t.Errorf("entry %d is %s for %s, want %+v", i, m.Digest, m.Platform, parts[i])
		}
	}
	if _, err := r.Index(t.Context(), repo+":v2", []Part{{"linux/amd64", "sha256:" + strings.Repeat("0", 64)}}); err == nil {
		t.Error("an image that is not there got into an index")
	}
}
