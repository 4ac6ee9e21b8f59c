package kustomize

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// names are the files that make a folder a kustomization, in the order in which they are looked for.
var names = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// reads is the disk, and a record of every path that a build looked at: what it is made of.
type reads struct {
	filesys.FileSystem
	began  time.Time
	failed bool // what failed is tried again each time

	mu    sync.Mutex
	paths map[string]stamp
}

// stamp is what a path was when it was looked at. A file that changed just before may change again within one tick of the
// file system's clock, so such a one counts as changed.
type stamp struct {
	there    bool
	dir      bool
	size     int64
	modified time.Time
}

const tick = 20 * time.Millisecond

func newReads() *reads {
	return &reads{FileSystem: filesys.MakeFsOnDisk(), began: time.Now(), paths: map[string]stamp{}}
}

func look(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	if info.IsDir() {
		// What is added to a folder shows in the paths that are looked for, not in the folder.
		return stamp{there: true, dir: true}
	}
	return stamp{true, false, info.Size(), info.ModTime()}
}

// note remembers a path. Clones of remote bases, which are gone after the build, are left out.
func (r *reads) note(path string) {
	if !filepath.IsAbs(path) || strings.HasPrefix(path, filepath.Join(os.TempDir(), "kustomize-")) {
		return
	}
	path = filepath.Clean(path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.paths[path]; !ok {
		r.paths[path] = look(path)
	}
}

// changed is true when one of the paths is not what it was.
func (r *reads) changed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed || r.began.IsZero() {
		return true
	}
	for path, was := range r.paths {
		if look(path) != was || r.began.Sub(was.modified) < tick {
			return true
		}
	}
	return false
}

// files is every path that is no folder, sorted: also those that were looked for in vain.
func (r *reads) files() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for path, was := range r.paths {
		if !was.dir {
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return all
}

func (r *reads) has(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.paths[path]
	return ok && !was.dir
}

// Open notes the path.
func (r *reads) Open(path string) (filesys.File, error) {
	r.note(path)
	return r.FileSystem.Open(path)
}

// IsDir notes the path.
func (r *reads) IsDir(path string) bool {
	r.note(path)
	return r.FileSystem.IsDir(path)
}

// CleanedAbs notes the path.
func (r *reads) CleanedAbs(path string) (filesys.ConfirmedDir, string, error) {
	r.note(path)
	return r.FileSystem.CleanedAbs(path)
}

// Exists notes the path.
func (r *reads) Exists(path string) bool {
	r.note(path)
	return r.FileSystem.Exists(path)
}

// Glob notes what matches.
func (r *reads) Glob(pattern string) ([]string, error) {
	found, err := r.FileSystem.Glob(pattern)
	for _, path := range found {
		r.note(path)
	}
	return found, err
}

// ReadFile notes the path.
func (r *reads) ReadFile(path string) ([]byte, error) {
	r.note(path)
	return r.FileSystem.ReadFile(path)
}

// Walk notes every path on the way.
func (r *reads) Walk(path string, fn filepath.WalkFunc) error {
	return r.FileSystem.Walk(path, func(path string, info fs.FileInfo, err error) error {
		r.note(path)
		return fn(path, info, err)
	})
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// scan finds, before the first build, what a kustomization names: so that what changes meanwhile is noticed. Every text in
// its file that is a path counts. What it returns says nothing about changes.
func scan(dir string) *reads {
	r := &reads{FileSystem: filesys.MakeFsOnDisk(), paths: map[string]stamp{}}
	r.scan(dir, 0)
	return r
}

// depth ends a circle of folders that name each other.
const depth = 32

func (r *reads) scan(dir string, level int) {
	for _, name := range names {
		file := filepath.Join(dir, name)
		_, known := r.paths[file]
		r.note(file)
		data, err := os.ReadFile(file)
		if err != nil || known || level > depth {
			continue
		}
		var content any
		if yaml.Unmarshal(data, &content) == nil {
			r.texts(dir, content, level)
		}
	}
}

func (r *reads) texts(dir string, v any, level int) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			r.texts(dir, item, level)
		}
	case map[string]any:
		for _, item := range v {
			r.texts(dir, item, level)
		}
	case string:
		if i := strings.LastIndexByte(v, '='); i >= 0 && !strings.Contains(v, "\n") {
			r.texts(dir, v[i+1:], level) // KEY=FILE of a generator
		}
		if v == "" || strings.ContainsAny(v, "\n{") || remote(v) {
			return
		}
		path := filepath.Join(dir, v)
		switch was := look(path); {
		case was.dir:
			r.scan(path, level+1)
		case was.there:
			r.note(path)
		}
	}
}
