package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/moby/client"

	"github.com/skiff-dev/skiff/internal/diag"
)

// endpoint is where an engine listens, and why that one was taken.
type endpoint struct {
	Host       string
	TLSDir     string // holds ca.pem, cert.pem, key.pem; empty: no TLS
	SkipVerify bool
	Why        string
}

// findEndpoint follows the order of the docker CLI: an explicit host, DOCKER_HOST, DOCKER_CONTEXT, the current context of the
// configuration; and then, which the CLI does not, the sockets of rootless Docker, Docker Desktop and podman.
func findEndpoint(o Options) (endpoint, error) {
	if o.Host != "" {
		return tlsFromEnv(endpoint{Host: o.Host, Why: "given"}, o.Getenv), nil
	}
	if h := o.Getenv("DOCKER_HOST"); h != "" {
		return tlsFromEnv(endpoint{Host: h, Why: "DOCKER_HOST"}, o.Getenv), nil
	}
	dir := configDir(o.Getenv)
	name, why := o.Getenv("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
	if name == "" {
		name, why = currentContext(dir), "the current docker context"
	}
	if name != "" && name != "default" {
		at, err := readContext(dir, name)
		at.Why = fmt.Sprintf("%s %q", why, name)
		return at, err
	}
	for _, socket := range sockets(o.Getenv) {
		if info, err := os.Stat(socket); err == nil && info.Mode()&fs.ModeSocket != 0 {
			return endpoint{Host: "unix://" + socket, Why: "the first socket found"}, nil
		}
	}
	return endpoint{Host: client.DefaultDockerHost, Why: "the default"}, nil
}

// tlsFromEnv adds what DOCKER_TLS_VERIFY and DOCKER_CERT_PATH ask for.
func tlsFromEnv(at endpoint, getenv func(string) string) endpoint {
	verify := getenv("DOCKER_TLS_VERIFY") != ""
	if dir := getenv("DOCKER_CERT_PATH"); dir != "" {
		at.TLSDir, at.SkipVerify = dir, !verify
	} else if verify {
		at.TLSDir = configDir(getenv)
	}
	return at
}

// sockets are the places where an engine of this machine listens, the likeliest first.
func sockets(getenv func(string) string) []string {
	list := []string{"/var/run/docker.sock"}
	run := getenv("XDG_RUNTIME_DIR")
	if run != "" {
		list = append(list, filepath.Join(run, "docker.sock"))
	}
	if home := getenv("HOME"); home != "" {
		list = append(list, filepath.Join(home, ".docker", "run", "docker.sock"), filepath.Join(home, ".docker", "desktop", "docker.sock"))
	}
	if run != "" {
		list = append(list, filepath.Join(run, "podman", "podman.sock"))
	}
	return append(list, "/run/podman/podman.sock")
}

// configDir is the folder of the docker configuration, empty when there is no home folder.
func configDir(getenv func(string) string) string {
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home := getenv(name); home != "" {
			return filepath.Join(home, ".docker")
		}
	}
	return ""
}

func currentContext(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if dir == "" || err != nil {
		return ""
	}
	var file struct{ CurrentContext string }
	// A broken file is told by whoever needs its credentials; the engine may well be found without it.
	_ = json.Unmarshal(data, &file)
	return file.CurrentContext
}

// readContext reads a docker context from its store: a folder per context, named by the digest of its name.
func readContext(dir, name string) (endpoint, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	data, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", id, "meta.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return endpoint{}, withCluster(diag.Errorf("docker context ls", "docker context %q does not exist in %s", name, dir))
	}
	if err != nil {
		return endpoint{}, fmt.Errorf("docker context %q: %w", name, err)
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return endpoint{}, fmt.Errorf("docker context %q: %w", name, err)
	}
	docker, ok := meta.Endpoints["docker"]
	if !ok || docker.Host == "" {
		return endpoint{}, withCluster(diag.Errorf("docker context inspect "+name, "docker context %q has no docker endpoint", name))
	}
	at := endpoint{Host: docker.Host, SkipVerify: docker.SkipTLSVerify}
	at.TLSDir = existing(filepath.Join(dir, "contexts", "tls", id, "docker"))
	return at, nil
}

func withCluster(e *diag.Error) *diag.Error {
	e.Code = diag.CodeCluster
	return e
}

// existing is path when there is something, else empty.
func existing(path string) string {
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
