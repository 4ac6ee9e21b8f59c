package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unknown is the mode of an entry of which only the name was read.
const unknown = fs.ModeIrregular

// target is one thing that is watched: a tree, or a single file.
type target struct {
	path string // as the caller named it
	tree bool
	skip func(rel string) bool

	// For a single file: whether it ever existed, and its mode when it was last reported.
	existed bool
	mode    fs.FileMode

	real  string // of a tree: the folder that is watched for it, "" while there is none
	hooks []hook

	polled bool
	seen   stamps
}

// hook is an entry of a folder that decides where a path leads: the file itself, a symbolic link on the way, or the
// first part of the path that does not exist.
type hook struct{ dir, base string }

func (t *target) skips(rel string) bool { return t.skip != nil && t.skip(rel) }

// name is the path that is reported for rel below the target.
func (t *target) name(rel string) string {
	if rel == "" {
		return t.path
	}
	return filepath.Join(t.path, filepath.FromSlash(rel))
}

// look takes in the state of a single file.
func (t *target) look() {
	if t.tree {
		return
	}
	info, err := os.Stat(t.path)
	if err != nil {
		t.put(nil)
		return
	}
	mode := info.Mode()
	t.put(&mode)
}

func (t *target) put(mode *fs.FileMode) {
	if mode == nil {
		t.mode = unknown
		return
	}
	t.existed, t.mode = true, *mode
}

// links is how many symbolic links a path may lead through, as in Linux.
const links = 40

// resolve follows path through all symbolic links. It returns the entries that decide where it leads, and the place
// itself; real is "" when there is none yet.
func resolve(path string) (hooks []hook, real string, info fs.FileInfo) {
	volume := filepath.VolumeName(path)
	top := volume + string(filepath.Separator)
	rest := split(path[len(volume):])
	at := top
	for left := links; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		var err error
		info, err = os.Lstat(next)
		if err != nil {
			return append(hooks, hook{at, rest[0]}), "", nil
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at, rest = next, rest[1:]
			continue
		}
		dest, err := os.Readlink(next)
		left--
		// The links of the top folder (/tmp, /var on a Mac) belong to the system and do not change.
		if at != top || err != nil || left < 0 {
			hooks = append(hooks, hook{at, rest[0]})
		}
		if err != nil || left < 0 {
			return hooks, "", nil
		}
		if filepath.IsAbs(dest) {
			at = filepath.VolumeName(dest) + string(filepath.Separator)
			dest = dest[len(filepath.VolumeName(dest)):]
		}
		rest = append(split(dest), rest[1:]...)
	}
	if info == nil { // the top folder itself
		var err error
		if info, err = os.Lstat(at); err != nil {
			return hooks, "", nil
		}
	}
	return hooks, at, info
}

// split is the parts of a path; ".." stays, filepath.Join resolves it where it is met.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) })
}
