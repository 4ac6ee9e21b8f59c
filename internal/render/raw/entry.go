package raw

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/render"
)

// entry is one pattern of manifests.rawYaml.
type entry struct {
	written string // as in the project file
	path    string // absolute, clean, slash-separated
	url     string // instead of path
}

func newEntry(pattern string, o Options) (entry, error) {
	if remote(pattern) {
		return entry{written: pattern, url: pattern}, nil
	}
	if strings.Contains(pattern, "://") {
		scheme, _, _ := strings.Cut(pattern, "://")
		e := diag.Errorf("download it, and name the file", "manifests.rawYaml: %q cannot be fetched: %s addresses are not supported yet", pattern, scheme)
		e.Code = diag.CodeConfig
		return entry{}, e
	}
	full, err := o.Templates.Fill(pattern, nil)
	if err != nil {
		e := diag.Errorf("mend the template", "manifests.rawYaml: %w", err)
		e.Code = diag.CodeConfig
		return entry{}, e
	}
	if !filepath.IsAbs(full) {
		full = filepath.Join(o.Dir, full)
	}
	full = filepath.ToSlash(filepath.Clean(full))
	if !doublestar.ValidatePattern(full) {
		e := diag.Errorf("close every [ and {", "manifests.rawYaml: %q is no valid pattern", pattern)
		e.Code = diag.CodeConfig
		return entry{}, e
	}
	return entry{written: pattern, path: full}, nil
}

func (e entry) glob() bool { return strings.ContainsAny(e.path, `*?[{\`) }

// list is the manifests that are there, or a warning when there are none. What exists under the very name is taken as it
// is; a folder stands for all manifests in it.
func (e entry) list() (paths []string, warning string) {
	if e.url != "" {
		return []string{e.url}, ""
	}
	if !e.glob() || exists(e.path) {
		if !isDir(e.path) {
			if !exists(e.path) {
				return nil, fmt.Sprintf("manifests.rawYaml: %q does not exist", e.written)
			}
			return []string{e.path}, ""
		}
		paths, _ = below(e.path)
		return paths, e.none(paths)
	}
	matches, err := doublestar.FilepathGlob(e.path)
	if err != nil {
		return nil, fmt.Sprintf("manifests.rawYaml: %q: %v", e.written, err)
	}
	for _, m := range matches {
		if isDir(m) {
			// With ** the folder's files match by themselves.
			if !strings.Contains(e.path, "**") {
				more, _ := below(m)
				paths = append(paths, more...)
			}
			continue
		}
		if manifest(m) {
			paths = append(paths, m)
		}
	}
	return paths, e.none(paths)
}

func (e entry) none(paths []string) string {
	if len(paths) > 0 {
		return ""
	}
	return fmt.Sprintf("manifests.rawYaml: %q matches no manifest", e.written)
}

// has says whether a path is, or would be, one of the entry's manifests. It looks at no file.
func (e entry) has(name string) bool {
	name = filepath.ToSlash(name)
	if name == e.path {
		return true
	}
	if !manifest(name) {
		return false
	}
	if !e.glob() {
		return strings.HasPrefix(name, e.path+"/")
	}
	for at := name; at != "/" && at != "."; at = path.Dir(at) {
		// A folder that matches stands for all manifests in it.
		if ok, _ := doublestar.Match(e.path, at); ok {
			return true
		}
	}
	return false
}

// root is the deepest folder that is there and that holds all that can match.
func (e entry) root() render.Root {
	dir := e.path
	for meta(dir) || !isDir(dir) {
		up := path.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return render.Root{Dir: filepath.FromSlash(dir), Skip: func(rel string) bool {
		full := path.Join(dir, filepath.ToSlash(rel))
		return !e.has(full) && !e.leads(full)
	}}
}

func meta(p string) bool { return strings.ContainsAny(p, `*?[{\`) }

// leads says whether a folder with this name can hold, at any depth, what matches.
func (e entry) leads(name string) bool {
	want := strings.Split(e.path, "/")
	have := strings.Split(name, "/")
	for i, segment := range have {
		if i >= len(want) {
			// Below all of a pattern: only a folder that matched lies on the way.
			return true
		}
		if strings.Contains(want[i], "**") || strings.Contains(want[i], "{") {
			// A ** leads everywhere; braces may hold a slash.
			return true
		}
		if ok, _ := doublestar.Match(want[i], segment); !ok {
			return false
		}
	}
	return true
}
