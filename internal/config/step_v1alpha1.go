package config

import "go.yaml.in/yaml/v3"

// fromV1alpha1 moves Dockerfile settings below docker, and turns the tag policy and the manifests into their later forms.
func fromV1alpha1(u *upgrade, root *yaml.Node) {
	build, deploy := get(root, "build"), get(root, "deploy")
	if policy := cut(build, "tagPolicy"); !isNull(policy) {
		switch name := value(policy); name {
		case "sha256", "gitCommit":
			chosen := mapping(policy)
			set(chosen, name, mapping(policy))
			set(build, "tagPolicy", chosen)
		default:
			u.doc.note(policy, "tag policy "+name+" is not known and is left out", `write "sha256" or "gitCommit"`)
		}
	}
	for _, a := range artifacts(root) {
		for _, key := range []string{"dockerfilePath", "buildArgs"} {
			if v := cut(a, key); v != nil && (v.Value != "" || len(v.Content) > 0) {
				set(child(a, "docker", v), key, v)
			}
		}
	}
	cut(deploy, "name")
	kubectl := one(deploy, "kubectl")
	if old := cut(kubectl, "manifests"); !isNull(old) {
		paths := list(old)
		for _, m := range items(old) {
			paths.Content = append(paths.Content, items(get(m, "paths"))...)
			if p := get(m, "parameters"); !isNull(p) {
				u.doc.note(p, "manifest parameters have no effect since skaffold/v1alpha2", "remove them")
			}
		}
		set(kubectl, "manifests", paths)
	}
}
