package helm

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/Masterminds/semver/v3"
	v2 "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/skiff-dev/skiff/internal/diag"
)

// depend gives the chart what it depends on. What lies in its charts folder and fits is taken; the rest is read from the
// folder that a file:// address names, or fetched. Nothing is written into the project.
func (r *release) depend(ctx context.Context, l *loaded, c *v2.Chart, dir string, level int) error {
	for _, d := range c.Metadata.Dependencies {
		if path, ok := strings.CutPrefix(d.Repository, "file://"); ok {
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			sub, err := r.local(ctx, l, path, level+1)
			if err != nil {
				return fmt.Errorf("dependency %s of chart %s: %w", d.Name, c.Name(), err)
			}
			if !fits(sub, d) {
				return diag.Errorf("correct the version in Chart.yaml", "chart %s depends on %s %s, and %s has version %s", c.Name(), d.Name, d.Version, path, sub.Metadata.Version)
			}
			replace(c, sub)
			continue
		}
		if there(c, d) {
			continue
		}
		version := d.Version
		if locked := inLock(c, d); locked != "" {
			version = locked
		}
		if d.Repository == "" {
			return diag.Errorf("put it into the charts folder, or name its repository in Chart.yaml", "chart %s depends on %s, which is not in its charts folder", c.Name(), d.Name)
		}
		sub, err := r.source.charts.fetch(ctx, refOf(d, version, r.flags.install.access))
		if err != nil {
			return fmt.Errorf("dependency %s of chart %s: %w", d.Name, c.Name(), err)
		}
		replace(c, sub)
	}
	return nil
}

// refOf is where a dependency is fetched from.
func refOf(d *v2.Dependency, version string, a access) chartRef {
	switch {
	case strings.HasPrefix(d.Repository, "oci://"):
		return chartRef{name: strings.TrimSuffix(d.Repository, "/") + "/" + d.Name, version: version, access: a}
	case strings.HasPrefix(d.Repository, "@"), strings.HasPrefix(d.Repository, "alias:"):
		alias := strings.TrimPrefix(strings.TrimPrefix(d.Repository, "@"), "alias:")
		return chartRef{name: alias + "/" + d.Name, version: version, access: a}
	}
	return chartRef{name: d.Name, repo: d.Repository, version: version, access: a}
}

func inLock(c *v2.Chart, d *v2.Dependency) string {
	if c.Lock == nil {
		return ""
	}
	for _, l := range c.Lock.Dependencies {
		if l.Name == d.Name && l.Repository == d.Repository && satisfies(l.Version, d.Version) {
			return l.Version
		}
	}
	return ""
}

func there(c *v2.Chart, d *v2.Dependency) bool {
	for _, sub := range c.Dependencies() {
		if fits(sub, d) {
			return true
		}
	}
	return false
}

func fits(sub *v2.Chart, d *v2.Dependency) bool {
	return sub.Name() == d.Name && satisfies(sub.Metadata.Version, d.Version)
}

func satisfies(version, constraint string) bool {
	if constraint == "" || version == constraint {
		return true
	}
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return false
	}
	v, err := semver.NewVersion(version)
	return err == nil && c.Check(v)
}

// replace puts sub in, instead of one with its name.
func replace(c, sub *v2.Chart) {
	var rest []*v2.Chart
	for _, other := range c.Dependencies() {
		if other.Name() != sub.Name() {
			rest = append(rest, other)
		}
	}
	c.SetDependencies(rest...)
	c.AddDependency(sub)
}

// complete refuses a chart whose dependencies are missing, where they are not to be fetched.
func complete(c *v2.Chart) error {
	var missing []string
	for _, d := range c.Metadata.Dependencies {
		there := false
		for _, sub := range c.Dependencies() {
			there = there || sub.Name() == d.Name
		}
		if !there {
			missing = append(missing, d.Name)
		}
	}
	if len(missing) > 0 {
		return diag.Errorf("remove skipBuildDependencies, or put them into the charts folder", "chart %s depends on %s, not in its charts folder", c.Name(), strings.Join(missing, ", "))
	}
	return nil
}
