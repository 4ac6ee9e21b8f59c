package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"

	"github.com/skiff-dev/skiff/internal/diag"
)

// loaded is a chart with all that it depends on, and where it came from.
type loaded struct {
	chart  *v2.Chart // never changed
	dirs   []string  // folders of the project that it was read from
	stamps map[string]stamp
	began  time.Time
	digest string
}

// stamp is what a file was when it was read.
type stamp struct {
	size     int64
	modified time.Time
}

// tick is longer than that of a file system's clock: what changed just before it was read may change again within one.
const tick = 20 * time.Millisecond

// load reads the release's chart: a folder or an archive of the project, or one from a repository or registry.
func (r *release) load(ctx context.Context) (*loaded, error) {
	l := &loaded{stamps: map[string]stamp{}, began: time.Now()}
	var err error
	switch {
	case r.chartPath == "":
		l.chart, err = r.source.charts.fetch(ctx, chartRef{name: r.RemoteChart, repo: r.repo, version: r.version, access: r.flags.install.access, dir: r.source.options.Dir})
	default:
		l.chart, err = r.local(ctx, l, r.chartPath, 0)
	}
	if err != nil {
		return nil, err
	}
	if r.Packaged != nil {
		if err := r.repack(l.chart); err != nil {
			return nil, err
		}
	}
	l.digest, err = digest(content(l.chart))
	return l, err
}

// repack gives the chart the versions that it would be packaged with.
func (r *release) repack(c *v2.Chart) error {
	for _, v := range []struct {
		template string
		to       *string
	}{{r.Packaged.Version, &c.Metadata.Version}, {r.Packaged.AppVersion, &c.Metadata.AppVersion}} {
		text, err := r.source.options.Templates.Fill(v.template, nil)
		if err != nil {
			return r.source.fault(r.at, err.Error(), "correct the template", "packaged")
		}
		if text != "" {
			*v.to = text
		}
	}
	if _, err := semver.NewVersion(c.Metadata.Version); err != nil {
		return r.source.fault(r.at, fmt.Sprintf("%q is no version for a chart: %v", c.Metadata.Version, err), "write it like 1.2.3", "packaged", "version")
	}
	return nil
}

// nesting ends a circle of charts that are each other's dependency.
const nesting = 16

// local reads a chart of the project, and what it depends on.
func (r *release) local(ctx context.Context, l *loaded, path string, level int) (*v2.Chart, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, r.source.fault(r.at, fmt.Sprintf("there is no chart at %s", path), "correct the path", "chartPath")
	}
	if !info.IsDir() {
		l.stamps[path] = stamp{info.Size(), info.ModTime()}
		return loader.LoadFile(path)
	}
	if err := l.note(path); err != nil {
		return nil, err
	}
	c, err := loader.LoadDir(path)
	if err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if level > nesting {
		return nil, diag.Errorf("break the circle in the dependencies of Chart.yaml", "chart %s depends on itself", c.Name())
	}
	if r.SkipBuildDependencies {
		return c, complete(c)
	}
	return c, r.depend(ctx, l, c, path, level)
}

// note remembers what the files of a folder are, so that a change is seen.
func (l *loaded) note(dir string) error {
	l.dirs = append(l.dirs, dir)
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if rel, _ := filepath.Rel(dir, path); rel != "." && skipped(filepath.ToSlash(rel)) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil // a link to nowhere; helm says so
		}
		if d.IsDir() {
			// A file that comes or goes changes its folder.
			l.stamps[path] = stamp{0, info.ModTime()}
			return nil
		}
		l.stamps[path] = stamp{info.Size(), info.ModTime()}
		return nil
	})
}

func (l *loaded) changed() bool {
	for path, was := range l.stamps {
		info, err := os.Stat(path)
		if err != nil || !info.ModTime().Equal(was.modified) || !info.IsDir() && info.Size() != was.size || l.began.Sub(was.modified) < tick {
			return true
		}
	}
	return false
}

// copy is the chart, to be changed by a rendering. What rendering never changes is shared.
func (l *loaded) copy() (*v2.Chart, error) { return clone(l.chart), nil }

func clone(c *v2.Chart) *v2.Chart {
	n := *c
	metadata := *c.Metadata
	metadata.Dependencies = nil
	for _, d := range c.Metadata.Dependencies {
		one := *d
		metadata.Dependencies = append(metadata.Dependencies, &one)
	}
	n.Metadata = &metadata
	n.Values = cloneMap(c.Values)
	n.SetDependencies()
	for _, d := range c.Dependencies() {
		n.AddDependency(clone(d))
	}
	return &n
}

func cloneMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	n := make(map[string]any, len(m))
	for k, v := range m {
		n[k] = cloneValue(v)
	}
	return n
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneMap(v)
	case []any:
		n := make([]any, len(v))
		for i, item := range v {
			n[i] = cloneValue(item)
		}
		return n
	}
	return v
}

// content is what counts in a chart: not its README and other papers, which change nothing in the cluster.
func content(c *v2.Chart) any {
	type file struct{ Name, Sum string }
	var files []file
	add := func(name string, data []byte) {
		sum := sha256.Sum256(data)
		files = append(files, file{name, hex.EncodeToString(sum[:])})
	}
	for _, f := range c.Templates {
		add(f.Name, f.Data)
	}
	for _, f := range c.Files {
		if base := strings.ToUpper(filepath.Base(f.Name)); !strings.HasPrefix(base, "README") && !strings.HasPrefix(base, "LICENSE") && !strings.HasPrefix(base, "CHANGELOG") && base != "CHART.LOCK" {
			add(f.Name, f.Data)
		}
	}
	add("values.schema.json", c.Schema)
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.Name, b.Name) })
	var below []any
	for _, d := range c.Dependencies() {
		below = append(below, content(d))
	}
	return []any{c.Metadata, c.Values, files, below}
}

func digest(parts ...any) (string, error) {
	data, err := json.Marshal(parts)
	if err != nil {
		return "", fmt.Errorf("digest of a release: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), nil
}
