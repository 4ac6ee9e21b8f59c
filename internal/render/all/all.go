// Package all is the table from a project's manifests to the sources that read them.
package all

import (
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/render/helm"
	"github.com/skiff-dev/skiff/internal/render/kustomize"
	"github.com/skiff-dev/skiff/internal/render/raw"
	"github.com/skiff-dev/skiff/internal/render/remote"
)

// Options are what sources need besides the project.
type Options struct {
	Templates config.Templates
	Home      string   // what ~ stands for
	Namespace string   // of every release of helm, instead of its own
	Default   string   // of releases that name none
	Insecure  []string // registries that are spoken to without TLS
	Setters   render.Setters
	Cluster   func(context string) (*kube.Cluster, error) // of remote manifests; "" is the session's
	Warn      func(text string)                           // may be nil
}

// Sources makes the sources of all configs, in their order. What cannot be rendered yet is refused, never left out.
func Sources(project *config.Project, o Options) ([]render.Source, error) {
	var sources []render.Source
	var faults diag.List
	ranks := ranksOf(project)
	for _, c := range project.Configs {
		faults = append(faults, refused(c)...)
		faults = append(faults, diag.All(o.validators(c))...)
		add := func(s render.Source, err error) {
			if err == nil && len(c.Manifests.Transform) > 0 {
				s, err = render.Transform(c, s)
			}
			if err != nil {
				faults = append(faults, diag.All(err)...)
				return
			}
			sources = append(sources, atRank(s, ranks[c]))
		}
		if m := c.Manifests; len(m.RawYaml) > 0 {
			add(raw.New(raw.Options{Patterns: m.RawYaml, Dir: dir(project, c), Templates: o.Templates, Setters: o.Setters}))
		}
		if len(c.Manifests.RemoteManifests) > 0 {
			add(remote.New(remote.Options{Config: c, Cluster: o.Cluster}), nil)
		}
		if k := c.Manifests.Kustomize; k != nil && len(k.Paths) > 0 {
			add(kustomize.New(kustomize.Options{Paths: k.Paths, BuildArgs: k.BuildArgs, Dir: dir(project, c), Templates: o.Templates}))
		}
		if h := c.Manifests.Helm; h != nil && len(h.Releases) > 0 && c.Deploy.Helm == nil {
			add(helm.New(o.helm(project, c, h.Releases, h.Flags, "manifests", "helm")))
		}
	}
	for _, c := range project.Configs {
		if r, err := o.releases(project, c); err != nil {
			faults = append(faults, diag.All(err)...)
		} else if r != nil {
			sources = append(sources, r)
		}
	}
	return sources, faults.Err()
}

func (o Options) validators(c *config.Config) error {
	warnings, err := render.Checked(c)
	for _, text := range warnings {
		if o.Warn != nil {
			o.Warn(text)
		}
	}
	return err
}

// releases is what helm installs of a config: releases under manifests stand for those under deploy, where both are there.
func (o Options) releases(project *config.Project, c *config.Config) (*Releases, error) {
	h, m := c.Deploy.Helm, c.Manifests.Helm
	if h == nil {
		return nil, nil
	}
	of := o.helm(project, c, h.Releases, h.Flags, "deploy", "helm")
	if m != nil && len(m.Releases) > 0 {
		of = o.helm(project, c, m.Releases, m.Flags, "manifests", "helm")
	}
	if len(of.Releases) == 0 {
		return nil, nil
	}
	s, err := helm.New(of)
	if err != nil {
		return nil, err
	}
	return &Releases{Source: s, Config: c}, nil
}

// helm is what the releases of one block need.
func (o Options) helm(project *config.Project, c *config.Config, releases []*config.HelmRelease, flags config.HelmFlags, block ...any) helm.Options {
	var artifacts []string
	for _, a := range project.Artifacts() {
		artifacts = append(artifacts, a.Image)
	}
	return helm.Options{
		Config: c, Block: block, Releases: releases, Flags: flags, Dir: dir(project, c), Home: o.Home, Templates: o.Templates,
		Artifacts: artifacts, Namespace: o.Namespace, Default: o.Default, Insecure: o.Insecure,
	}
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
		{len(m.Kpt) > 0, "kpt", `run "kpt fn render" into a file, and list the file under manifests.rawYaml`},
	} {
		if f.there {
			faults = append(faults, c.Fault("manifests."+f.key+" is not supported yet", f.hint, "manifests", f.key))
		}
	}
	return faults
}
