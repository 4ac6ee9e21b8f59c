// Package kube is one Kubernetes cluster: a kubeconfig goes in; clients, objects, pod watches, exec and port-forward connections come out.
package kube

import (
	"net"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	_ "k8s.io/client-go/plugin/pkg/client/auth/oidc" // kubeconfigs may name it
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// FieldManager is the name under which skiff owns the fields that it applies.
const FieldManager = "skiff"

// Options say which cluster is meant. The zero value is the current context of the user's kubeconfig.
type Options struct {
	Kubeconfig string              // a file; empty: KUBECONFIG, then ~/.kube/config, then the service account of the pod we run in
	Context    string              // empty: the current context
	Namespace  string              // empty: that of the context, then "default"
	Getenv     func(string) string // nil: no environment
	Dir        string              // what a relative Kubeconfig is relative to; empty: the working folder
	StateDir   string              // where the list of the cluster's kinds is kept between runs; empty: nowhere
	Warn       func(text string)   // hears each warning of the API server once; nil: nobody does
	Trace      func(text string)   // hears of each request; nil: nobody does
}

// Cluster is a connection to one cluster. Tests fill in the clients that they need.
type Cluster struct {
	Context   string // name in the kubeconfig; "in-cluster" inside a pod
	Namespace string // where objects go that name no namespace
	Host      string // URL of the API server, without credentials
	Config    *rest.Config
	Typed     kubernetes.Interface
	Dynamic   dynamic.Interface
	Mapper    meta.ResettableRESTMapper // asks the server when first used

	minikube bool
}

// Dialing is bounded and streams are not: a log may be silent for a day. A peer that is gone is noticed by TCP probes
// after some 25 s, and by HTTP/2 pings where the connection is shared.
const (
	dialTimeout   = 10 * time.Second
	probeIdle     = 10 * time.Second
	probeInterval = 5 * time.Second
	probeCount    = 3
)

// Connect reads the kubeconfig and makes the clients. It sends nothing: see Ping.
func Connect(o Options) (*Cluster, error) {
	c, err := load(o)
	if err != nil {
		return nil, err
	}
	tune(c.Config, o.Warn)
	if o.Trace != nil {
		c.Config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &tracer{next, o.Trace} })
	}
	// One HTTP client for all, or every kind of client would open a connection of its own.
	shared, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return nil, c.badConfig(err)
	}
	if err := c.clients(shared, o.StateDir); err != nil {
		return nil, c.badConfig(err)
	}
	return c, nil
}

func tune(config *rest.Config, warn func(string)) {
	// The client's own rate limit would hold back a burst of applies for seconds; the server has priority and fairness.
	config.QPS = -1
	config.UserAgent = "skiff"
	config.WarningHandler = &warnings{warn: warn}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: probeIdle, Interval: probeInterval, Count: probeCount,
	}}
	config.Dial = dialer.DialContext
}

func (c *Cluster) clients(shared *http.Client, stateDir string) error {
	binary := rest.CopyConfig(c.Config)
	binary.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	typed, err := kubernetes.NewForConfigAndClient(binary, shared)
	if err != nil {
		return err
	}
	dyn, err := dynamic.NewForConfigAndClient(c.Config, shared)
	if err != nil {
		return err
	}
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(c.Config, shared)
	if err != nil {
		return err
	}
	c.Typed, c.Dynamic = typed, dyn
	c.Mapper = newMapper(func() ([]*restmapper.APIGroupResources, error) { return restmapper.GetAPIGroupResources(disco) },
		cacheFile(stateDir, c.Host, c.Context))
	return nil
}
