package config

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// fromV4beta3 tells what of a verify container goes: it was a container of Kubernetes with all that one can have, and is
// a small block since. Patches of what goes fail by themselves.
func fromV4beta3(u *upgrade, p *yaml.Node) {
	for _, container := range find(p, "verify[].container") {
		lost(u, container, "name", "image", "command", "args", "env")
		for _, env := range items(get(container, "env")) {
			lost(u, env, "name", "value")
		}
	}
}

// lost notes the keys of a block that later versions do not have.
func lost(u *upgrade, block *yaml.Node, kept ...string) {
	for i := 0; block != nil && block.Kind == yaml.MappingNode && i+1 < len(block.Content); i += 2 {
		if key := block.Content[i]; !slices.Contains(kept, key.Value) {
			u.doc.note(key, key.Value+" of a verify container has no effect since skaffold/v4beta4", `remove it, or use a Job with "executionMode.kubernetesCluster.jobManifestPath"`)
		}
	}
}
