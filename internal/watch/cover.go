package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// cover watches the folder at path and all below it that the reference's tree does not skip. The watch comes first
// and the reading second: what is made in between is found by one of them. With a time, what is there is reported.
func (n *notifier) cover(path string, r ref, at time.Time) error {
	d, err := n.add(path)
	if err != nil || d == nil {
		return err
	}
	if err := d.read(); err != nil {
		return err
	}
	if slices.Contains(d.refs, r) {
		return nil
	}
	d.refs = append(d.refs, r)
	n.tie(d)
	for base, mode := range d.names {
		if err := n.coverEntry(d, base, mode, r, at); err != nil {
			return err
		}
	}
	// A folder that was made since the last batch is watched, and not yet among the names.
	for base := range d.kids {
		if _, ok := d.names[base]; ok {
			continue
		}
		if err := n.coverEntry(d, base, fs.ModeDir, r, at); err != nil {
			return err
		}
	}
	return nil
}

func (n *notifier) coverEntry(d *dir, base string, mode fs.FileMode, r ref, at time.Time) error {
	isDir := mode.IsDir() || d.kids[base] != nil
	if !isDir && mode.Type() != unknown && at.IsZero() {
		return nil
	}
	in := ref{r.target, r.below(base)}
	if in.target.skips(in.rel) {
		return nil
	}
	path := filepath.Join(d.path, base)
	if !isDir && mode.Type() == unknown {
		info, err := os.Lstat(path)
		isDir = err == nil && info.IsDir()
	}
	if !at.IsZero() {
		n.change(path, change{op: fsnotify.Create, out: []string{in.target.name(in.rel)}}, at)
	}
	if !isDir {
		return nil
	}
	return n.cover(path, in, at)
}

// read takes in the names in the folder, unless they are known.
func (d *dir) read() error {
	if d.complete {
		return nil
	}
	entries, err := os.ReadDir(d.path)
	if err != nil && !gone(err) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if d.names == nil {
		d.names = make(map[string]fs.FileMode, len(entries))
	}
	for _, e := range entries {
		if m, ok := d.names[e.Name()]; !ok || m.Type() != e.Type() {
			d.names[e.Name()] = e.Type()
		}
	}
	d.complete = true
	return nil
}

// uncover ends what is watched for t's tree.
func (n *notifier) uncover(t *target) {
	if d := n.dirs[t.real]; t.real != "" && d != nil {
		n.uncoverDir(d, t)
	}
}

func (n *notifier) uncoverDir(d *dir, t *target) {
	for _, kid := range d.kids {
		n.uncoverDir(kid, t)
	}
	d.refs = slices.DeleteFunc(d.refs, func(r ref) bool { return r.target == t })
	n.release(d)
}
