package helm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
)

// Prepared is a release ready to be installed: its chart with all that it depends on, and its values.
type Prepared struct {
	Name, Namespace string
	DependsOn       []string
	Chart           func() (*v2.Chart, error) // a copy that may be changed
	Install         Action
	Upgrade         Action
	Digest          string // of all that it is made of, as Install and Upgrade have it
	Remote          bool   // the chart is not a folder or file of the project
	UpgradeOnChange *bool
	RecreatePods    bool
	CreateNamespace bool
	Wait            bool

	Objects  []*kube.Object // as the chart makes them without a cluster; images as written
	Warnings []string
}

// Action is what one of helm's commands is told.
type Action struct {
	Values   map[string]any
	Settings Settings
}

// release is one release of the file.
type release struct {
	*config.HelmRelease
	source    *Source
	at        int // in the list of the file
	name      string
	namespace string
	version   string
	repo      string
	chartPath string // absolute; "" for a remote chart
	dependsOn []string

	flags struct{ render, install, upgrade flags }

	chart *loaded
	last  *rendered
}

// rendered is the last result, and what it was made of.
type rendered struct {
	digest   string
	prepared Prepared
}

func (s *Source) newRelease(i int, h *config.HelmRelease) (*release, error) {
	r := &release{HelmRelease: h, source: s, at: i, dependsOn: h.DependsOn}
	var faults diag.List
	strict := func(field, text string) string {
		out, err := s.options.Templates.Fill(text, nil)
		if err == nil && strings.Contains(out, "<no value>") {
			err = fmt.Errorf("template %q: a variable is not set", text)
		}
		if err != nil {
			faults = append(faults, s.fault(i, err.Error(), "set the variable, or correct the template", field))
		}
		return out
	}
	r.name, r.namespace, r.version, r.repo = strict("name", h.Name), strict("namespace", h.Namespace), strict("version", h.Version), strict("repo", h.Repo)
	r.chartPath = r.path(strict("chartPath", h.ChartPath))
	if s.options.Namespace != "" {
		r.namespace = s.options.Namespace
	}
	for _, f := range []struct {
		wrong      bool
		what, hint string
		field      string
	}{
		{h.ChartPath == "" && h.RemoteChart == "", fmt.Sprintf("release %q names no chart", r.name), "set chartPath or remoteChart", "name"},
		{h.ChartPath != "" && h.RemoteChart != "", fmt.Sprintf("release %q names two charts", r.name), "remove chartPath or remoteChart", "remoteChart"},
		{h.UseHelmSecrets, "useHelmSecrets is not supported: the secrets plugin is a program that only the helm program can start", "decrypt the file before skiff runs, and name it under valuesFiles", "useHelmSecrets"},
		{h.Packaged != nil && h.ChartPath == "", "packaged needs a chart of the project", "set chartPath", "packaged"},
	} {
		if f.wrong {
			faults = append(faults, s.fault(i, f.what, f.hint, f.field))
		}
	}
	for _, f := range append(slices.Clone(h.ValuesFiles), values(h.SetFiles)...) {
		if scheme, _, ok := strings.Cut(f, "://"); ok && scheme != "http" && scheme != "https" {
			faults = append(faults, s.fault(i, fmt.Sprintf("%q cannot be fetched: %s addresses are not supported", f, scheme), "download it, and name the file", "valuesFiles"))
		}
	}
	faults = append(faults, r.parseFlags()...)
	return r, faults.Err()
}

