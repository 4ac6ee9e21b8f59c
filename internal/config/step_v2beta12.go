package config

import "go.yaml.in/yaml/v3"

// fromV2beta12 gives a remote chart a field of its own.
func fromV2beta12(_ *upgrade, p *yaml.Node) {
	for _, r := range find(p, "deploy.helm.releases[]") {
		if !isTrue(cut(r, "remote")) {
			continue
		}
		if chart := cut(r, "chartPath"); chart != nil {
			set(r, "remoteChart", chart)
		}
	}
}
