package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
