package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/tree"
)

// Watching is the paths that skiff.yaml adds to what an artifact is made from: files, folders and globs, absolute.
type Watching []string

// Has says whether an absolute path is meant: by its name, by a glob, or because it lies in a folder that is.
func (w Watching) Has(path string) bool {
	return slices.ContainsFunc(w, func(pattern string) bool {
		for p := path; ; p = filepath.Dir(p) {
			if ok, err := doublestar.PathMatch(pattern, p); ok && err == nil || p == pattern {
				return true
			}
			if p == filepath.Dir(p) {
				return false
			}
		}
	})
}

// Split is the folders to look into, and the paths that are no folder or that are not there.
func (w Watching) Split() (folders, singles []string) {
	for _, pattern := range w {
		base, glob := doublestar.SplitPattern(filepath.ToSlash(pattern))
		switch base = filepath.FromSlash(base); {
		case strings.ContainsAny(glob, `*?[{`):
			folders = append(folders, base)
		case isDir(pattern):
			folders = append(folders, pattern)
		default:
			singles = append(singles, pattern)
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders), singles
}

// Skip says whether nothing below a path in one of the folders counts.
func (w Watching) Skip(rel string) bool { return slices.Contains(bulk, filepath.Base(rel)) }

// Files are those that are there.
func (w Watching) Files(ctx context.Context) ([]string, error) {
	folders, files := w.Split()
	files = slices.DeleteFunc(files, func(file string) bool { _, err := os.Stat(file); return err != nil })
	for _, dir := range folders {
		err := tree.Walk(ctx, dir, func(rel string, _ fs.DirEntry) bool { return w.Skip(rel) }, func(rel string, d fs.DirEntry) error {
			if file := filepath.Join(dir, filepath.FromSlash(rel)); !d.IsDir() && w.Has(file) {
				files = append(files, file)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Watches is what skiff.yaml adds to what an artifact is made from.
func (t *Target) Watches(ctx context.Context, a *config.Artifact) Watching {
	var all Watching
	for _, s := range t.services(ctx, a.Image) {
		for _, path := range s.Watch {
			if path = filepath.FromSlash(path); !filepath.IsAbs(path) {
				path = filepath.Join(a.Context, path)
			}
			all = append(all, path)
		}
	}
	return all
}

// Own is what skiff.yaml says about the build of an artifact.
func (t *Target) Own(ctx context.Context, a *config.Artifact) string {
	var build []string
	for _, s := range t.services(ctx, a.Image) {
		build = append(build, s.Build)
	}
	return strings.Join(build, "\x00")
}

// services is what skiff.yaml says about an artifact: by its name, and by those of the containers and workloads that run it.
func (t *Target) services(ctx context.Context, artifact string) []Service {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Service
	if s, ok := t.settings.Services[artifact]; ok {
		all = append(all, s)
	}
	for _, name := range t.containersOf(ctx, artifact) {
		if s, ok := t.settings.Services[name]; ok && name != artifact {
			all = append(all, s)
		}
	}
	return all
}

// containersOf is the names under which the manifests run an artifact. They are asked for only when skiff.yaml has other names than
// those of artifacts; a manifest that cannot be read is told of when it is rendered. The caller holds the lock.
func (t *Target) containersOf(ctx context.Context, artifact string) []string {
	if t.byArtifact == nil {
		t.byArtifact = map[string][]string{}
		if t.manifests != nil && t.namesOthers() {
			objects, _ := t.manifests(ctx)
			for _, o := range objects {
				for _, c := range kube.Containers(o) {
					name := kube.Repository(c.Image)
					t.byArtifact[name] = append(t.byArtifact[name], c.Name, o.GetName())
				}
			}
		}
	}
	names := slices.Clone(t.byArtifact[strings.TrimPrefix(artifact, "ko://")])
	slices.Sort(names)
	return slices.Compact(names)
}

func (t *Target) namesOthers() bool {
	for name, s := range t.settings.Services {
		if (s.Build != "" || len(s.Watch) > 0) && !slices.ContainsFunc(t.artifacts, func(a *config.Artifact) bool { return a.Image == name }) {
			return true
		}
	}
	return false
}
