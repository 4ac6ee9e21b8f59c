package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/diag"
)

// getenv is an environment of these variables.
func getenv(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

// dockerContext puts a context into the store of a docker configuration.
func dockerContext(t *testing.T, dir, name, host string) {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	folder := filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{"Name": name, "Endpoints": map[string]any{"docker": map[string]any{"Host": host}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "meta.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFindEndpoint(t *testing.T) {
	home := t.TempDir()
	config := filepath.Join(home, ".docker")
	dockerContext(t, config, "colima", "unix:///colima.sock")
	dockerContext(t, config, "remote", "tcp://far:2375")
	if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(`{"currentContext":"colima"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		host string
		env  map[string]string
		want endpoint
		err  string
	}{
		{"what is given wins", "tcp://given:1", map[string]string{"DOCKER_HOST": "tcp://env:1", "HOME": home}, endpoint{Host: "tcp://given:1", Why: "given"}, ""},
		{"then DOCKER_HOST", "", map[string]string{"DOCKER_HOST": "tcp://env:1", "DOCKER_CONTEXT": "remote", "HOME": home}, endpoint{Host: "tcp://env:1", Why: "DOCKER_HOST"}, ""},
		{"with its certificates", "", map[string]string{"DOCKER_HOST": "tcp://env:1", "DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}, endpoint{Host: "tcp://env:1", TLSDir: "/c", Why: "DOCKER_HOST"}, ""},
		{"then DOCKER_CONTEXT", "", map[string]string{"DOCKER_CONTEXT": "remote", "HOME": home}, endpoint{Host: "tcp://far:2375", Why: `DOCKER_CONTEXT "remote"`}, ""},
		{"then the current context", "", map[string]string{"HOME": home}, endpoint{Host: "unix:///colima.sock", Why: `the current docker context "colima"`}, ""},
		{"the configuration's folder may be named", "", map[string]string{"DOCKER_CONFIG": config}, endpoint{Host: "unix:///colima.sock", Why: `the current docker context "colima"`}, ""},
		{"a context that is not there is an error", "", map[string]string{"DOCKER_CONTEXT": "none", "HOME": home}, endpoint{}, `docker context "none" does not exist`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := findEndpoint(Options{Host: tt.host, Getenv: getenv(tt.env)})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || diag.Kind(err) != diag.CodeCluster {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("endpoint (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASocketOfRootlessDockerOrPodmanIsFound(t *testing.T) {
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Skip("this machine has a Docker engine at the usual place")
	}
	run := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(run, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got, err := findEndpoint(Options{Getenv: getenv(map[string]string{"XDG_RUNTIME_DIR": run})})
	if err != nil || got.Host != "unix://"+filepath.Join(run, "docker.sock") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnEngineThatDoesNotAnswerIsExplained(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "none.sock")
	e, err := Connect(Options{Host: "unix://" + socket})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = e.Ping(t.Context())
	want := "error: no Docker engine answers at unix://" + socket + " (given): no such file or directory\n" +
		"hint: start Docker (or podman), or set DOCKER_HOST to an engine that runs\n"
	if diff := cmp.Diff(want, diag.Text(err)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if diag.Kind(err) != diag.CodeCluster {
		t.Errorf("kind %v", diag.Kind(err))
	}
}

func TestCredentialsComeFromTheConfigurationAndItsHelpers(t *testing.T) {
	dir := t.TempDir()
	text := `{"auths":{"ghcr.io":{"auth":"YW5uOnNlY3JldA=="},"https://index.docker.io/v1/":{"auth":"aHViOnB3"}},"credHelpers":{"gcr.io":"none-such"}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := LoadAuth(getenv(map[string]string{"DOCKER_CONFIG": dir}))
	for host, want := range map[string]Credential{
		"ghcr.io": {Username: "ann", Password: "secret"}, "docker.io": {Username: "hub", Password: "pw"}, "quay.io": {},
	} {
		if got, err := a.Lookup(host); err != nil || got != want {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
	}
	if _, err := a.Lookup("gcr.io"); err == nil || !strings.Contains(err.Error(), "credentials for gcr.io") {
		t.Errorf("a helper that does not exist: %v", err)
	}
	if got, err := LoadAuth(getenv(nil)).Lookup("ghcr.io"); err != nil || got != (Credential{}) {
		t.Errorf("without a configuration: %+v, %v", got, err)
	}
}
