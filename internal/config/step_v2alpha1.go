package config

import "go.yaml.in/yaml/v3"

// fromV2alpha1 keeps the init image of kaniko's build context; sources always come from the local folder from here on.
func fromV2alpha1(u *upgrade, p *yaml.Node) {
	for _, kaniko := range find(p, "build.artifacts[].kaniko") {
		old := cut(kaniko, "buildContext")
		if v := one(old, "localDir.initImage"); v != nil {
			set(kaniko, "initImage", v)
		}
		if bucket := keyNode(old, "gcsBucket"); bucket != nil {
			u.doc.note(bucket, "kaniko.buildContext.gcsBucket has no effect since skaffold/v2alpha2: sources are sent from the local folder", "remove it")
		}
	}
}
