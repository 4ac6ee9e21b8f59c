// Package raw reads manifests as they are written: files, globs and URLs in, objects out.
package raw

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
)

// Options are one config's manifests.
type Options struct {
	Patterns  []string         // of manifests.rawYaml: files, folders, globs with **, http and https addresses
	Dir       string           // absolute; what relative patterns start from
	Templates config.Templates // of patterns
	Setters   render.Setters   // for fields that a comment marks
}

// Source reads the manifests of one config, each file once as long as it does not change.
type Source struct {
	entries []entry
	setters render.Setters

	mu    sync.Mutex
	files map[string]cached // by absolute path or address
}

// cached is a file as it was read. A file that changed just before it was read may change again within one tick of the
// file system's clock, so such a one is read anew.
type cached struct {
	modified time.Time
	size     int64
	sure     bool
	objects  []*kube.Object
}

// tick is longer than any file system's clock but FAT's.
const tick = 20 * time.Millisecond

var _ render.Source = (*Source)(nil)

// New makes the source. A pattern that cannot be used is refused.
func New(o Options) (*Source, error) {
	s := &Source{files: map[string]cached{}, setters: o.Setters}
	for _, p := range o.Patterns {
		e, err := newEntry(p, o)
		if err != nil {
			return nil, err
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

// Objects reads what is new and returns copies of all, in the order of the patterns and then of the paths. All faults of
// all files are told together.
func (s *Source) Objects(ctx context.Context, _ render.Input) (render.Read, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var read render.Read
	var faults diag.List
	done := map[string]bool{}
	for _, local := range []bool{true, false} {
		for _, e := range s.entries {
			if local == (e.url != "") {
				continue
			}
			paths, warning := e.list()
			if warning != "" {
				read.Warnings = append(read.Warnings, warning)
			}
			for _, path := range paths {
				if done[path] {
					continue
				}
				done[path] = true
				objects, err := s.read(ctx, path, e.url != "")
				if err != nil {
					if ctx.Err() != nil {
						return read, ctx.Err()
					}
					faults = append(faults, diag.All(err)...)
				}
				read.Objects = append(read.Objects, kube.CloneAll(objects)...)
			}
		}
	}
	s.forget(done)
	return read, faults.Err()
}

func (s *Source) read(ctx context.Context, path string, remote bool) ([]*kube.Object, error) {
	if remote {
		if c, ok := s.files[path]; ok {
			return c.objects, nil
		}
		data, err := fetch(ctx, path)
		if err != nil {
			return nil, err
		}
		objects, err := kube.ReadObjects(path, s.setters.Apply(data))
		if err == nil {
			s.files[path] = cached{objects: objects}
		}
		return objects, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if c, ok := s.files[path]; ok && c.sure && c.modified.Equal(info.ModTime()) && c.size == info.Size() {
		return c.objects, nil
	}
	began := time.Now()
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	objects, err := kube.ReadObjects(path, s.setters.Apply(data))
	if err != nil {
		delete(s.files, path)
		return nil, err
	}
	s.files[path] = cached{info.ModTime(), info.Size(), began.Sub(info.ModTime()) > tick, objects}
	return objects, nil
}

func unreadable(path string, err error) error {
	e := diag.Errorf("check manifests.rawYaml and the file's permissions", "manifest cannot be read: %w", err)
	e.Pos.File = path
	e.Code = diag.CodeDeploy
	return e
}

// forget drops what no pattern names any more.
func (s *Source) forget(used map[string]bool) {
	for path := range s.files {
		if !used[path] {
			delete(s.files, path)
		}
	}
}

// Watch names the folders in which a manifest can appear.
func (s *Source) Watch() render.Watch {
	w := render.Watch{Has: s.has}
	for _, e := range s.entries {
		if e.url != "" {
			continue
		}
		if !e.glob() && !isDir(e.path) {
			w.Files = append(w.Files, e.path)
			continue
		}
		w.Roots = append(w.Roots, e.root())
	}
	return w
}

func (s *Source) has(path string) bool {
	for _, e := range s.entries {
		if e.url == "" && e.has(path) {
			return true
		}
	}
	return false
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// manifest is true for the names that count inside a folder.
func manifest(path string) bool {
	switch filepath.Ext(path) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// below lists the manifests in a folder, in the order of their paths.
func below(dir string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && manifest(path) && !isDir(path) {
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return all, nil
}

func remote(pattern string) bool {
	return strings.HasPrefix(pattern, "http://") || strings.HasPrefix(pattern, "https://")
}
