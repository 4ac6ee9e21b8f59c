// Package kustomize builds kustomizations with kustomize's library: folders in, objects out.
package kustomize

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/krusty"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
)

// Options are the kustomizations of one config.
type Options struct {
	Paths     []string // folders, or addresses of folders in git repositories; templates are filled in
	BuildArgs []string // of "kustomize build"
	Dir       string   // absolute; what relative paths start from
	Templates config.Templates
}

// Source builds the kustomizations of one config, each anew only when a file that it read changed.
type Source struct {
	builds []*build

	mu sync.Mutex
}

// build is one kustomization, and what it was made of.
type build struct {
	written string // as in the project file
	path    string // absolute, or an address
	options *krusty.Options

	read    *reads // nil: never built
	objects []*kube.Object
}

var _ render.Source = (*Source)(nil)

// New makes the source. A path or an argument that cannot be used is refused.
func New(o Options) (*Source, error) {
	options, err := parseArgs(o.BuildArgs)
	if err != nil {
		return nil, err
	}
	s := &Source{}
	for _, p := range o.Paths {
		path, err := o.Templates.Fill(p, nil)
		if err != nil {
			e := diag.Errorf("mend the template", "manifests.kustomize.paths: %w", err)
			e.Code = diag.CodeConfig
			return nil, e
		}
		if !remote(path) && !filepath.IsAbs(path) {
			path = filepath.Join(o.Dir, path)
		}
		s.builds = append(s.builds, &build{written: p, path: path, options: options})
	}
	return s, nil
}

// remote is true for what kustomize takes for a repository.
func remote(path string) bool {
	return strings.Contains(path, "://") || strings.HasPrefix(path, "git@") || strings.Contains(path, "?ref=") ||
		strings.HasPrefix(path, "github.com/") || strings.HasPrefix(path, "git::")
}

// Objects builds what changed and returns copies of all, in the order of the paths. The faults of all are told together.
func (s *Source) Objects(ctx context.Context, _ render.Input) (render.Read, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var read render.Read
	var faults diag.List
	for _, b := range s.builds {
		if ctx.Err() != nil {
			return read, ctx.Err()
		}
		if b.read == nil || b.read.changed() {
			if err := b.run(); err != nil {
				faults = append(faults, diag.All(err)...)
				continue
			}
		}
		read.Objects = append(read.Objects, kube.CloneAll(b.objects)...)
	}
	return read, faults.Err()
}

// run builds one kustomization, and notes every file that it read, also when it fails.
func (b *build) run() error {
	disk := newReads()
	b.read, b.objects = disk, nil
	m, err := krusty.MakeKustomizer(b.options).Run(disk, b.path)
	if err != nil {
		disk.failed = true
		return b.explain(err)
	}
	data, err := m.AsYaml()
	if err != nil {
		disk.failed = true
		return b.explain(err)
	}
	file := b.file()
	if b.objects, err = kube.ReadObjects(file, data); err != nil {
		disk.failed = true
		var faults diag.List
		for _, e := range diag.All(err) {
			// The lines are those of what was built, which nobody sees.
			faults = append(faults, b.fault(e.Hint, "%s", e.What))
		}
		return faults.Err()
	}
	for _, o := range b.objects {
		o.Line = 0
	}
	return nil
}

// file is the kustomization's file, as far as it is there.
func (b *build) file() string {
	if remote(b.path) {
		return b.path
	}
	for _, name := range names {
		if file := filepath.Join(b.path, name); isFile(file) {
			return file
		}
	}
	return b.path
}

func (b *build) fault(hint, format string, args ...any) *diag.Error {
	return &diag.Error{Pos: diag.Pos{File: b.file()}, What: fmt.Sprintf(format, args...), Hint: hint, Code: diag.CodeDeploy}
}

// Watch names the folders and files that the kustomizations are made of.
func (s *Source) Watch() render.Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := render.Watch{Has: s.has}
	seen := map[string]bool{}
	for _, b := range s.builds {
		if b.read == nil && remote(b.path) {
			continue
		}
		if b.read == nil {
			b.read = scan(b.path)
		}
		for _, file := range b.read.files() {
			if !seen[file] {
				seen[file] = true
				w.Files = append(w.Files, file)
			}
		}
	}
	return w
}

func (s *Source) has(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.builds {
		if b.read != nil && b.read.has(path) {
			return true
		}
	}
	return false
}
