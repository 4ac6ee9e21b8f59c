package kube_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: kind-dev
contexts:
- {name: kind-dev, context: {cluster: c, user: u, namespace: team}}
- {name: remote, context: {cluster: c, user: u}}
- {name: profile, context: {cluster: mk, user: u}}
clusters:
- {name: c, cluster: {server: "SERVER"}}
- {name: mk, cluster: {server: "SERVER", extensions: [{name: cluster_info, extension: {provider: minikube.sigs.k8s.io, version: v1}}]}}
users:
- {name: u, user: {token: s3cret}}
`

func file(t *testing.T, server string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(kubeconfig, "SERVER", server)), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func env(pairs map[string]string) func(string) string {
	return func(k string) string { return pairs[k] }
}

func TestConnectReadsTheKubeconfig(t *testing.T) {
	name := file(t, "https://u:pw@cluster.example:6443")
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("apiVersion: v1\nkind: Config\ncurrent-context: remote\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	type facts struct {
		Context, Namespace, Host string
		Local                    bool
	}
	const host = "https://cluster.example:6443"
	for _, tt := range []struct {
		name string
		o    kube.Options
		want facts
	}{
		{"the current context", kube.Options{Kubeconfig: name}, facts{"kind-dev", "team", host, true}},
		{"another context", kube.Options{Kubeconfig: name, Context: "remote"}, facts{"remote", "default", host, false}},
		{"a profile of minikube under any name", kube.Options{Kubeconfig: name, Context: "profile"}, facts{"profile", "default", host, true}},
		{"a namespace of the command line", kube.Options{Kubeconfig: name, Namespace: "mine"}, facts{"kind-dev", "mine", host, true}},
		{"KUBECONFIG", kube.Options{Getenv: env(map[string]string{"KUBECONFIG": name})}, facts{"kind-dev", "team", host, true}},
		{"a list in KUBECONFIG, the first file wins", kube.Options{Getenv: env(map[string]string{"KUBECONFIG": other + string(os.PathListSeparator) + "/nowhere" + string(os.PathListSeparator) + name})},
			facts{"remote", "default", host, false}},
		{"a relative file", kube.Options{Kubeconfig: "config", Dir: filepath.Dir(name)}, facts{"kind-dev", "team", host, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := kube.Connect(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, facts{c.Context, c.Namespace, c.Host, c.IsLocal()}); diff != "" {
				t.Errorf("Connect (-want +got):\n%s", diff)
			}
			if c.Config.QPS >= 0 || c.Config.Timeout != 0 {
				t.Errorf("QPS %v, timeout %v: the client holds itself back, or ends streams", c.Config.QPS, c.Config.Timeout)
			}
		})
	}
}

func TestWhatIsWrongWithAKubeconfigIsSaid(t *testing.T) {
	name := file(t, "https://cluster.example:6443")
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("contexts: {"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name       string
		o          kube.Options
		what, hint string
	}{
		{"an unknown context", kube.Options{Kubeconfig: name, Context: "nope"}, `context "nope" is not in the kubeconfig`, "the kubeconfig has kind-dev, profile, remote; choose one with --kube-context"},
		{"a file that is not there", kube.Options{Kubeconfig: "/nowhere/config"}, `kubeconfig "/nowhere/config" does not exist`, "check the path given with --kubeconfig"},
		{"no kubeconfig at all", kube.Options{Getenv: env(map[string]string{"HOME": "/nowhere"})}, "there is no kubeconfig with a cluster in /nowhere/.kube/config", "start a local cluster"},
		{"a broken file", kube.Options{Kubeconfig: broken}, "the kubeconfig cannot be read: ", "mend the file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := kube.Connect(tt.o)
			if err == nil {
				t.Fatal("no error")
			}
			e := diag.All(err)[0]
			if !strings.HasPrefix(e.What, tt.what) || !strings.HasPrefix(e.Hint, tt.hint) || e.Code != diag.CodeCluster {
				t.Errorf("error %q, hint %q, code %v", e.What, e.Hint, e.Code)
			}
		})
	}
}

func TestPingSaysWhyAClusterDoesNotAnswer(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + refusing.Addr().String()
	refusing.Close()
	answer := func(code int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Warning", `299 - "old"`)
			w.WriteHeader(code)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	for _, tt := range []struct{ name, server, want string }{
		{"it answers", answer(http.StatusOK), ""},
		{"nobody listens", closed, `cluster "kind-dev" at ` + closed + ` does not answer: connection refused`},
		{"the credentials are refused", answer(http.StatusUnauthorized), `context "kind-dev": the cluster refuses the credentials; they may have expired`},
		{"a gateway stands for it", answer(http.StatusBadGateway), `cluster "kind-dev" at `},
		{"another authority", untrusted.URL, `cluster "kind-dev" at ` + untrusted.URL + `: x509: certificate signed by unknown authority`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var warned []string
			c, err := kube.Connect(kube.Options{Kubeconfig: file(t, tt.server), Warn: func(s string) { warned = append(warned, s) }})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Ping(t.Context())
			if tt.want == "" {
				if _ = c.Ping(t.Context()); err != nil || len(warned) != 1 {
					t.Errorf("Ping = %v, warnings %q", err, warned)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("Ping = %v, want %q", err, tt.want)
			}
			e := diag.All(err)[0]
			if e.Code != diag.CodeCluster || e.Hint == "" || strings.Contains(diag.Text(err), "s3cret") {
				t.Errorf("error %+v", e)
			}
		})
	}
}

func TestPingEndsWithItsContext(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(stop) })
	c, err := kube.Connect(kube.Options{Kubeconfig: file(t, s.URL)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx); err == nil {
		t.Error("a silent server answered")
	}
}

func TestLocalRegistry(t *testing.T) {
	for _, tt := range []struct {
		name string
		data map[string]string
		want string
		err  bool
	}{
		{"none is announced", nil, "", false},
		{"one is announced", map[string]string{"localRegistryHosting.v1": "host: \"localhost:5005\"\nhelp: x\n"}, "localhost:5005", false},
		{"a key of another version", map[string]string{"v2": "x"}, "", false},
		{"a broken announcement", map[string]string{"localRegistryHosting.v1": "host: [\n"}, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := fake.NewClientset()
			if tt.data != nil {
				client = fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-public", Name: "local-registry-hosting"}, Data: tt.data})
			}
			got, err := (&kube.Cluster{Typed: client}).LocalRegistry(t.Context())
			if got != tt.want || (err != nil) != tt.err {
				t.Errorf("LocalRegistry = %q, %v", got, err)
			}
		})
	}
}
