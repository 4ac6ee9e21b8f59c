package config

import (
	"path/filepath"
	"strings"
)

// absolute makes every path absolute that is relative to the working folder. Dockerfiles, sync sources and dependency
// globs stay as written: they are relative to the context of their artifact.
func (c *Config) absolute() {
	c.hostHooks(c.Build.Hooks)
	for _, a := range c.Build.Artifacts {
		c.artifactPaths(a)
	}
	for _, t := range c.Test {
		c.fix(&t.Context)
		c.fixAll(t.StructureTests)
	}
	m := &c.Manifests
	c.fixAll(m.RawYaml)
	c.fixAll(m.Kpt)
	if m.Kustomize != nil {
		c.fixAll(m.Kustomize.Paths)
	}
	if m.Helm != nil {
		c.releasePaths(m.Helm.Releases)
	}
	for _, hooks := range [][]*RenderHook{m.Hooks.Before, m.Hooks.After} {
		for _, h := range hooks {
			if h.Host != nil {
				c.fix(&h.Host.Dir)
			}
		}
	}
	if d := c.Deploy.Helm; d != nil {
		c.releasePaths(d.Releases)
		c.deployHooks(d.Hooks)
	}
	if d := c.Deploy.Kubectl; d != nil {
		c.deployHooks(d.Hooks)
	}
	if d := c.Deploy.CloudRun; d != nil {
		c.hostHooks(d.Hooks)
	}
	for _, r := range c.Requires {
		c.fix(&r.Path)
	}
}

func (c *Config) artifactPaths(a *Artifact) {
	c.fix(&a.Context)
	c.hostHooks(a.Hooks)
	if a.Sync != nil {
		for _, hooks := range [][]*SyncHook{a.Sync.Hooks.Before, a.Sync.Hooks.After} {
			for _, h := range hooks {
				if h.Host != nil {
					c.fix(&h.Host.Dir)
				}
			}
		}
	}
	if a.Kaniko != nil {
		c.fix(&a.Kaniko.ContextSubPath)
	}
	if a.Buildpacks != nil {
		for _, v := range a.Buildpacks.Volumes {
			c.fix(&v.Host)
		}
	}
}

func (c *Config) releasePaths(releases []*HelmRelease) {
	for _, r := range releases {
		c.fix(&r.ChartPath)
		c.fixAll(r.ValuesFiles)
		for key, path := range r.SetFiles {
			r.SetFiles[key] = c.path(path)
		}
	}
}

func (c *Config) hostHooks(h HostHooks) {
	for _, hooks := range [][]*HostHook{h.Before, h.After} {
		for _, h := range hooks {
			c.fix(&h.Dir)
		}
	}
}

func (c *Config) deployHooks(h DeployHooks) {
	for _, hooks := range [][]*DeployHook{h.Before, h.After} {
		for _, h := range hooks {
			if h.Host != nil {
				c.fix(&h.Host.Dir)
			}
		}
	}
}

func (c *Config) fix(path *string) { *path = c.path(*path) }

func (c *Config) fixAll(paths []string) {
	for i := range paths {
		c.fix(&paths[i])
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
