package config

import "go.yaml.in/yaml/v3"

// fromV4beta4 drops kaniko's noPush, which pushes were never meant to have.
func fromV4beta4(u *upgrade, p *yaml.Node) {
	for _, kaniko := range find(p, "build.artifacts[].kaniko") {
		if no := cut(kaniko, "noPush"); isTrue(no) {
			u.doc.note(no, "kaniko.noPush has no effect since skaffold/v4beta5", "remove it")
		}
	}
}
