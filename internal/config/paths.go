package config

import (
	"path/filepath"
	"strings"
)

// paths are the fields that hold paths relative to the working folder. Dockerfiles, sync sources and dependency globs are
// not among them: they are relative to the context of their artifact.
const paths = `build.hooks.*.dir build.artifacts.context build.artifacts.hooks.*.dir build.artifacts.sync.hooks.*.host.dir
build.artifacts.kaniko.contextSubPath build.artifacts.buildpacks.volumes.host test.context test.structureTests requires.path
manifests.rawYaml manifests.kpt manifests.kustomize.paths manifests.hooks.*.host.dir
manifests.helm.releases.chartPath manifests.helm.releases.valuesFiles manifests.helm.releases.setFiles
deploy.helm.releases.chartPath deploy.helm.releases.valuesFiles deploy.helm.releases.setFiles
deploy.helm.hooks.*.host.dir deploy.kubectl.hooks.*.host.dir deploy.cloudrun.hooks.*.dir`

// absolute makes every path absolute that is relative to the working folder.
func (c *Config) absolute() {
	for _, path := range strings.Fields(paths) {
		rewrite(c, path, c.path)
	}
}

// path is a path of the file made absolute. What is no path on this machine stays: a URL, a bucket, a git address, a
// home folder, a template. Skaffold joins those to the folder as well, which breaks them.
func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) || strings.Contains(p, "://") || strings.HasPrefix(p, "~") || strings.HasPrefix(p, "{{") ||
		strings.HasPrefix(p, "git@") || strings.Contains(p, "?ref=") {
		return p
	}
	return filepath.Join(c.Dir, p)
}
