package kube

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

const (
	inCluster     = "in-cluster"
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// ErrNone is a machine whose kubeconfig names no cluster: nothing is wrong, there is only none.
var ErrNone = errors.New("there is no kubeconfig with a cluster")

// load finds the context by the rules of kubectl.
func load(o Options) (*Cluster, error) {
	rules := rules(o)
	raw, err := rules.Load()
	if err != nil {
		return nil, unreadable(o, err)
	}
	env := getenv(o)
	if len(raw.Contexts) == 0 && o.Context == "" {
		if env("KUBERNETES_SERVICE_HOST") != "" && o.Kubeconfig == "" {
			return loadInCluster(o)
		}
		return nil, diagError("start a local cluster (kind create cluster, minikube start), or name a file with --kubeconfig",
			"%w in %s", ErrNone, strings.Join(searched(rules), ", "))
	}
	name := o.Context
	if name == "" {
		name = raw.CurrentContext
	}
	if _, ok := raw.Contexts[name]; !ok {
		return nil, unknownContext(name, raw)
	}
	client := clientcmd.NewNonInteractiveClientConfig(*raw, name, &clientcmd.ConfigOverrides{}, rules)
	config, err := client.ClientConfig()
	if err != nil {
		return nil, diagError("kubectl config view --minify --context "+name, "context %q of the kubeconfig: %w", name, err)
	}
	c := &Cluster{Context: name, Config: config, Host: hostOf(config), Namespace: o.Namespace, minikube: isMinikube(raw, name)}
	if c.Namespace == "" {
		// Namespace falls back to "default" by itself.
		if c.Namespace, _, err = client.Namespace(); err != nil {
			return nil, diagError("kubectl config view --minify", "context %q of the kubeconfig: %w", name, err)
		}
	}
	return c, nil
}

func rules(o Options) *clientcmd.ClientConfigLoadingRules {
	if o.Kubeconfig != "" {
		file := o.Kubeconfig
		if !filepath.IsAbs(file) && o.Dir != "" {
			file = filepath.Join(o.Dir, file)
		}
		return &clientcmd.ClientConfigLoadingRules{ExplicitPath: file}
	}
	env := getenv(o)
	if list := env("KUBECONFIG"); list != "" {
		r := &clientcmd.ClientConfigLoadingRules{}
		for _, file := range filepath.SplitList(list) {
			if file != "" {
				r.Precedence = append(r.Precedence, file)
			}
		}
		return r
	}
	home := env("HOME")
	if home == "" {
		home = env("USERPROFILE")
	}
	return &clientcmd.ClientConfigLoadingRules{Precedence: []string{filepath.Join(home, ".kube", "config")}}
}

func searched(r *clientcmd.ClientConfigLoadingRules) []string {
	if r.ExplicitPath != "" {
		return []string{r.ExplicitPath}
	}
	return r.Precedence
}

func getenv(o Options) func(string) string {
	if o.Getenv == nil {
		return func(string) string { return "" }
	}
	return o.Getenv
}

func loadInCluster(o Options) (*Cluster, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, diagError("name a kubeconfig with --kubeconfig", "the pod's service account cannot be used: %w", err)
	}
	c := &Cluster{Context: inCluster, Config: config, Host: hostOf(config), Namespace: o.Namespace}
	if c.Namespace == "" {
		data, err := os.ReadFile(namespaceFile)
		if c.Namespace = strings.TrimSpace(string(data)); err != nil || c.Namespace == "" {
			c.Namespace = "default"
		}
	}
	return c, nil
}

// hostOf leaves out a user name and password that stand in the URL.
func hostOf(config *rest.Config) string {
	u, err := url.Parse(config.Host)
	if err != nil || u.User == nil {
		return config.Host
	}
	u.User = nil
	return u.String()
}

func unreadable(o Options, err error) error {
	if o.Kubeconfig != "" && errors.Is(err, fs.ErrNotExist) {
		e := diagError("check the path given with --kubeconfig", "kubeconfig %q does not exist", o.Kubeconfig)
		e.Err = err
		return e
	}
	return diagError("mend the file, or name another with --kubeconfig", "the kubeconfig cannot be read: %w", err)
}

func unknownContext(name string, raw *api.Config) error {
	var names []string
	for n := range raw.Contexts {
		names = append(names, n)
	}
	sort.Strings(names)
	hint := "the kubeconfig has " + strings.Join(names, ", ") + "; choose one with --kube-context"
	if len(names) == 0 {
		hint = "the kubeconfig has no context at all; name another file with --kubeconfig"
	}
	if name == "" {
		return diagError(hint, "%w: it has no current context", ErrNone)
	}
	return diagError(hint, "context %q is not in the kubeconfig", name)
}

func (c *Cluster) badConfig(err error) error {
	return diagError("kubectl config view --minify --context "+c.Context, "context %q of the kubeconfig: %w", c.Context, err)
}

func diagError(hint, format string, args ...any) *diag.Error {
	e := diag.Errorf(hint, format, args...)
	e.Code = diag.CodeCluster
	return e
}
