//go:build e2e

package all

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/image/cluster"
	"github.com/skiff-dev/skiff/internal/image/docker"
	"github.com/skiff-dev/skiff/internal/kube"
)

// A stand-in for the rootless image: the real daemon, in a user namespace by busybox instead of rootlesskit. Without runc in it, it
// builds Dockerfiles without RUN.
const shim = "#!/bin/sh\nshift 2\nexec unshare -U -r -m buildkitd --root /tmp/bk --oci-worker-snapshotter native \"$@\"\n"

func builderOnCluster(t *testing.T, e *engine.Engine) string {
	t.Helper()
	home := os.Getenv("SKIFF_E2E_HOME")
	if home == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		home = filepath.Join(cache, "skiff-e2e")
	}
	dir := filepath.Join(home, "bin", "buildkit-v0.33.1")
	if _, err := os.Stat(filepath.Join(dir, "buildkitd")); err != nil {
		build := exec.CommandContext(t.Context(), "go", "build", "-C", "../../../e2e/buildkit", "-trimpath", "-ldflags=-s -w", "-o", dir+string(filepath.Separator),
			"github.com/moby/buildkit/cmd/buildkitd", "github.com/moby/buildkit/cmd/buildctl")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build buildkitd: %v\n%s", err, out)
		}
	}
	ctx := t.TempDir()
	write(t, ctx, "rootlesskit", shim)
	write(t, ctx, "runc", "#!/bin/sh\nexit 1\n")
	for _, name := range []string{"buildkitd", "buildctl"} {
		if err := os.Link(filepath.Join(dir, name), filepath.Join(ctx, name)); err != nil {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			write(t, ctx, name, string(data))
		}
	}
	for _, name := range []string{"rootlesskit", "runc", "buildkitd", "buildctl"} {
		if err := os.Chmod(filepath.Join(ctx, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, ctx, "Dockerfile", "FROM busybox:1\nCOPY buildkitd buildctl rootlesskit runc /bin/\n")
	host := os.Getenv("E2E_REGISTRY")
	if host == "" {
		host = "localhost:5005"
	}
	ref := host + "/skiff-e2e/buildkit:rootless"
	_, err := e.Build(t.Context(), engine.BuildOptions{Context: ctx, Dockerfile: filepath.Join(ctx, "Dockerfile"), Tags: []string{ref}, Builder: engine.BuildKit}, func(string) {})
	digest := ""
	if err == nil {
		digest, err = e.Push(t.Context(), ref, func(string) {})
	}
	if err != nil {
		t.Fatal(diag.Text(err))
	}
	return ref + "@" + digest
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// registryFor starts a registry that pods reach under the node's address.
func registryFor(t *testing.T, c *kube.Cluster) string {
	t.Helper()
	nodes, err := c.Typed.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		t.Fatalf("no nodes: %v", err)
	}
	address := ""
	for _, a := range nodes.Items[0].Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			address = a.Address
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skipf("the node is not this machine: %v", err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}}
	server.Start()
	t.Cleanup(server.Close)
	return l.Addr().String()
}

func TestAPodBuildsAndPushesAndIsGone(t *testing.T) {
	c, err := kube.Connect(kube.Options{Getenv: os.Getenv, Context: os.Getenv("E2E_KUBECONTEXT"), Namespace: fmt.Sprintf("skiff-e2e-cluster-%d", os.Getpid())})
	if err != nil {
		t.Fatal(err)
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Namespace}}
	if _, err := c.Typed.CoreV1().Namespaces().Create(t.Context(), space, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Typed.CoreV1().Namespaces().Delete(context.WithoutCancel(t.Context()), c.Namespace, metav1.DeleteOptions{})
	})
	e, err := engine.Connect(engine.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	host := registryFor(t, c)
	remote := image.NewRegistry(nil, []string{host})
	none := func(string) string { return "" }
	builders := Builders(Options{
		Docker:  docker.Options{Engine: e, Registry: remote},
		Cluster: cluster.Options{Kube: c, Getenv: none, Auth: engine.LoadAuth(none)},
	})
	dir, label, user := t.TempDir(), "one", 0
	write(t, dir, "Dockerfile", "FROM scratch\nARG TAG\nLABEL tag=$TAG\nWORKDIR /srv\nCOPY f .\n")
	write(t, dir, "f", "content")
	tag := "{{.IMAGE_TAG}}"
	a := &config.Artifact{Image: "web", Context: dir, Config: &config.Config{}, Kaniko: &config.KanikoArtifact{
		Image: builderOnCluster(t, e), Dockerfile: "Dockerfile", InsecureRegistry: []string{host}, BuildArgs: map[string]*string{"TAG": &tag}, Label: map[string]*string{"more": &label},
	}}
	a.Config.Build.Cluster = &config.ClusterBuild{Namespace: c.Namespace, Timeout: "2m", RunAsUser: &user}
	if faults := image.Check(builders, []*config.Artifact{a}); len(faults) > 0 {
		t.Fatal(diag.Text(faults[0]))
	}
	b, err := builders(a)
	if err != nil {
		t.Fatal(err)
	}
	left := func() int {
		pods, err := c.Typed.CoreV1().Pods(c.Namespace).List(context.WithoutCancel(t.Context()), metav1.ListOptions{LabelSelector: "skiff.dev/build=true"})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range pods.Items {
			if p.DeletionTimestamp == nil {
				n++
			}
		}
		return n
	}
	var said []string
	ref := host + "/team/web:v1"
	res, err := b.Build(t.Context(), image.Request{Artifact: a, Ref: ref}, func(line string) { said = append(said, line) })
	if err != nil {
		t.Fatalf("%s\n%s", diag.Text(err), strings.Join(said, "\n"))
	}
	digest, err := remote.Digest(t.Context(), ref)
	if err != nil || digest != res.Digest || !res.Pushed || res.WorkDir != "/srv" {
		t.Errorf("%+v, the registry has %s (%v)", res, digest, err)
	}
	made, err := remote.Config(t.Context(), ref)
	if err != nil || made.Labels["tag"] != "v1" || made.Labels["more"] != "one" {
		t.Errorf("labels %v %v", made, err)
	}
	if n := left(); n > 0 {
		t.Errorf("%d pods are left", n)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if _, err = b.Build(ctx, image.Request{Artifact: a, Ref: ref}, func(string) { cancel() }); err == nil || left() > 0 {
		t.Errorf("after the interrupt: %v, %d pods are left", err, left())
	}
	a.Kaniko.Image = "localhost:1/no/buildkit:rootless"
	if _, err = b.Build(t.Context(), image.Request{Artifact: a, Ref: ref}, func(string) {}); err == nil || !strings.Contains(diag.Text(err), "cannot be pulled") || left() > 0 {
		t.Errorf("an image that is not there: %s, %d pods are left", diag.Text(err), left())
	}
}
