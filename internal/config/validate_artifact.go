package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// artifact checks the rules of one artifact.
func (v *validator) artifact(c *Config, a *Artifact, i int) {
	at := func(path ...any) []any { return append([]any{"build", "artifacts", i}, path...) }
	v.fits(c, a, at)
	if d := a.Docker; d != nil {
		v.network(c, d.Network, at("docker", "network"))
	}
	if a.Custom != nil && a.Custom.Dependencies != nil {
		if d := a.Custom.Dependencies; len(d.Ignore) > 0 && (d.Dockerfile != nil || d.Command != "") {
			v.add(c, `"ignore" works only with "paths"`, `remove "ignore", or list "paths"`, at("custom", "dependencies", "ignore")...)
		}
	}
	if a.Jib != nil && a.Jib.Type != "" && !strings.EqualFold(a.Jib.Type, "maven") && !strings.EqualFold(a.Jib.Type, "gradle") {
		v.add(c, fmt.Sprintf("jib type %q is not known", a.Jib.Type), "write maven or gradle", at("jib", "type")...)
	}
	v.sync(c, a, at)
}

func (v *validator) sync(c *Config, a *Artifact, at func(...any) []any) {
	if a.Sync == nil {
		return
	}
	for j, rule := range a.Sync.Manual {
		if !strings.HasPrefix(rule.Src, rule.Strip) {
			v.add(c, fmt.Sprintf("sync source %q does not begin with %q, which is to be stripped", rule.Src, rule.Strip), `begin "src" with the text of "strip"`, at("sync", "manual", j, "strip")...)
		}
	}
	if a.Ko == nil || len(a.Sync.Infer) == 0 {
		return
	}
	if strings.Contains(a.Ko.Main, "...") {
		v.add(c, `sync cannot infer with "..." in ko.main`, "name one main package", at("ko", "main")...)
	}
	for j, pattern := range a.Sync.Infer {
		if !strings.Contains(pattern, "kodata") {
			v.add(c, fmt.Sprintf("ko can only sync files below kodata, not %q", pattern), `write "infer: [kodata/**/*]"`, at("sync", "infer", j)...)
		}
	}
}

// fits checks that the builder can build this type of artifact.
func (v *validator) fits(c *Config, a *Artifact, at func(...any) []any) {
	b, kind := &c.Build, a.Type()
	switch {
	case b.Local != nil && kind == "kaniko":
		v.add(c, "kaniko builds in a cluster, and the builder is local", `add "cluster: {}" below build, or use docker`, at("kaniko")...)
	case b.GoogleCloudBuild != nil && (kind == "bazel" || kind == "custom"):
		v.add(c, fmt.Sprintf("Google Cloud Build cannot build a %s artifact", kind), "use docker, jib, kaniko, buildpacks or ko", at(kind)...)
	case b.Cluster != nil && kind == "buildpacks":
		v.add(c, "the cluster builder cannot build a buildpacks artifact", "use kaniko or custom", at(kind)...)
	}
}

// Type is the builder that the artifact asks for: docker, kaniko, bazel, jib, custom, buildpacks or ko.
func (a *Artifact) Type() string {
	switch {
	case a.Docker != nil:
		return "docker"
	case a.Kaniko != nil:
		return "kaniko"
	case a.Bazel != nil:
		return "bazel"
	case a.Jib != nil:
		return "jib"
	case a.Custom != nil:
		return "custom"
	case a.Buildpacks != nil:
		return "buildpacks"
	case a.Ko != nil:
		return "ko"
	}
	return ""
}

// network checks a docker network that is the one of a container. What its template needs may be known only later.
func (v *validator) network(c *Config, network string, path []any) {
	m := regexp.MustCompile(`(?i)^container:(.*)$`).FindStringSubmatch(network)
	if m == nil {
		return
	}
	name, err := Templates{}.Fill(m[1], nil)
	if err != nil {
		v.add(c, err.Error(), "correct the template", path...)
	} else if !strings.Contains(m[1], "{{") && !regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`).MatchString(name) {
		v.add(c, fmt.Sprintf("network %q names no container", network), "write container:NAME; a name has letters, digits and . _ -", path...)
	}
}

// manifests checks that every pattern of raw manifests finds a file, for the commands that read them. Patterns that
// are no local path, or that only a template makes one, are known when they are rendered.
func (v *validator) manifests(c *Config) {
	if !slices.Contains([]string{"dev", "deploy", "run", "debug", "render"}, v.command) || c.implied.rawYaml {
		return
	}
	patterns := c.Manifests.RawYaml
	if len(patterns) == 1 && patterns[0] == c.path("k8s/*.yaml") {
		return
	}
	for i, pattern := range patterns {
		if strings.Contains(pattern, "://") || strings.Contains(pattern, "{{") || strings.HasPrefix(pattern, "~") {
			continue
		}
		if _, err := os.Lstat(pattern); err == nil {
			continue
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			v.add(c, fmt.Sprintf("manifest pattern %q cannot be read: %v", c.shown(pattern), err), "close the bracket, or write \\[ for a plain one", "manifests", "rawYaml", i)
			continue
		}
		if len(found) == 0 {
			v.add(c, fmt.Sprintf("no manifest matches %q", c.shown(pattern)), fmt.Sprintf("correct the path; it is looked for in %s", filepath.Dir(pattern)), "manifests", "rawYaml", i)
		}
	}
}

// shown is a path as the user wrote it, or nearly so.
func (c *Config) shown(path string) string {
	if rel, err := filepath.Rel(c.Dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
