package config

import "go.yaml.in/yaml/v3"

// fromV2beta22 makes the one docker secret a list.
func fromV2beta22(_ *upgrade, p *yaml.Node) {
	for _, docker := range find(p, "build.artifacts[].docker") {
		if secret := cut(docker, "secret"); !isNull(secret) {
			set(docker, "secrets", list(secret, secret))
		}
	}
}
