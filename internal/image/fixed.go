package image

import (
	"context"
	"path/filepath"
	"slices"
)

// Fixed are inputs that a tool has listed: absolute paths of files, and of folders that count with all below them.
func Fixed(paths []string) Inputs {
	list := make([]string, len(paths))
	for i, p := range paths {
		list[i] = filepath.Clean(p)
	}
	slices.Sort(list)
	return fixed(slices.Compact(list))
}

type fixed []string

// Has says whether the path is in the list, or below a folder of it.
func (f fixed) Has(path string) bool {
	for path = filepath.Clean(path); ; {
		if _, ok := slices.BinarySearch(f, path); ok {
			return true
		}
		above := filepath.Dir(path)
		if above == path {
			return false
		}
		path = above
	}
}

// Roots are the folders of the list.
func (f fixed) Roots() []Root {
	var roots []Root
	for _, p := range f {
		if isFolder(p) {
			roots = append(roots, Root{Dir: p, Skip: func(rel string) bool { return hasPart(rel, ".git") }})
		}
	}
	return roots
}

// Singles are its files.
func (f fixed) Singles() []string {
	return slices.DeleteFunc(slices.Clone(f), isFolder)
}

// Files are those that exist.
func (f fixed) Files(ctx context.Context) ([]string, error) { return FilesOf(ctx, f) }
