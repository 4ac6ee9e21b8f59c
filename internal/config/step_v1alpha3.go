package config

import "go.yaml.in/yaml/v3"

// fromV1alpha3 turns skipPush into its opposite, push.
func fromV1alpha3(_ *upgrade, p *yaml.Node) {
	local := one(p, "build.local")
	if skip := cut(local, "skipPush"); !isNull(skip) {
		set(local, "push", truth(!isTrue(skip), skip))
	}
}
