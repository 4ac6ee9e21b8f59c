package engine

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeDaemon answers as an engine does; the zero value is a Docker of its time without a word about its builder.
type fakeDaemon struct {
	builder   string // of the ping
	component string // of the version
	answer    string // to a build or a push
	status    int
	asked     []string
	body      string
}

func (f *fakeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path[strings.Index(r.URL.Path[1:]+"/", "/")+1:]
	if path != "" && !strings.HasPrefix(r.URL.Path, "/_ping") {
		f.asked = append(f.asked, r.Method+" "+path)
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/_ping":
		w.Header().Set("Api-Version", "1.41")
		if f.builder != "" {
			w.Header().Set("Builder-Version", f.builder)
		}
	case path == "/version":
		fmt.Fprintf(w, `{"ApiVersion":"1.41","Os":"linux","Components":[{"Name":%q}]}`, f.component)
	case path == "/build" || strings.HasSuffix(path, "/push"):
		data, _ := io.ReadAll(r.Body)
		f.body = r.URL.Query().Get("version") + " " + r.URL.Query().Get("dockerfile") + " " + string(data)
		if f.status != 0 {
			w.WriteHeader(f.status)
		}
		io.WriteString(w, f.answer)
	case strings.HasPrefix(path, "/images/here/"):
		io.WriteString(w, `{"Id":"sha256:1","RepoTags":["here:1"],"Config":{"WorkingDir":"/w","ExposedPorts":{"80/tcp":{}}}}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"message":"No such image"}`)
	}
}

func (f *fakeDaemon) engine(t *testing.T, env map[string]string) *Engine {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	e, err := Connect(Options{Host: "tcp://" + strings.TrimPrefix(s.URL, "http://"), Getenv: getenv(env)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestTheBuilderIsWhatIsAskedForOrWhatTheEngineHas(t *testing.T) {
	for _, tt := range []struct {
		name   string
		daemon fakeDaemon
		env    string
		want   Kind
		is     Kind
	}{
		{"an engine that prefers BuildKit", fakeDaemon{builder: "2"}, "", Best, BuildKit},
		{"an engine that has it switched off", fakeDaemon{builder: "1"}, "", Best, Classic},
		{"an older Docker has it without saying so", fakeDaemon{component: "Engine"}, "", Best, BuildKit},
		{"podman has none", fakeDaemon{component: "Podman Engine"}, "", Best, Classic},
		{"the environment switches it off", fakeDaemon{builder: "2"}, "0", Best, Classic},
		{"the environment switches it on", fakeDaemon{builder: "1"}, "1", Best, BuildKit},
		{"the project file wins", fakeDaemon{builder: "2"}, "1", Classic, Classic},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.daemon.engine(t, map[string]string{"DOCKER_BUILDKIT": tt.env})
			if got, err := e.builder(t.Context(), tt.want); err != nil || got != tt.is {
				t.Errorf("%q, %v, want %q", got, err, tt.is)
			}
		})
	}
}

func TestAClassicBuild(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer string
		status int
		id     string
		fail   *BuildError
		err    string
	}{
		{"makes an image", `{"stream":"Step 1/1 : FROM a\n"}{"aux":{"ID":"sha256:9"}}{"stream":"Successfully built 9\n"}`, 0, "sha256:9", nil, ""},
		{"ends at a command", `{"stream":"Step 1/1 : RUN x\n"}{"stream":"oh\n"}{"errorDetail":{"code":4,"message":"non-zero code: 4"},"error":"x"}`, 0, "",
			&BuildError{Step: Step{Text: "RUN x", Index: 1, Total: 1, Kind: Classic}, Exit: 4, Message: "non-zero code: 4", Output: true}, ""},
		{"is refused", `{"message":"dockerfile parse error line 3: x"}`, 400, "", &BuildError{Message: "dockerfile parse error line 3: x"}, ""},
		{"ends without an image", `{"stream":"x\n"}`, 0, "", nil, "without an image"},
		{"is cut off", `{"stream":`, 0, "", nil, "the connection to the Docker engine was lost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeDaemon{answer: tt.answer, status: tt.status}
			id, err := f.engine(t, nil).Build(t.Context(), BuildOptions{Builder: Classic,
				Archive: func(context.Context) (io.ReadCloser, string, error) {
					return io.NopCloser(strings.NewReader("TAR")), "my.Dockerfile", nil
				}}, func(string) {})
			if id != tt.id || f.body != "1 my.Dockerfile TAR" {
				t.Errorf("id %q, sent %q", id, f.body)
			}
			var failed *BuildError
			errors.As(err, &failed)
			if diff := cmp.Diff(tt.fail, failed); diff != "" {
				t.Errorf("failure (-want +got):\n%s\n%v", diff, err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAnEngineBehindTLSIsTrustedByItsCertificate(t *testing.T) {
	s := httptest.NewTLSServer(&fakeDaemon{builder: "2"})
	t.Cleanup(s.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DOCKER_HOST": "tcp://" + strings.TrimPrefix(s.URL, "https://"), "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": dir}
	e, err := Connect(Options{Getenv: getenv(env)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if info, err := e.Ping(t.Context()); err != nil || !info.BuildKit {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestPushNamesTheDigest(t *testing.T) {
	for _, tt := range []struct {
		name, answer, want, err string
	}{
		{"that the registry answered", `{"status":"The push refers to repository [r]"}{"status":"Pushed","id":"l1"}{"status":"1: digest: sha256:d size: 7"}{"aux":{"Tag":"1","Digest":"sha256:d","Size":7}}`, "sha256:d", ""},
		{"or why there is none", `{"errorDetail":{"message":"denied: no"},"error":"denied: no"}`, "", "push here:1: denied: no"},
		{"or that there is none", `{"status":"x"}`, "", "push here:1: the registry named no digest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := (&fakeDaemon{answer: tt.answer}).engine(t, nil).Push(t.Context(), "here:1", func(string) {})
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got != tt.want || text != tt.err {
				t.Errorf("%q, %q", got, text)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	e := (&fakeDaemon{}).engine(t, nil)
	got, err := e.Inspect(t.Context(), "here")
	if !strings.Contains(string(got.OCI), `"WorkingDir":"/w"`) {
		t.Errorf("the image's own configuration is %s", got.OCI)
	}
	got.OCI = nil
	want := Image{ID: "sha256:1", Tags: []string{"here:1"}, Config: Config{WorkingDir: "/w", Ports: []string{"80/tcp"}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := e.Inspect(t.Context(), "gone"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if there, err := e.Exists(t.Context(), "gone"); there || err != nil {
		t.Errorf("%v, %v", there, err)
	}
	if err := e.Tag(t.Context(), "gone", "x:1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
}
