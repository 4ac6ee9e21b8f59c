package kustomize

import (
	"os/exec"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/skiff-dev/skiff/internal/diag"
)

// parseArgs reads the arguments of "kustomize build" that the library knows. What would start a program of the
// kustomization's choice is refused: the project file must not be able to do that in passing.
func parseArgs(args []string) (*krusty.Options, error) {
	o := krusty.MakeDefaultOptions()
	o.Reorder = krusty.ReorderOptionUnspecified
	o.PluginConfig = types.DisabledPluginConfig()
	words := split(args)
	for len(words) > 0 {
		name, value, given := strings.Cut(words[0], "=")
		words = words[1:]
		take := func() string {
			if !given && len(words) > 0 {
				value, words = words[0], words[1:]
			}
			return value
		}
		if err := apply(o, name, value, take); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// split takes the words of all arguments apart: one text may hold several, as in Skaffold.
func split(args []string) []string {
	var words []string
	for _, a := range args {
		words = append(words, strings.Fields(a)...)
	}
	return words
}

func apply(o *krusty.Options, name, value string, take func() string) error {
	on := value != "false"
	helm := &o.PluginConfig.HelmConfig
	switch name {
	case "--load-restrictor", "--load_restrictor":
		switch v := take(); v {
		case "LoadRestrictionsRootOnly", "rootOnly":
			o.LoadRestrictions = types.LoadRestrictionsRootOnly
		case "LoadRestrictionsNone", "none":
			o.LoadRestrictions = types.LoadRestrictionsNone
		default:
			return refuse("write LoadRestrictionsRootOnly or LoadRestrictionsNone", "--load-restrictor=%s", v)
		}
	case "--reorder":
		switch v := take(); v {
		case "legacy", "none":
			o.Reorder = krusty.ReorderOption(v)
		default:
			return refuse("write legacy or none", "--reorder=%s", v)
		}
	case "--enable-managedby-label":
		o.AddManagedbyLabel = on
	case "--enable-helm":
		helm.Enabled = on
		if helm.Command == "" {
			helm.Command = "helm"
		}
	case "--helm-command":
		helm.Command = take()
	case "--helm-kube-version":
		helm.KubeVersion = take()
	case "--helm-api-versions":
		helm.ApiVersions = append(helm.ApiVersions, take())
	case "--helm-debug":
		helm.Debug = on
	case "--stack-trace":
	case "--enable-alpha-plugins", "--enable-exec", "--enable-star", "--network", "--network-name", "--mount", "--env", "-e", "--as-current-user", "--allow-id-changes":
		return refuse("remove it, and use the transformers that kustomize has built in", "%s is not supported: skiff starts no plugins of a kustomization", name)
	case "--output", "-o":
		return refuse("remove it; skiff render -o FILE writes the manifests", "%s is not supported", name)
	default:
		return refuse("remove it; known are --load-restrictor, --reorder, --enable-managedby-label, --enable-helm and --helm-…", "%s is no argument of kustomize build that skiff knows", name)
	}
	return nil
}

func refuse(hint, format string, args ...any) error {
	e := diag.Errorf(hint, "manifests.kustomize.buildArgs: "+format, args...)
	e.Code = diag.CodeConfig
	return e
}

func missing(program string) bool {
	_, err := exec.LookPath(program)
	return err != nil
}
