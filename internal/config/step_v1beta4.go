package config

import "go.yaml.in/yaml/v3"

// fromV1beta4 writes out that BuildKit is off: an absent useBuildkit of a local builder meant that, and means "as Docker
// likes" from here on.
func fromV1beta4(_ *upgrade, p *yaml.Node) {
	if local := one(p, "build.local"); local != nil && isNull(get(local, "useBuildkit")) {
		set(local, "useBuildkit", truth(false, local))
	}
}
