package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/skiff-dev/skiff/internal/config"
)

// loadFrom loads the project. Relative paths of the file start from the working folder, as Skaffold has it; where nothing that the
// file names is there, and some of it is beside the file, they start from the file's folder (docs/decisions/local.md).
func (s *session) loadFrom(ctx context.Context, o config.Options) (*config.Project, error) {
	p, err := config.Load(ctx, o)
	if err != nil || p.File == "-" || s.command == "diagnose" && s.yamlOnly {
		return p, err
	}
	base := filepath.Dir(p.File)
	if base == p.Dir || finds(p, p.Dir) || !finds(p, base) {
		return p, nil
	}
	o.Base = base
	if p, err = config.Load(ctx, o); err != nil {
		return nil, err
	}
	if !s.rebased {
		s.rebased, s.notice = true, fmt.Sprintf("Paths of %s start from its folder: nothing that it names is in the working folder.", s.shown(p.File))
	}
	return p, nil
}

// finds says whether something that the file itself names is there when its relative paths start from base.
func finds(p *config.Project, base string) bool {
	for _, c := range p.Configs {
		if c.File != p.File {
			continue
		}
		if slices.ContainsFunc(worksOn(c), func(path string) bool {
			rel, err := filepath.Rel(p.Dir, path)
			if err != nil {
				return false
			}
			found, err := filepath.Glob(filepath.Join(base, rel))
			return err == nil && len(found) > 0
		}) {
			return true
		}
	}
	return false
}

// worksOn is the paths by which a config says what it works on. A folder that is "." is none of them: it is everywhere.
func worksOn(c *config.Config) []string {
	var paths []string
	for _, a := range c.Build.Artifacts {
		if a.Context != c.Dir {
			paths = append(paths, a.Context)
		}
		for _, file := range recipes(a) {
			paths = append(paths, filepath.Join(a.Context, file), filepath.Join(c.Dir, file))
		}
	}
	paths = append(paths, c.Manifests.RawYaml...)
	if k := c.Manifests.Kustomize; k != nil {
		paths = append(paths, k.Paths...)
	}
	if helm := c.Manifests.Helm; helm != nil {
		for _, r := range helm.Releases {
			paths = append(paths, r.ChartPath)
		}
	}
	if helm := c.Deploy.Helm; helm != nil {
		for _, r := range helm.Releases {
			paths = append(paths, r.ChartPath)
		}
	}
	return slices.DeleteFunc(paths, func(p string) bool { return p == "" || p == c.Dir || !filepath.IsAbs(p) })
}

// recipes are the files, relative to its context, that an artifact of this kind cannot be without.
func recipes(a *config.Artifact) []string {
	switch {
	case a.Docker != nil && !filepath.IsAbs(a.Docker.Dockerfile):
		return []string{a.Docker.Dockerfile}
	case a.Kaniko != nil && !filepath.IsAbs(a.Kaniko.Dockerfile):
		return []string{a.Kaniko.Dockerfile}
	case a.Ko != nil:
		return []string{"go.mod"}
	case a.Jib != nil:
		return []string{"pom.xml", "build.gradle", "build.gradle.kts"}
	case a.Bazel != nil:
		return []string{"WORKSPACE", "MODULE.bazel", "WORKSPACE.bazel"}
	}
	return nil
}
