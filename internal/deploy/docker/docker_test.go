package docker

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/engine"
)

func load(t *testing.T, files map[string]string) *config.Project {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := config.Load(t.Context(), config.Options{Dir: dir, Command: "dev", Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const head = "apiVersion: skaffold/v4beta11\nkind: Config\n"

func services(t *testing.T, files map[string]string) ([]Service, error) {
	t.Helper()
	p := load(t, files)
	target := New(Options{Owner: "me", Dir: p.Dir})
	err := target.Use(t.Context(), p)
	return target.services, err
}

func TestEveryImageBecomesAContainer(t *testing.T) {
	got, err := services(t, map[string]string{"skaffold.yaml": head + `
build: {artifacts: [{image: registry.example/team/web}, {image: db}]}
deploy: {docker: {images: [registry.example/team/web, db]}}
portForward:
- {resourceType: Container, resourceName: db, port: 5432}
- {resourceType: container, resourceName: registry.example/team/web, port: 80, localPort: 8080, address: 0.0.0.0}
- {resourceType: service, resourceName: db, port: 1}
`})
	if err != nil {
		t.Fatal(err)
	}
	want := []Service{
		{Name: "web", Artifact: "registry.example/team/web", Ports: []engine.Port{{Container: 80, Address: "0.0.0.0", Host: 8080}}},
		{Name: "db", Artifact: "db", Ports: []engine.Port{{Container: 5432, Address: "127.0.0.1", Host: 5432}}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Service{})); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}

const composeProject = head + "build: {artifacts: [{image: web}]}\ndeploy: {docker: {images: [web], useCompose: true}}\n"

func TestAComposeProject(t *testing.T) {
	got, err := services(t, map[string]string{"skaffold.yaml": composeProject, "compose.yaml": `
name: shop
services:
  web:
    image: web
    command: [serve, --fast]
    environment: {MODE: dev}
    ports: ["8080:80"]
    depends_on: {db: {condition: service_healthy}}
  db:
    image: postgres:17
    container_name: shop-db
    volumes: [data:/var/lib/data]
    healthcheck: {test: [CMD, "true"], retries: 3}
    restart: always
volumes: {data: {}}
`})
	if err != nil {
		t.Fatal(err)
	}
	want := []Service{
		{
			Name: "db", Image: "postgres:17", Container: "shop-db", Restart: "always", Health: &engine.Health{Test: []string{"CMD", "true"}, Retries: 3},
			Binds: []engine.Bind{{Source: "shop_data", Target: "/var/lib/data", Volume: true}}, Needs: map[string]Need{},
		},
		{
			Name: "web", Artifact: "web", Args: []string{"serve", "--fast"}, Env: []string{"MODE=dev"},
			Ports: []engine.Port{{Container: 80, Protocol: "tcp", Address: "127.0.0.1", Host: 8080}}, Needs: map[string]Need{"db": Healthy},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Service{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}

func TestWhatAComposeProjectCannotAskFor(t *testing.T) {
	for _, tt := range []struct{ name, compose, want string }{
		{"a field that would be lost", "services: {web: {image: web, privileged: true}}", "not supported here: privileged"},
		{"a network of its own", "services: {web: {image: web, networks: [front]}}\nnetworks: {front: {}}", "networks of its own"},
		{"several of one service", "services: {web: {image: web, scale: 3}}", "a scale of 3"},
		{"an image that nobody builds", "services: {api: {build: .}}", "no artifact"},
		{"no YAML", "services: [", "the Compose project"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := services(t, map[string]string{"skaffold.yaml": composeProject, "compose.yaml": tt.compose})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "skaffold.yaml:4:") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	if _, err := services(t, map[string]string{"skaffold.yaml": composeProject}); err == nil || !strings.Contains(err.Error(), "no configuration file") {
		t.Errorf("no Compose file: %v", err)
	}
}

func TestAServiceIsAnotherWhenAnythingOfItChanged(t *testing.T) {
	one := Service{Name: "a", Image: "i", Env: []string{"A=1"}}
	same, other := one, one
	other.Env = []string{"A=2"}
	if one.spec() != same.spec() || one.spec() == other.spec() {
		t.Error("the digest does not follow the settings")
	}
}

func TestATakenPortIsLeftToTheEngine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	got := free([]engine.Port{{Container: 80, Host: taken}, {Container: 81}})
	if diff := cmp.Diff([]engine.Port{{Container: 80}, {Container: 81}}, got); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}

func TestWhatIsPutIntoAContainer(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "run.sh"), []byte("echo"), 0o755); err != nil {
		t.Fatal(err)
	}
	data, deleted, err := pack([]Change{
		{Local: filepath.Join(dir, "run.sh"), Remote: "/app/run.sh"}, {Local: filepath.Join(dir, "gone"), Remote: "/app/gone", Delete: true},
		{Local: filepath.Join(dir, "vanished"), Remote: "/app/vanished"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/app/gone"}, deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	r := tar.NewReader(bytes.NewReader(data))
	h, err := r.Next()
	if err != nil || h.Name != "app/run.sh" || h.Mode != 0o755 {
		t.Errorf("entry %+v, %v", h, err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("more than one entry: %v", err)
	}
}

func TestANewImageHoldsWhatWasPutBefore(t *testing.T) {
	target := New(Options{})
	target.put["web"] = map[string]put{"/a": {seq: 1}, "/b": {seq: 3}}
	target.Built("web", 2)
	if _, there := target.put["web"]["/a"]; there || len(target.put["web"]) != 1 {
		t.Errorf("kept %v", target.put["web"])
	}
}
