package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/tree"
)

// inputs is what a Dockerfile takes from its context.
type inputs struct {
	context string
	singles []string // the Dockerfile and the ignore files, whether they exist or not
	ignore  *ignoreRules
	sources []source
}

var _ image.Inputs = (*inputs)(nil)

// readInputs reads a Dockerfile and its ignore file. Where one of them is missing or cannot be read, everything that might
// count does: the build says what is wrong, and whatever is saved to mend it is seen.
func readInputs(context, dockerfile, target string, args map[string]*string) (*inputs, error) {
	in := &inputs{context: context, singles: ignoreFiles(context, dockerfile), sources: []source{{}}}
	in.singles = append(in.singles, dockerfile)
	ignore, err := readIgnore(ignoreFile(context, dockerfile))
	if err == nil {
		in.ignore = ignore
	}
	r, err := readRecipe(dockerfile, args)
	if err != nil || len(r.stages) == 0 {
		return in, nil
	}
	in.sources = nil
	for _, s := range r.sources(target) {
		in.add(s)
		in.add(linked(context, s))
	}
	return in, nil
}

func (in *inputs) add(s source) {
	if !slices.ContainsFunc(in.sources, s.equal) {
		in.sources = append(in.sources, s)
	}
}

// linked is what a source leads to by symbolic links inside the context; the source itself when it has none.
func linked(context string, s source) source {
	if s.wild || len(s.parts) == 0 {
		return s
	}
	root, err := filepath.EvalSymlinks(context)
	if err != nil {
		return s
	}
	real, err := filepath.EvalSymlinks(filepath.Join(root, filepath.Join(s.parts...)))
	if err != nil {
		return s
	}
	rel, err := filepath.Rel(root, real)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return s
	}
	if rel == "." {
		return source{}
	}
	return source{parts: strings.Split(filepath.ToSlash(rel), "/")}
}

// ignoreFiles are the places of an ignore file, the stronger one first.
func ignoreFiles(context, dockerfile string) []string {
	return []string{dockerfile + ".dockerignore", filepath.Join(context, ".dockerignore")}
}

// ignoreFile is the one that counts.
func ignoreFile(context, dockerfile string) string {
	files := ignoreFiles(context, dockerfile)
	if exists(files[0]) {
		return files[0]
	}
	return files[1]
}

// Has says whether a path goes into the image or decides about it; a folder does when something below it may.
func (in *inputs) Has(path string) bool {
	path = filepath.Clean(path)
	if slices.Contains(in.singles, path) {
		return true
	}
	rel, ok := in.rel(path)
	if !ok || in.ignore.Match(rel) {
		return false
	}
	if rel == "." {
		return len(in.sources) > 0
	}
	parts := strings.Split(rel, "/")
	return slices.ContainsFunc(in.sources, func(s source) bool { return s.reaches(parts) })
}

// rel is a path relative to the context, if it lies in it.
func (in *inputs) rel(path string) (string, bool) {
	if path == in.context {
		return ".", true
	}
	dir := in.context
	if !strings.HasSuffix(dir, string(filepath.Separator)) {
		dir += string(filepath.Separator)
	}
	rel, ok := strings.CutPrefix(path, dir)
	return filepath.ToSlash(rel), ok
}

// Roots is the context, without what is ignored or taken by no step.
func (in *inputs) Roots() []image.Root {
	if len(in.sources) == 0 {
		return nil
	}
	return []image.Root{{Dir: in.context, Skip: in.skip}}
}

func (in *inputs) skip(rel string) bool {
	if in.ignore.Skip(rel) {
		return true
	}
	parts := strings.Split(rel, "/")
	return !slices.ContainsFunc(in.sources, func(s source) bool { return s.reaches(parts) })
}

// Singles are the Dockerfile and the ignore files.
func (in *inputs) Singles() []string { return in.singles }

// Files walks the context, as far as steps take files from it.
func (in *inputs) Files(ctx context.Context) ([]string, error) {
	var files []string
	for _, single := range in.singles {
		if exists(single) {
			files = append(files, single)
		}
	}
	for _, root := range in.Roots() {
		err := tree.Walk(ctx, root.Dir, func(rel string, _ fs.DirEntry) bool { return root.Skip(rel) }, func(rel string, d fs.DirEntry) error {
			if !d.IsDir() && !in.ignore.Match(rel) && in.taken(rel) {
				files = append(files, filepath.Join(root.Dir, filepath.FromSlash(rel)))
			}
			return nil
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read the build context: %w", err)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func (in *inputs) taken(rel string) bool {
	parts := strings.Split(rel, "/")
	return slices.ContainsFunc(in.sources, func(s source) bool { return s.takes(parts) })
}
