//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// proxy stands between skiff and the API server, counts what is written, and breaks what a test wants broken. The API server itself
// hears nothing of it.
type proxy struct {
	*testing.T
	kubeconfig string
	address    string
	forward    *httputil.ReverseProxy

	mu     sync.Mutex
	server *http.Server
	served sync.WaitGroup
	meddle func(http.ResponseWriter, *http.Request) bool // true: it has answered itself
	seen   []string                                      // "VERB path"
}

// newProxy is a proxy with a kubeconfig that leads to it.
func newProxy(t *testing.T) *proxy {
	t.Helper()
	c := needCluster(t)
	transport, err := rest.TransportFor(c.config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(c.config.Host)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{T: t, address: "127.0.0.1:0", kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	p.forward = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	p.begin()
	t.Cleanup(p.end)
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: proxy, users: [{name: none}],
contexts: [{name: proxy, context: {cluster: proxy, user: none}}], clusters: [{name: proxy, cluster: {server: "http://%s"}}]}`, p.address)
	if err := os.WriteFile(p.kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// begin makes the address answer, for the first time or again.
func (p *proxy) begin() {
	p.Helper()
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		p.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.address = listener.Addr().String()
	server := &http.Server{Handler: p}
	p.server = server
	p.served.Go(func() { _ = server.Serve(listener) }) // it ends with http.ErrServerClosed
}

// end cuts all connections and takes no more, as an API server that is stopped.
func (p *proxy) end() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	_ = server.Close()
	p.served.Wait()
}

// ServeHTTP passes a request on, unless somebody meddles with it.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+r.URL.Path)
	meddle := p.meddle
	p.mu.Unlock()
	if meddle != nil && meddle(w, r) {
		return
	}
	p.forward.ServeHTTP(w, r)
}

// meddles sets what happens to requests from now on.
func (p *proxy) meddles(f func(http.ResponseWriter, *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meddle = f
}

// requests is what was asked for since the last call, with one of these verbs; none means all.
func (p *proxy) requests(verbs ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, r := range p.seen {
		verb, _, _ := strings.Cut(r, " ")
		for _, want := range verbs {
			if verb == want {
				all = append(all, r)
			}
		}
		if len(verbs) == 0 {
			all = append(all, r)
		}
	}
	p.seen = nil
	return all
}

// writes is what was written since the last call.
func (p *proxy) writes() []string {
	return p.requests(http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete)
}

// manifests is a project without images: manifests by the names of their files.
func manifests(t *testing.T, files map[string]string) *project {
	t.Helper()
	needCluster(t)
	p := &project{T: t, dir: t.TempDir(), namespace: newNamespace(t), env: []string{"XDG_CACHE_HOME=" + world.cache}}
	p.flags = []string{"--namespace=" + p.namespace}
	if world.cluster.flag != "" {
		p.flags = append(p.flags, world.cluster.flag)
	}
	p.write("skaffold.yaml", "apiVersion: skaffold/v4beta13\nkind: Config\nmetadata: {name: plain}\nmanifests: {rawYaml: [k8s/*.yaml]}\n")
	for name, text := range files {
		p.write("k8s/"+name, text)
	}
	return p
}

// through makes the project's commands go through the proxy.
func (p *project) through(x *proxy) *project {
	p.flags = []string{"--namespace=" + p.namespace}
	p.env = append(p.env, "KUBECONFIG="+x.kubeconfig, "XDG_CACHE_HOME="+p.TempDir())
	return p
}
