package config

import (
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// overridesToTemplates replaces the image overrides of a release by the templates that give the same values.
func overridesToTemplates(release *yaml.Node) {
	strategy := cut(release, "imageStrategy")
	overrides := cut(release, "artifactOverrides")
	if isNull(overrides) {
		return
	}
	flat := flatMap(overrides)
	keys := make([]string, 0, len(flat))
	for key := range flat {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		for _, t := range imageTemplates(key, flat[key], strategy) {
			set(child(release, "setValueTemplates", overrides), t.key, text(t.value, overrides))
		}
	}
}

type template struct{ key, value string }

// imageTemplates is what one override becomes: how many values, and which, depends on the image strategy.
func imageTemplates(key, image string, strategy *yaml.Node) []template {
	name := strings.NewReplacer(".", "_", "-", "_", "/", "_", ":", "_").Replace(image)
	helm := one(strategy, "helm")
	if helm == nil {
		return []template{{key, "{{.IMAGE_FULLY_QUALIFIED_" + name + "}}"}}
	}
	tag := template{key + ".tag", "{{.IMAGE_TAG_" + name + "}}@{{.IMAGE_DIGEST_" + name + "}}"}
	if isTrue(get(helm, "explicitRegistry")) {
		return []template{tag,
			{key + ".registry", "{{.IMAGE_DOMAIN_" + name + "}}"},
			{key + ".repository", "{{.IMAGE_REPO_NO_DOMAIN_" + name + "}}"}}
	}
	return []template{tag, {key + ".repository", "{{.IMAGE_REPO_" + name + "}}"}}
}
