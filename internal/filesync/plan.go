package filesync

import (
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

// Infer says where an image's COPY and ADD steps put a file: the path relative to the artifact's context goes in,
// absolute paths in the container come out, none when the file does not get into the image. It must answer for files
// that do not exist yet, too.
type Infer func(rel string) []string

// Rules are an artifact's sync rules, ready to be asked. The zero value matches nothing.
type Rules struct {
	context string
	manual  []rule
	globs   []string
	infer   Infer
}

type rule struct{ src, dest, strip string }

// Change is one path that changed on this machine.
type Change struct {
	Path    string // absolute
	Deleted bool
}

// Op makes one path in a container equal to one path on this machine.
type Op struct {
	Local  string // absolute path here
	Remote string // absolute path in the container
	Delete bool   // Local is gone, so Remote goes
	Root   string // the artifact's context: a symlink that points out of it is sent as what it points to
}

// Compile reads the sync rules of an artifact. workDir is the image's working folder, to which relative destinations
// belong; infer is asked for the `infer` form only and may be nil.
func Compile(a *config.Artifact, workDir string, infer Infer) (Rules, error) {
	r := Rules{context: filepath.Clean(a.Context)}
	if a.Sync == nil {
		return Rules{}, nil
	}
	var faults diag.List
	for _, m := range a.Sync.Manual {
		src := clean(m.Src)
		if !doublestar.ValidatePattern(src) {
			faults = append(faults, badGlob(a.Image, m.Src))
			continue
		}
		r.manual = append(r.manual, rule{src: src, dest: absolute(m.Dest, workDir), strip: m.Strip})
	}
	if automatic := a.Jib != nil || a.Buildpacks != nil; automatic && len(a.Sync.Manual) == 0 && a.Sync.Auto != nil && infer != nil {
		// The builder knows which files it can place, whatever they are called.
		r.globs, r.infer = []string{"**"}, infer
	}
	if len(a.Sync.Manual) == 0 && a.Sync.Auto == nil {
		for _, g := range a.Sync.Infer {
			if !doublestar.ValidatePattern(clean(g)) {
				faults = append(faults, badGlob(a.Image, g))
				continue
			}
			r.globs, r.infer = append(r.globs, clean(g)), infer
		}
	}
	return r, faults.Err()
}

func badGlob(image, glob string) *diag.Error {
	e := diag.Errorf(`write it as a path relative to the context, with "*", "**" and "?" as wildcards`, "image %q: sync rule %q is no glob", image, glob)
	e.Code = diag.CodeConfig
	return e
}

// clean drops a leading "./", which people write and which no relative path starts with.
func clean(glob string) string { return strings.TrimPrefix(filepath.ToSlash(glob), "./") }

func absolute(dest, workDir string) string {
	dest = filepath.ToSlash(dest)
	if path.IsAbs(dest) {
		return path.Clean(dest)
	}
	return path.Join("/", workDir, dest)
}

// Empty says that nothing can ever be synced by these rules.
func (r Rules) Empty() bool {
	return len(r.manual) == 0 && (len(r.globs) == 0 || r.infer == nil)
}

// Targets is where a path of this machine belongs in a container: every rule that matches names one place.
func (r Rules) Targets(local string) []string {
	rel, ok := r.rel(local)
	if !ok {
		return nil
	}
	var targets []string
	for _, m := range r.manual {
		if doublestar.MatchUnvalidated(m.src, rel) {
			targets = append(targets, path.Join(m.dest, strings.TrimPrefix(rel, m.strip)))
		}
	}
	if r.infer != nil && matchesAny(r.globs, rel) {
		targets = append(targets, r.infer(rel)...)
	}
	return targets
}

func (r Rules) rel(local string) (string, bool) {
	if r.context == "" {
		return "", false
	}
	rel, err := filepath.Rel(r.context, local)
	if err != nil {
		return "", false
	}
	rel = filepath.ToSlash(rel)
	return rel, rel != "." && rel != ".." && !strings.HasPrefix(rel, "../")
}

func matchesAny(globs []string, rel string) bool {
	for _, g := range globs {
		if doublestar.MatchUnvalidated(g, rel) {
			return true
		}
	}
	return false
}

// Plan says which changes go where, and which match no rule and need a rebuild. The operations are sorted by Remote, one
// for each; where two files claim one place, the one that still exists wins.
func Plan(r Rules, changes []Change) (ops []Op, unmatched []Change) {
	byRemote := map[string]Op{}
	for _, c := range changes {
		targets := r.Targets(c.Path)
		// The inferred form cannot know whether a step other than COPY made use of the file: its absence needs a build.
		if len(targets) == 0 || c.Deleted && len(r.manual) == 0 {
			unmatched = append(unmatched, c)
			continue
		}
		for _, remote := range targets {
			old, taken := byRemote[remote]
			if taken && !old.Delete && c.Deleted {
				continue
			}
			byRemote[remote] = Op{Local: c.Path, Remote: remote, Delete: c.Deleted, Root: r.context}
		}
	}
	for _, op := range byRemote {
		ops = append(ops, op)
	}
	sort.Slice(ops, func(i, j int) bool { return ops[i].Remote < ops[j].Remote })
	return ops, unmatched
}
