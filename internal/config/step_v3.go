package config

import "go.yaml.in/yaml/v3"

// fromV3 moves the remote manifests out of the kubectl deployer, each with the kube context of its pipeline.
func fromV3(_ *upgrade, p *yaml.Node) {
	old := cut(one(p, "deploy.kubectl"), "remoteManifests")
	if len(items(old)) == 0 {
		return
	}
	remote := list(old)
	for _, m := range items(old) {
		entry := mapping(m)
		set(entry, "manifest", m)
		if context := one(p, "deploy.kubeContext"); value(context) != "" {
			set(entry, "kubeContext", clone(context))
		}
		remote.Content = append(remote.Content, entry)
	}
	set(child(p, "manifests", old), "remoteManifests", remote)
}
