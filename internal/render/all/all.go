// Package all is the table from a project's manifests to the sources that read them.
package all

import (
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/render/kustomize"
	"github.com/skiff-dev/skiff/internal/render/raw"
)

// Options are what sources need besides the project.
type Options struct {
	Templates config.Templates
}

// Sources makes the sources of all configs, in their order. What cannot be rendered yet is refused, never left out.
func Sources(project *config.Project, o Options) ([]render.Source, error) {
	var sources []render.Source
	var faults diag.List
	for _, c := range project.Configs {
		faults = append(faults, refused(c)...)
		add := func(s render.Source, err error) {
			if err != nil {
				faults = append(faults, diag.All(err)...)
				return
			}
			sources = append(sources, s)
		}
		if m := c.Manifests; len(m.RawYaml) > 0 {
			add(raw.New(raw.Options{Patterns: m.RawYaml, Dir: dir(project, c), Templates: o.Templates}))
		}
		if k := c.Manifests.Kustomize; k != nil && len(k.Paths) > 0 {
			add(kustomize.New(kustomize.Options{Paths: k.Paths, BuildArgs: k.BuildArgs, Dir: dir(project, c), Templates: o.Templates}))
		}
	}
	return sources, faults.Err()
}

func dir(project *config.Project, c *config.Config) string {
	if c.Dir != "" {
		return c.Dir
	}
	return project.Dir
}

func refused(c *config.Config) diag.List {
	m := c.Manifests
	var faults diag.List
	for _, f := range []struct {
		there     bool
		key, hint string
	}{
		{m.Helm != nil && len(m.Helm.Releases) > 0, "helm", `run "helm template" into a file, and list the file under manifests.rawYaml`},
		{len(m.Kpt) > 0, "kpt", `run "kpt fn render" into a file, and list the file under manifests.rawYaml`},
		{len(m.RemoteManifests) > 0, "remoteManifests", `run "kubectl get -o yaml" into a file, and list the file under manifests.rawYaml`},
		{len(m.Transform) > 0, "transform", "make the change in the manifests"},
		{len(m.Validate) > 0, "validate", "remove the block; the API server checks every object"},
	} {
		if f.there {
			faults = append(faults, c.Fault("manifests."+f.key+" is not supported yet", f.hint, "manifests", f.key))
		}
	}
	return faults
}
