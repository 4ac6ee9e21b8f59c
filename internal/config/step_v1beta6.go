package config

import "go.yaml.in/yaml/v3"

// fromV1beta6 splits the kaniko builder: where it runs becomes build.cluster, how it builds goes to every artifact.
//
// Skaffold leaves an artifact's docker block beside the new kaniko block, which no version accepts. Here its
// Dockerfile, target and arguments move into the kaniko block, so that the file keeps working.
func fromV1beta6(u *upgrade, p *yaml.Node) {
	build := one(p, "build")
	kaniko := cut(build, "kaniko")
	if isNull(kaniko) {
		return
	}
	cluster := mapping(kaniko)
	for _, key := range []string{"pullSecret", "pullSecretName", "namespace", "timeout", "dockerConfig"} {
		if v := get(kaniko, key); v != nil {
			set(cluster, key, v)
		}
	}
	set(build, "cluster", cluster)
	built := artifacts(p)
	for _, key := range []string{"flags", "buildContext", "image", "cache"} {
		if n := keyNode(kaniko, key); n != nil && len(built) == 0 {
			u.doc.note(n, "kaniko."+key+u.where()+" is left out: since skaffold/v1beta7 it stands in each artifact, and there is none here", `upgrade the file and write it below "kaniko" of the artifacts`)
		}
	}
	for _, a := range built {
		block := mapping(kaniko)
		for _, key := range []string{"flags", "buildContext", "image", "cache"} {
			if v := get(kaniko, key); v != nil {
				set(block, key, clone(v))
			}
		}
		foldDocker(u, cut(a, "docker"), block)
		set(a, "kaniko", block)
	}
}

func foldDocker(u *upgrade, docker, kaniko *yaml.Node) {
	if isNull(docker) {
		return
	}
	for _, key := range []string{"dockerfile", "target", "buildArgs"} {
		if v := get(docker, key); v != nil {
			set(kaniko, key, v)
		}
	}
	if from := keyNode(docker, "cacheFrom"); from != nil {
		u.doc.note(from, "docker.cacheFrom has no effect with kaniko and is left out", `use "cache" of kaniko`)
	}
}
