package config

import "go.yaml.in/yaml/v3"

// fromV2alpha2 makes the one kustomization a list.
func fromV2alpha2(_ *upgrade, p *yaml.Node) {
	kustomize := one(p, "deploy.kustomize")
	if path := cut(kustomize, "path"); value(path) != "" {
		set(kustomize, "paths", list(path, path))
	}
	for _, b := range find(p, "build.artifacts[].buildpack") {
		cut(b, "forcePull")
	}
}
