package config

import (
	"fmt"
	"sort"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// unknown reports a key that the version does not have at this place, with the best next step that the table knows.
func (c *checker) unknown(key *yaml.Node, parent *field, path string) {
	place := "in " + path
	if path == "" {
		place = "at the top level"
	}
	here := prefix + c.format.versions[c.version]
	if kid := parent.kids[key.Value]; kid != nil {
		first, final := kid.ages[0].first, kid.ages[len(kid.ages)-1].last
		if first > c.version {
			since := prefix + c.format.versions[first]
			c.doc.fault(key, fmt.Sprintf("field %q %s came with %s; this file is %s", key.Value, place, since, here), fmt.Sprintf(`set "apiVersion: %s" or newer; skiff fix --overwrite does so for a file without the field`, since))
			return
		}
		what := fmt.Sprintf("field %q %s went away after %s; this file is %s", key.Value, place, prefix+c.format.versions[final], here)
		hint := "remove it"
		if now := successor(path, key.Value); now != "" {
			hint = fmt.Sprintf("write %s instead", now)
		}
		c.doc.fault(key, what, hint)
		return
	}
	c.doc.fault(key, fmt.Sprintf("unknown field %q %s", key.Value, place), c.suggest(key.Value, parent, path))
}

// suggest is the nearest field: a slip of the keyboard, the same key one level below or above, else the list of keys.
func (c *checker) suggest(key string, parent *field, path string) string {
	var keys []string
	for k, kid := range parent.kids {
		if kid.at(c.version) != "" && k != "-" {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	if strings.Contains(key, "\u00a0") {
		return "a no-break space stands in this line; write ordinary ones"
	}
	if best := diag.Nearest(key, keys); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	for _, k := range keys {
		if parent.kids[k].kids[key].at(c.version) != "" {
			return fmt.Sprintf("did you mean %q? %q belongs below %q", k+"."+key, key, k)
		}
	}
	if c.format.root.kids[key].at(c.version) != "" {
		return fmt.Sprintf("did you mean the top-level %q? check the indentation", key)
	}
	if len(keys) == 0 {
		return fmt.Sprintf("%s has no fields; remove it or write {}", path)
	}
	return "it can have: " + strings.Join(keys, ", ")
}

// successor is where a field that went away is written in the latest version, "" where nothing replaces it.
func successor(path, key string) string {
	where := map[string]string{
		"imageName": `"image"`, "workspace": `"context"`, "dockerfilePath": `"dockerfile" below "docker"`,
		"jibMaven": `"jib" with "type: maven"`, "jibGradle": `"jib" with "type: gradle"`, "buildpack": `"buildpacks"`,
		"valuesFilePath": `"valuesFiles", a list,`, "skipPush": `"push" with the opposite value`,
		"artifactOverrides": `"setValueTemplates"`, "imageStrategy": `"setValueTemplates"`, "values": `"setValueTemplates"`,
		"kustomizePath": `"manifests.kustomize.paths"`, "kustomize": `"manifests.kustomize"`, "manifests": `"manifests.rawYaml" at the top level`,
		"secret": `"secrets", a list,`, "remote": `"remoteChart"`, "pullSecret": `"pullSecretPath"`, "acr": `"local" or "cluster"`,
		"kaniko": `"build.cluster", and "kaniko" below each artifact,`, "buildArgs": `"buildArgs" below "docker"`,
		"path": `"paths", a list,`, "platforms": `"platforms" of the artifact`,
	}
	if key == "name" || key == "flags" || strings.HasPrefix(last(path), "kpt") {
		return ""
	}
	return where[key]
}
