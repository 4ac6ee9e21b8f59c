package config

import "go.yaml.in/yaml/v3"

// fromV1beta8 turns builder plugins into the fields they stand for.
func fromV1beta8(u *upgrade, p *yaml.Node) {
	for _, a := range artifacts(p) {
		plugin := cut(a, "plugin")
		if isNull(plugin) {
			continue
		}
		switch name := value(get(plugin, "name")); name {
		case "bazel", "docker":
			set(a, name, properties(plugin))
		default:
			u.doc.note(plugin, "builder plugin "+name+" is not known and is left out", "name a builder: docker, bazel, jib, custom")
		}
	}
	build := one(p, "build")
	environment := cut(build, "executionEnvironment")
	if isNull(environment) {
		return
	}
	switch name := value(get(environment, "name")); name {
	case "googleCloudBuild", "local":
		set(build, name, properties(environment))
	default:
		u.doc.note(environment, "execution environment "+name+" is not known and is left out", `write "local" or "googleCloudBuild"`)
	}
}

func properties(n *yaml.Node) *yaml.Node {
	if v := get(n, "properties"); v != nil && v.Kind == yaml.MappingNode {
		return v
	}
	return mapping(n)
}
