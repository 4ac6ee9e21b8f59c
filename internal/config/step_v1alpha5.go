package config

import "go.yaml.in/yaml/v3"

// fromV1alpha5 refuses the ACR builder, which no later version has.
func fromV1alpha5(u *upgrade, p *yaml.Node) {
	if build := one(p, "build"); !isNull(get(build, "acr")) {
		u.doc.fault(keyNode(build, "acr"), "build.acr"+u.where()+" is not supported since skaffold/v1beta1", `remove it by hand; "local" or "cluster" can take its place`)
		cut(build, "acr")
	}
}
