package config

import "go.yaml.in/yaml/v3"

// fromV2beta27 moves the platforms of a ko build to its artifact.
func fromV2beta27(_ *upgrade, p *yaml.Node) {
	for _, a := range artifacts(p) {
		if platforms := cut(one(a, "ko"), "platforms"); len(items(platforms)) > 0 {
			set(a, "platforms", platforms)
		}
	}
}
