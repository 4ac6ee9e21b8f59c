package image

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/skiff-dev/skiff/internal/engine"
)

func TestARegistryIsAskedWithTheCredentialsOfTheDockerConfiguration(t *testing.T) {
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "ann" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	ref, err := name.ParseReference(host + "/team/web:1")
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(16, 1)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{WorkingDir: "/srv"})
	}
	if err == nil {
		err = remote.Write(ref, img, remote.WithAuth(&authn.Basic{Username: "ann", Password: "secret"}))
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("ann:secret")))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	known := NewRegistry(engine.LoadAuth(func(name string) string { return map[string]string{"DOCKER_CONFIG": dir}[name] }), nil)
	if got, err := known.Digest(t.Context(), host+"/team/web:1"); err != nil || got != want.String() {
		t.Errorf("digest %s, %v, want %s", got, err, want)
	}
	if c, err := known.Config(t.Context(), host+"/team/web:1"); err != nil || c.WorkingDir != "/srv" {
		t.Errorf("config %+v, %v", c, err)
	}
	if err := known.Ensure(t.Context(), host+"/team/web:2", want.String()); err != nil {
		t.Error(err)
	}
	if got, err := known.Digest(t.Context(), host+"/team/web:2"); err != nil || got != want.String() {
		t.Errorf("digest of the new tag %s, %v", got, err)
	}
	if _, err := NewRegistry(nil, nil).Digest(t.Context(), host+"/team/web:1"); err == nil {
		t.Error("nobody was let in")
	}
}

func TestPlainHTTPIsSpokenToRegistriesThatAreNamedInsecure(t *testing.T) {
	for _, tt := range []struct {
		insecure []string
		ref      string
		want     string
	}{
		{nil, "reg.example:5000/web:1", "https"},
		{[]string{"reg.example:5000"}, "reg.example:5000/web:1", "http"},
		{[]string{"other.example"}, "reg.example:5000/web:1", "https"},
		{nil, "localhost:5005/web:1", "http"},
	} {
		parsed, err := NewRegistry(nil, tt.insecure).parse(tt.ref)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Context().Scheme(); got != tt.want {
			t.Errorf("%s with %q: %s", tt.ref, tt.insecure, got)
		}
	}
}
