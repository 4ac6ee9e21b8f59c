package config

import "go.yaml.in/yaml/v3"

// fromV1alpha2 makes the one values file a list, and moves kaniko's bucket into its build context. Skaffold loses the
// bucket of a profile; here it moves too.
func fromV1alpha2(_ *upgrade, p *yaml.Node) {
	for _, r := range find(p, "deploy.helm.releases[]") {
		if v := cut(r, "valuesFilePath"); value(v) != "" {
			set(r, "valuesFiles", list(v, v))
		}
	}
	if kaniko := one(p, "build.kaniko"); kaniko != nil {
		if v := cut(kaniko, "gcsBucket"); v != nil {
			set(child(kaniko, "buildContext", v), "gcsBucket", v)
		}
	}
}
