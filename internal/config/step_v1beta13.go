package config

import "go.yaml.in/yaml/v3"

// fromV1beta13 makes one jib block of the two for Maven and Gradle.
func fromV1beta13(_ *upgrade, p *yaml.Node) {
	for _, a := range artifacts(p) {
		maven, gradle := cut(a, "jibMaven"), cut(a, "jibGradle")
		switch {
		case !isNull(maven):
			jib := jibBlock(maven, "maven", "module")
			if profile := get(maven, "profile"); value(profile) != "" {
				args := list(profile, items(get(maven, "args"))...)
				args.Content = append(args.Content[:len(args.Content):len(args.Content)], text("--activate-profiles", profile), profile)
				set(jib, "args", args)
			}
			set(a, "jib", jib)
		case !isNull(gradle):
			set(a, "jib", jibBlock(gradle, "gradle", "project"))
		}
	}
}

func jibBlock(old *yaml.Node, kind, project string) *yaml.Node {
	jib := mapping(old)
	set(jib, "type", text(kind, old))
	if v := get(old, project); v != nil {
		set(jib, "project", v)
	}
	if v := get(old, "args"); v != nil {
		set(jib, "args", v)
	}
	return jib
}