func values(m map[string]string) []string {
	var all []string
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// parseFlags reads what the project file hands to helm's commands.
func (r *release) parseFlags() diag.List {
	all, o := diag.List{}, r.source.options
	for _, f := range []struct {
		to    *flags
		key   string
		words []string
	}{
		{&r.flags.render, "global", o.Flags.Global}, {&r.flags.render, "template", o.Flags.Template},
		{&r.flags.install, "global", o.Flags.Global}, {&r.flags.install, "install", o.Flags.Install},
		{&r.flags.upgrade, "global", o.Flags.Global}, {&r.flags.upgrade, "upgrade", o.Flags.Upgrade},
	} {
		if err := f.to.parse(f.words); err != nil {
			e := o.Config.Fault(err.Error(), "remove it, or say the same in the release", append(slices.Clone(o.Block), "flags", f.key)...)
			if !slices.ContainsFunc(all, func(other *diag.Error) bool { return other.Error() == e.Error() }) {
				all = append(all, e)
			}
		}
	}
	return all
}

// path is a path of the file, absolute.
func (r *release) path(p string) string {
	o := r.source.options
	if rest, ok := strings.CutPrefix(p, "~"); ok && (rest == "" || rest[0] == '/') && o.Home != "" {
		return filepath.Join(o.Home, rest)
	}
	if p == "" || filepath.IsAbs(p) || strings.Contains(p, "://") {
		return p
	}
	return filepath.Join(o.Dir, p)
}

// prepare reads the chart and the values, and renders them unless nothing changed since the last time.
func (r *release) prepare(ctx context.Context, images []render.Image) (Prepared, error) {
	if r.chart == nil || r.chart.changed() {
		chart, err := r.load(ctx)
		if err != nil {
			return Prepared{}, r.explain(err)
		}
		r.chart = chart
	}
	p := Prepared{
		Name: r.name, Namespace: r.namespace, DependsOn: r.dependsOn, Chart: r.chart.copy, Remote: r.chartPath == "",
		UpgradeOnChange: r.UpgradeOnChange, RecreatePods: r.RecreatePods, Wait: r.Wait,
		CreateNamespace: r.CreateNamespace != nil && *r.CreateNamespace,
	}
	if p.Namespace == "" {
		p.Namespace = r.source.options.Default
	}
	if p.Namespace == "" {
		p.Namespace = "default"
	}
	var plain Action
	var err error
	for _, a := range []struct {
		to    *Action
		flags flags
	}{{&plain, r.flags.render}, {&p.Install, r.flags.install}, {&p.Upgrade, r.flags.upgrade}} {
		a.to.Settings = a.flags.settings
		if a.to.Values, err = r.values(a.flags, images); err != nil {
			return p, err
		}
	}
	if p.Digest, err = digest(r.chart.digest, p.Name, p.Namespace, p.Install, p.Upgrade, plain); err != nil {
		return p, err
	}
	if r.last == nil || r.last.digest != p.Digest {
		r.last = nil
		if p.Objects, p.Warnings, err = r.render(ctx, p, plain); err != nil {
			return p, r.explain(err)
		}
		r.last = &rendered{p.Digest, p}
	}
	return r.last.prepared, nil
}

// dirs is the folders that the release is made of.
func (r *release) dirs() []string {
	var all []string
	if r.chart != nil {
		return slices.Clone(r.chart.dirs)
	}
	if info, err := os.Stat(r.chartPath); r.chartPath != "" && err == nil && info.IsDir() {
		all = append(all, r.chartPath)
	}
	return all
}

// files is the single files that the release is made of: also those that are missing.
func (r *release) files() []string {
	var all []string
	for _, f := range append(slices.Clone(r.ValuesFiles), values(r.SetFiles)...) {
		if path, err := r.source.options.Templates.Fill(f, nil); err == nil && !strings.Contains(path, "://") {
			all = append(all, r.path(path))
		}
	}
	all = append(all, r.flags.install.files...)
	if r.chartPath != "" && len(r.dirs()) == 0 {
		all = append(all, r.chartPath)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *release) has(path string) bool {
	if slices.Contains(r.files(), path) {
		return true
	}
	for _, dir := range r.dirs() {
		if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") && rel != "." {
			return !skipped(filepath.ToSlash(rel))
		}
	}
	return false
}

// skipped is what lies in a chart's folder and is not of the chart.
func skipped(rel string) bool {
	first, _, _ := strings.Cut(rel, "/")
	base := filepath.Base(rel)
	return first == ".git" || first == "tmpcharts" || first == ".github" || strings.HasSuffix(base, "~") || strings.HasSuffix(base, ".swp")
}
