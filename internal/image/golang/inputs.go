package golang

import (
	"context"
	"go/build"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/tree"
)

// inputs are the files of a program.
type inputs struct {
	context  string
	list     *listing
	kodata   string
	onTheWay map[string]bool // folders above those of packages
	ignore   *tree.Ignore
	more     image.Inputs // what the project file names besides; nil: nothing
	singles  []string
	names    build.Context // decides by a file's name
}

func newInputs(dir string, l *listing, p v1.Platform, more image.Inputs, ignore []string) (image.Inputs, error) {
	rules, err := tree.NewIgnore(ignore...)
	if err != nil {
		return nil, err
	}
	in := &inputs{context: dir, list: l, onTheWay: map[string]bool{}, more: more, ignore: rules}
	if l.Main != "" {
		in.kodata = filepath.Join(l.Main, "kodata")
	}
	in.names = build.Context{GOOS: p.OS, GOARCH: p.Architecture, Compiler: "gc", CgoEnabled: true, OpenFile: func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("package p\n")), nil
	}}
	for dir := range l.Folders {
		for at := dir; !in.onTheWay[at]; at = filepath.Dir(at) {
			in.onTheWay[at] = true
		}
	}
	in.singles = slices.Sorted(maps.Keys(l.Singles))
	if more != nil {
		in.singles = append(in.singles, more.Singles()...)
	}
	return in, nil
}

// native are the endings of files that are no Go and that the go command compiles or links; the first ones also without cgo.
var (
	assembly = []string{".s", ".S", ".h", ".syso"}
	native   = []string{".c", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".m", ".sx", ".f", ".F", ".for", ".f90", ".swig", ".swigcxx"}
)

// Has says whether a file is part of the program.
func (in *inputs) Has(path string) bool {
	path = filepath.Clean(path)
	if slices.Contains(in.singles, path) {
		return true
	}
	if rel, ok := image.Below(in.context, path); ok && in.ignore.Match(rel) {
		return false
	}
	if in.more != nil && in.more.Has(path) {
		return true
	}
	if in.kodata != "" {
		if _, ok := image.Below(in.kodata, path); ok {
			return true
		}
	}
	dir, name := filepath.Split(path)
	if f := in.list.Folders[filepath.Clean(dir)]; f != nil && in.compiled(f, filepath.Clean(dir), name) {
		return true
	}
	return in.embedded(path, false)
}

// compiled says whether the go command looks at a file in the folder of a package.
func (in *inputs) compiled(f *folder, dir, name string) bool {
	if goSource(name) {
		ok, err := in.names.MatchFile(dir, name)
		return ok || err != nil
	}
	ending := filepath.Ext(name)
	return slices.Contains(assembly, ending) || f.Cgo && slices.Contains(native, ending)
}

// embedded says whether a package embeds a file or, with reach, something below it.
func (in *inputs) embedded(file string, reach bool) bool {
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if f := in.list.Folders[dir]; f != nil && len(f.Embeds) > 0 {
			if rel, ok := image.Below(dir, file); ok && slices.ContainsFunc(f.Embeds, func(p string) bool { return embeds(p, rel, reach) }) {
				return true
			}
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// embeds says whether a go:embed pattern takes a file: it matches it or a folder above it. What begins with a dot or an
// underscore is not taken along with its folder unless the pattern says "all:".
func embeds(pattern, rel string, reach bool) bool {
	pattern, all := strings.CutPrefix(pattern, "all:")
	want, have := strings.Split(pattern, "/"), strings.Split(rel, "/")
	if len(have) < len(want) && !reach {
		return false
	}
	for i, part := range have {
		if i >= len(want) {
			if hidden := part[0] == '.' || part[0] == '_'; hidden && !all {
				return false
			}
			continue
		}
		if ok, err := path.Match(want[i], part); err != nil || !ok {
			return pattern == "."
		}
	}
	return true
}

// Roots are the folders of the modules that people edit, without what holds no package of the program.
func (in *inputs) Roots() []image.Root {
	var roots []image.Root
	for _, dir := range in.list.Roots {
		roots = append(roots, image.Root{Dir: dir, Skip: func(rel string) bool { return in.skip(filepath.Join(dir, filepath.FromSlash(rel))) }})
	}
	if in.more != nil {
		roots = append(roots, in.more.Roots()...)
	}
	return roots
}

func (in *inputs) skip(path string) bool {
	if in.onTheWay[path] || path == in.kodata || in.Has(path) {
		return false
	}
	return !in.embedded(path, true)
}

// Singles are the files of the modules.
func (in *inputs) Singles() []string { return in.singles }

// Files are those of the packages that exist.
func (in *inputs) Files(ctx context.Context) ([]string, error) { return image.FilesOf(ctx, in) }
