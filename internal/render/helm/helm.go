// Package helm renders charts with helm's library: the releases of a config and the images in, objects out. For releases
// that helm itself installs it prepares the same charts and values.
package helm

import (
	"context"
	"fmt"
	"sync"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
)

// Options are the releases of one config.
type Options struct {
	Config    *config.Config
	Block     []any // where the releases stand in the file: "manifests", "helm", or "deploy", "helm"
	Releases  []*config.HelmRelease
	Flags     config.HelmFlags
	Dir       string // absolute; what relative paths start from
	Home      string // what ~ stands for
	Templates config.Templates
	Artifacts []string // names of the images that the project builds, in order
	Namespace string   // of all releases, instead of their own
	Default   string   // namespace of releases that name none; empty: "default" while rendering
	Insecure  []string // registries that are spoken to without TLS
}

// Source renders the releases of one config, each anew only when what it is made of changed.
type Source struct {
	options Options
	charts  *fetcher

	mu       sync.Mutex
	releases []*release
}

var _ render.Source = (*Source)(nil)

// New makes the source. A release that cannot be used is refused; nothing is fetched yet.
func New(o Options) (*Source, error) {
	s := &Source{options: o, charts: newFetcher(o.Insecure)}
	var faults diag.List
	for i, r := range o.Releases {
		one, err := s.newRelease(i, r)
		if err != nil {
			faults = append(faults, diag.All(err)...)
			continue
		}
		s.releases = append(s.releases, one)
	}
	faults = append(faults, s.checkOrder()...)
	return s, faults.Err()
}

// Objects renders the releases, in their order. The faults of all are told together.
func (s *Source) Objects(ctx context.Context, in render.Input) (render.Read, error) {
	prepared, err := s.Prepare(ctx, in)
	if err != nil {
		return render.Read{}, err
	}
	var read render.Read
	for _, p := range prepared {
		read.Objects = append(read.Objects, p.Objects...)
		read.Warnings = append(read.Warnings, p.Warnings...)
	}
	return read, nil
}

// Prepare reads charts and values, and renders what helm would without a cluster. A release comes after those that it
// depends on.
func (s *Source) Prepare(ctx context.Context, in render.Input) ([]Prepared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Prepared
	var faults diag.List
	for _, r := range s.ordered() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p, err := r.prepare(ctx, s.images(in))
		if err != nil {
			faults = append(faults, diag.All(err)...)
			continue
		}
		p.Objects = kube.CloneAll(p.Objects)
		all = append(all, p)
	}
	return all, faults.Err()
}

// images is the references for templates. An image that was not made goes by its name.
func (s *Source) images(in render.Input) []render.Image {
	if in.Images != nil {
		return in.Images
	}
	var all []render.Image
	for _, name := range s.options.Artifacts {
		all = append(all, render.Image{Name: name, Ref: name})
	}
	return all
}

// ordered puts each release behind those that it depends on, and keeps the order of the file otherwise.
func (s *Source) ordered() []*release {
	done := map[string]bool{}
	var all []*release
	for len(all) < len(s.releases) {
		before := len(all)
		for _, r := range s.releases {
			if !done[r.name] && ready(r.dependsOn, done) {
				done[r.name] = true
				all = append(all, r)
			}
		}
		if len(all) == before {
			return s.releases // two of one name; checkOrder refused it
		}
	}
	return all
}

func ready(names []string, done map[string]bool) bool {
	for _, n := range names {
		if !done[n] {
			return false
		}
	}
	return true
}

// checkOrder refuses names that come twice, are unknown, or depend on each other in a circle.
func (s *Source) checkOrder() diag.List {
	var faults diag.List
	known := map[string]*release{}
	for i, r := range s.releases {
		if known[r.name] != nil {
			faults = append(faults, s.fault(i, fmt.Sprintf("two releases are called %q", r.name), "give each a name of its own", "name"))
		}
		known[r.name] = r
	}
	for i, r := range s.releases {
		for _, on := range r.dependsOn {
			if known[on] == nil {
				faults = append(faults, s.fault(i, fmt.Sprintf("release %q depends on %q, which is no release here", r.name, on), "correct the name", "dependsOn"))
			}
		}
		if len(faults) == 0 && reaches(known, r.name, r.name, map[string]bool{}) {
			return diag.List{s.fault(i, fmt.Sprintf("release %q depends on itself, over others", r.name), "break the circle in dependsOn", "dependsOn")}
		}
	}
	return faults
}

func reaches(known map[string]*release, from, to string, seen map[string]bool) bool {
	for _, on := range known[from].dependsOn {
		if on == to || !seen[on] && known[on] != nil && func() bool { seen[on] = true; return reaches(known, on, to, seen) }() {
			return true
		}
	}
	return false
}

// fault is about a field of a release of the file.
func (s *Source) fault(i int, what, hint string, field ...any) *diag.Error {
	path := append(append([]any{}, s.options.Block...), "releases", i)
	return s.options.Config.Fault(what, hint, append(path, field...)...)
}

// Watch names the charts and files that the releases are made of.
func (s *Source) Watch() render.Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := render.Watch{Has: s.has}
	for _, r := range s.releases {
		for _, dir := range r.dirs() {
			w.Roots = append(w.Roots, render.Root{Dir: dir, Skip: skipped})
		}
		w.Files = append(w.Files, r.files()...)
	}
	return w
}

func (s *Source) has(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.releases {
		if r.has(path) {
			return true
		}
	}
	return false
}
