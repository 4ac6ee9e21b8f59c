//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"sigs.k8s.io/yaml"
)

// cluster is the tests' own road to the API server. It shares no code with skiff.
type cluster struct {
	context  string
	flag     string // of skiff, to find this cluster; empty: it is the current context
	config   *rest.Config
	client   kubernetes.Interface
	registry string // that the cluster announces; empty: none
}

func connect(ctx context.Context) (*cluster, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: os.Getenv("E2E_KUBECONTEXT")}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), overrides)
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, err
	}
	c := &cluster{context: raw.CurrentContext}
	if overrides.CurrentContext != "" {
		c.context, c.flag = overrides.CurrentContext, "--kube-context="+overrides.CurrentContext
	}
	if c.config, err = loader.ClientConfig(); err != nil {
		return nil, err
	}
	c.config.QPS = -1 // the tests ask often
	if c.client, err = kubernetes.NewForConfig(c.config); err != nil {
		return nil, err
	}
	announced, err := c.client.CoreV1().ConfigMaps("kube-public").Get(ctx, "local-registry-hosting", metav1.GetOptions{})
	if errors.IsNotFound(err) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	var hosting struct{ Host string }
	err = yaml.Unmarshal([]byte(announced.Data["localRegistryHosting.v1"]), &hosting)
	c.registry = hosting.Host
	return c, err
}

// needCluster skips a test where there is no cluster, unless one was named: a test that is left out by mistake proves nothing.
func needCluster(t *testing.T) *cluster {
	t.Helper()
	if world.broken != nil && os.Getenv("KUBECONFIG")+os.Getenv("E2E_KUBECONTEXT") != "" {
		t.Fatalf("the cluster cannot be used: %v", world.broken)
	}
	if world.broken != nil {
		t.Skipf("no cluster (make cluster starts one): %v", world.broken)
	}
	return world.cluster
}

// missing ends a test that lacks something: somebody's own cluster need not have it, the one that make cluster starts has.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("E2E_KUBECONTEXT") == "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// needImages skips a test where images cannot be built, or not be brought to the cluster.
func needImages(t *testing.T) {
	t.Helper()
	needCluster(t)
	if world.cluster.registry == "" && os.Getenv("SKAFFOLD_DEFAULT_REPO") == "" {
		missing(t, "the cluster announces no local registry (kube-public/local-registry-hosting), and SKAFFOLD_DEFAULT_REPO names none")
	}
	if os.Getenv("DOCKER_HOST") != "" {
		return
	}
	if _, err := os.Stat("/var/run/docker.sock"); err != nil {
		missing(t, "no Docker engine: "+err.Error())
	}
}

// needRegistry skips a test that looks into the local registry where there is none.
func needRegistry(t *testing.T) {
	t.Helper()
	needImages(t)
	if world.cluster.registry == "" {
		missing(t, "the cluster announces no local registry")
	}
}

// newNamespace is a namespace for one test. It is deleted at the test's end.
func newNamespace(t *testing.T) string {
	t.Helper()
	c := needCluster(t)
	ctx := t.Context()
	ns, err := c.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "skiff-e2e-", Annotations: map[string]string{"test": t.Name()},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteNamespace(c, ns.Name) })
	until(t, "the namespace has its service account", func() bool {
		_, err := c.client.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	return ns.Name
}

// deleteNamespace lets the pods go at once, because many here do not listen to SIGTERM, and does not wait for the rest.
func deleteNamespace(c *cluster, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	now := int64(0)
	_ = c.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	_ = c.client.CoreV1().Pods(name).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
}

// exec runs a command in a container and returns what it printed.
func (c *cluster) exec(ctx context.Context, namespace, pod, container string, command ...string) (string, error) {
	request := c.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	socket, err := remotecommand.NewWebSocketExecutor(c.config, "GET", request.URL().String())
	if err != nil {
		return "", err
	}
	spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", request.URL())
	if err != nil {
		return "", err
	}
	either, err := remotecommand.NewFallbackExecutor(socket, spdy, httpstream.IsUpgradeFailure)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	if err := either.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &errs}); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, errs.String())
	}
	return out.String(), nil
}

// digest is the digest that the registry names for repository:tag, by a HEAD request.
func (c *cluster) digest(ctx context.Context, repository, tag string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+c.registry+"/v2/"+repository+"/manifests/"+tag, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, "+
		"application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s:%s: %s", repository, tag, response.Status)
	}
	return response.Header.Get("Docker-Content-Digest"), nil
}
