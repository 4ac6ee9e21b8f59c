package kube

import (
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	api "k8s.io/client-go/tools/clientcmd/api"
)

// Getter is the cluster as libraries of kubectl's family want it.
type Getter struct {
	config    *rest.Config
	namespace string
	mapper    meta.RESTMapper
}

// Getter is the cluster for such a library, with a namespace of its own. wrap, if not nil, stands between the library and
// the cluster.
func (c *Cluster) Getter(namespace string, wrap func(http.RoundTripper) http.RoundTripper) *Getter {
	config := rest.CopyConfig(c.Config)
	if wrap != nil {
		config.Wrap(wrap)
	}
	return &Getter{config, namespace, c.Mapper}
}

// ToRESTConfig is the way to the server.
func (g *Getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

// ToDiscoveryClient asks for what the server can do, each thing once.
func (g *Getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	client, err := discovery.NewDiscoveryClientForConfig(g.config)
	if err != nil {
		return nil, err
	}
	return memory.NewMemCacheClient(client), nil
}

// ToRESTMapper is the cluster's own mapper.
func (g *Getter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper, nil }

// ToRawKubeConfigLoader says which namespace is meant; the rest of it is empty.
func (g *Getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return clientcmd.NewDefaultClientConfig(api.Config{}, &clientcmd.ConfigOverrides{Context: api.Context{Namespace: g.namespace}})
}
