package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/tree"
)

// Globs are inputs that a project file names by patterns: a folder stands for all below it, "**" for any folders. ignore are
// patterns as in a .dockerignore file, relative to dir as well. singles are files besides, which need not exist. A repository's
// own files count only where a pattern names them.
func Globs(dir string, paths, ignore []string, singles ...string) (Inputs, error) {
	g := &globs{dir: dir, singles: singles}
	for _, p := range paths {
		one, err := newGlob(dir, p)
		if err != nil {
			return nil, err
		}
		g.list = append(g.list, one)
	}
	rules, err := tree.NewIgnore(ignore...)
	if err != nil {
		return nil, diag.WithCode(diag.CodeConfig, diag.Errorf("write it as in a .dockerignore file", "dependencies.ignore: %w", err))
	}
	g.ignore = rules
	return g, nil
}

type globs struct {
	dir     string
	list    []glob
	ignore  *tree.Ignore
	singles []string
}

// glob is one pattern, relative to a folder that has no wildcard in its name.
type glob struct {
	root    string
	pattern string // slash-separated; "": all of root
	git     bool   // it names a repository's own files
}

func newGlob(dir, text string) (glob, error) {
	pattern := filepath.ToSlash(filepath.Clean(filepath.FromSlash(text)))
	if !doublestar.ValidatePattern(pattern) {
		return glob{}, diag.WithCode(diag.CodeConfig, diag.Errorf(`wildcards are "*", "**", "?", "[a-z]" and "{a,b}"`, "dependencies.paths: %q is no pattern", text))
	}
	g := glob{root: dir, pattern: pattern, git: slices.Contains(strings.Split(pattern, "/"), ".git")}
	if filepath.IsAbs(text) || pattern == ".." || strings.HasPrefix(pattern, "../") {
		base, rest := doublestar.SplitPattern(pattern)
		if !filepath.IsAbs(text) {
			base = filepath.Join(dir, filepath.FromSlash(base))
		}
		g.root, g.pattern = filepath.FromSlash(base), rest
		if rel, err := filepath.Rel(dir, g.root); err == nil && filepath.IsLocal(rel) {
			g.root, g.pattern = dir, filepath.ToSlash(filepath.Join(rel, filepath.FromSlash(rest)))
		}
	}
	if g.pattern == "." {
		g.pattern = ""
	}
	return g, nil
}

// takes says whether the pattern matches a path below root, or a folder above it.
func (g glob) takes(rel string) bool {
	if !g.git && hasPart(rel, ".git") {
		return false
	}
	if g.pattern == "" {
		return true
	}
	for rel != "." && rel != "" {
		if doublestar.MatchUnvalidated(g.pattern, rel) {
			return true
		}
		i := strings.LastIndexByte(rel, '/')
		if i < 0 {
			return false
		}
		rel = rel[:i]
	}
	return false
}

// reaches says whether the pattern may match the path, something above it or something below it.
func (g glob) reaches(rel string) bool {
	if !g.git && hasPart(rel, ".git") {
		return false
	}
	if g.pattern == "" {
		return true
	}
	want := strings.Split(g.pattern, "/")
	for i, part := range strings.Split(rel, "/") {
		if i >= len(want) || strings.Contains(want[i], "**") || strings.ContainsAny(want[i], `{\`) {
			return true
		}
		if !doublestar.MatchUnvalidated(want[i], part) {
			return false
		}
	}
	return true
}

func hasPart(rel, name string) bool {
	return rel == name || strings.HasPrefix(rel, name+"/") || strings.HasSuffix(rel, "/"+name) || strings.Contains(rel, "/"+name+"/")
}

// Below is a path relative to a folder, slash-separated, if it lies in it; the folder itself does not.
func Below(dir, path string) (string, bool) {
	if !strings.HasSuffix(dir, string(filepath.Separator)) {
		dir += string(filepath.Separator)
	}
	rel, ok := strings.CutPrefix(path, dir)
	return filepath.ToSlash(rel), ok && rel != ""
}

// Has says whether a pattern takes the path.
func (g *globs) Has(path string) bool {
	path = filepath.Clean(path)
	if slices.Contains(g.singles, path) {
		return true
	}
	if rel, ok := Below(g.dir, path); ok && g.ignore.Match(rel) {
		return false
	}
	return slices.ContainsFunc(g.list, func(one glob) bool {
		rel, ok := Below(one.root, path)
		return ok && one.takes(rel)
	})
}

// Roots are the folders that the patterns start from.
func (g *globs) Roots() []Root {
	var roots []Root
	for _, one := range g.list {
		if slices.ContainsFunc(roots, func(r Root) bool { return r.Dir == one.root }) {
			continue
		}
		roots = append(roots, Root{Dir: one.root, Skip: func(rel string) bool { return g.skip(one.root, rel) }})
	}
	return roots
}

func (g *globs) skip(root, rel string) bool {
	if root == g.dir && g.ignore.Skip(rel) {
		return true
	}
	return !slices.ContainsFunc(g.list, func(one glob) bool { return one.root == root && one.reaches(rel) })
}

// Singles are the files besides.
func (g *globs) Singles() []string { return g.singles }

// Files walks the folders.
func (g *globs) Files(ctx context.Context) ([]string, error) { return FilesOf(ctx, g) }

// FilesOf is what Files returns for inputs that say by Has what counts: what is below their roots, as far as they have it, and
// their singles.
func FilesOf(ctx context.Context, in Inputs) ([]string, error) {
	var files []string
	for _, single := range in.Singles() {
		if info, err := os.Stat(single); err == nil && !info.IsDir() {
			files = append(files, single)
		}
	}
	for _, root := range in.Roots() {
		skip := func(rel string, _ fs.DirEntry) bool { return root.Skip != nil && root.Skip(rel) }
		err := tree.Walk(ctx, root.Dir, skip, func(rel string, d fs.DirEntry) error {
			if path := filepath.Join(root.Dir, filepath.FromSlash(rel)); !d.IsDir() && in.Has(path) {
				files = append(files, path)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read %s: %w", root.Dir, err)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
