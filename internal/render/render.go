// Package render turns a project's manifests and the images that were built for it into the objects to deploy.
package render

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sort"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Source is one place that manifests come from; render/all makes those of a project. It lives as long as the session and
// keeps what it has read.
type Source interface {
	// Objects reads the manifests. The caller may change what it gets.
	Objects(ctx context.Context, in Input) (Read, error)
	// Watch says which paths the manifests are made from.
	Watch() Watch
}

// Input is what manifests may be made of besides files.
type Input struct {
	Images []Image // in the order of the artifacts; nil: images stay as written
}

// Image is a reference that was built, under its artifact's name.
type Image struct{ Name, Ref string }

// Read is what a source found.
type Read struct {
	Objects  []*kube.Object
	Warnings []string
}

// Watch says which paths matter: Has is pure, so a path may be present, new or gone. What lies elsewhere needs no watching.
type Watch struct {
	Roots []Root
	Files []string // absolute, each watched by itself
	Has   func(path string) bool
}

// Root is a folder that is watched with all below it, but for what Skip leaves out.
type Root struct {
	Dir  string                // absolute, and there
	Skip func(rel string) bool // of a file or folder, slash-separated from Dir
}

// Options say what is put into the manifests.
type Options struct {
	Sources   []Source
	Images    map[string]string // artifact name -> reference that was built; nil leaves all images as written
	Labels    map[string]string // put on every object that a label may be put on
	Namespace string            // put on objects that name none; empty: leave them
	Rules     []*config.ResourceSelector
}

// Manifests is what is to be deployed, in the order of the files.
type Manifests struct {
	Objects  []*kube.Object
	Warnings []string // a text that comes again in a later pass need not be shown again
	Watch    Watch
}

// Objects reads all sources of the project and puts in images, labels and namespace. On an error Watch is still set, so
// that mending a manifest is noticed.
func Objects(ctx context.Context, project *config.Project, o Options) (Manifests, error) {
	m := Manifests{Watch: WatchAll(o.Sources)}
	in := Input{Images: ordered(project, o.Images)}
	for _, s := range o.Sources {
		read, err := s.Objects(ctx, in)
		if err != nil {
			return m, err
		}
		m.Objects = append(m.Objects, read.Objects...)
		m.Warnings = append(m.Warnings, read.Warnings...)
	}
	m.Objects, m.Warnings = unique(m.Objects, m.Warnings)
	rules := RulesOf(project, o.Rules...)
	used := rules.Images(m.Objects, o.Images)
	m.Warnings = append(m.Warnings, unused(project, o.Images, used)...)
	rules.Labels(m.Objects, o.Labels)
	m.Warnings = append(m.Warnings, rules.Namespace(m.Objects, o.Namespace)...)
	return m, nil
}

// ordered is the images in the order of the project's artifacts, and then those that the project does not know.
func ordered(project *config.Project, images map[string]string) []Image {
	if images == nil {
		return nil
	}
	all := []Image{}
	done := map[string]bool{}
	for _, a := range project.Artifacts() {
		if ref, ok := images[a.Image]; ok && !done[a.Image] {
			done[a.Image] = true
			all = append(all, Image{a.Image, ref})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if !done[name] {
			all = append(all, Image{name, images[name]})
		}
	}
	return all
}

// RulesOf are the rules of a project: those of all its configs, and more.
func RulesOf(project *config.Project, more ...*config.ResourceSelector) *Rules {
	var all []*config.ResourceSelector
	for _, c := range project.Configs {
		all = append(all, &c.ResourceSelector)
	}
	return NewRules(append(all, more...)...)
}

// unique keeps the last of several objects with one name, as applying them one after the other would.
func unique(objects []*kube.Object, warnings []string) ([]*kube.Object, []string) {
	last := map[kube.ID]int{}
	for i, o := range objects {
		last[o.ID()] = i
	}
	if len(last) == len(objects) {
		return objects, warnings
	}
	var kept []*kube.Object
	for i, o := range objects {
		if at := last[o.ID()]; at != i {
			warnings = append(warnings, fmt.Sprintf("%s is defined in %s and again in %s; the latter counts",
				o.ID(), o.Pos(), objects[at].Pos()))
			continue
		}
		kept = append(kept, o)
	}
	return kept, warnings
}

// unused tells of images that were built for nothing. The base of another image, or one that the Docker engine runs, is not.
func unused(project *config.Project, images map[string]string, used map[string]bool) []string {
	base := map[string]bool{}
	for _, a := range project.Artifacts() {
		for _, r := range a.Requires {
			base[r.Image] = true
		}
	}
	for _, c := range project.Configs {
		if d := c.Deploy.Docker; d != nil && d.UseCompose {
			return nil // the Compose file says which images are used
		} else if d != nil {
			for _, name := range d.Images {
				base[name] = true
			}
		}
	}
	var warnings []string
	for name := range images {
		if !used[name] && !base[name] {
			warnings = append(warnings, fmt.Sprintf("image %q is built, but no manifest uses it", name))
		}
	}
	sort.Strings(warnings)
	return warnings
}

// WatchAll is what several sources are made from.
func WatchAll(sources []Source) Watch {
	var all Watch
	var has []func(string) bool
	for _, s := range sources {
		w := s.Watch()
		all.Roots = append(all.Roots, w.Roots...)
		all.Files = append(all.Files, w.Files...)
		if w.Has != nil {
			has = append(has, w.Has)
		}
	}
	all.Has = func(path string) bool {
		path = filepath.Clean(path)
		for _, h := range has {
			if h(path) {
				return true
			}
		}
		return false
	}
	return all
}
