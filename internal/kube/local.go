package kube

import (
	"context"
	"regexp"

	"go.yaml.in/yaml/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd/api"
)

var localContext = regexp.MustCompile(`^(minikube|docker-for-desktop|docker-desktop|kind-.*|.*@kind|k3d-.*)$`)

// IsLocal is true for a cluster on this machine, into which images can be loaded instead of pushed: minikube, Docker
// Desktop, kind and k3d by the name of the context, and every other profile of minikube by the mark that it leaves in
// the kubeconfig.
func (c *Cluster) IsLocal() bool {
	return c.minikube || localContext.MatchString(c.Context)
}

// isMinikube looks for the "provider" that minikube writes beside its clusters and contexts, so no minikube needs to be asked.
func isMinikube(raw *api.Config, name string) bool {
	context := raw.Contexts[name]
	if context == nil {
		return false
	}
	if cluster := raw.Clusters[context.Cluster]; cluster != nil {
		for _, e := range cluster.Extensions {
			if extensionProvider(e) == "minikube.sigs.k8s.io" {
				return true
			}
		}
	}
	return false
}

// LocalRegistry is the registry that the cluster announces as a way in for local images (KEP-1755), "" when it names
// none or does not let us see.
func (c *Cluster) LocalRegistry(ctx context.Context) (string, error) {
	m, err := c.Typed.CoreV1().ConfigMaps("kube-public").Get(ctx, "local-registry-hosting", metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return "", nil
	}
	if err != nil {
		return "", c.Explain(err)
	}
	var hosting struct {
		Host string `yaml:"host"`
	}
	if err := yaml.Unmarshal([]byte(m.Data["localRegistryHosting.v1"]), &hosting); err != nil {
		return "", diagError("kubectl edit configmap -n kube-public local-registry-hosting",
			"ConfigMap kube-public/local-registry-hosting: %w", err)
	}
	return hosting.Host, nil
}

// extensionProvider is the provider that an extension of the kubeconfig names.
func extensionProvider(o runtime.Object) string {
	unknown, ok := o.(*runtime.Unknown)
	if !ok {
		return ""
	}
	var e struct {
		Provider string `yaml:"provider"`
	}
	if yaml.Unmarshal(unknown.Raw, &e) != nil {
		return ""
	}
	return e.Provider
}
