package config

import "go.yaml.in/yaml/v3"

// fromV2beta8 turns the presence of sync.auto into true. Free kaniko flags became fields of their own and are dropped.
func fromV2beta8(u *upgrade, p *yaml.Node) {
	for _, sync := range find(p, "build.artifacts[].sync") {
		if auto := get(sync, "auto"); !isNull(auto) {
			set(sync, "auto", truth(true, auto))
		}
	}
	for _, kaniko := range find(p, "build.artifacts[].kaniko") {
		if flags := cut(kaniko, "flags"); len(items(flags)) > 0 {
			u.doc.note(flags, "kaniko.flags has no effect since skaffold/v2beta9: each flag is a field of its own", `upgrade the file and write "insecure: true" and the like`)
		}
	}
}
