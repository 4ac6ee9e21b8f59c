package config

import (
	"path/filepath"
	"reflect"
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

// rewrite puts every text at a path such as "build.artifacts.context" through a function. Lists are gone through, "*" is
// every field of a block; of texts by name the values are meant.
func rewrite(c *Config, path string, change func(string) string) {
	rewriteAt(reflect.ValueOf(c).Elem(), strings.Split(path, "."), change)
}

func rewriteAt(v reflect.Value, steps []string, change func(string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			rewriteAt(v.Elem(), steps, change)
		}
	case reflect.Slice:
		for i := range v.Len() {
			rewriteAt(v.Index(i), steps, change)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			rewriteAt(value, steps, change)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		if len(steps) == 0 {
			v.SetString(change(v.String()))
		}
	case reflect.Struct:
		for i := 0; len(steps) > 0 && i < v.NumField(); i++ {
			key, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			switch {
			case options == "inline":
				rewriteAt(v.Field(i), steps, change)
			case key == "-" || key == "":
			case steps[0] == "*" || steps[0] == key:
				rewriteAt(v.Field(i), steps[1:], change)
			}
		}
	}
}
