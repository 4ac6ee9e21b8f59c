package config

import "go.yaml.in/yaml/v3"

// fromV2beta16 drops the destination of a docker secret: the Dockerfile alone decides it.
func fromV2beta16(u *upgrade, p *yaml.Node) {
	for _, secret := range find(p, "build.artifacts[].docker.secret") {
		if dst := cut(secret, "dst"); value(dst) != "" {
			u.doc.note(dst, "docker.secret.dst has no effect since skaffold/v2beta17", `write the place in the Dockerfile: RUN --mount=type=secret,id=…,dst=`+dst.Value)
		}
	}
}
