package assemble

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// disk is the files of an image while a step changes them: what the step wrote lies over what was there before.
type disk struct {
	lower   statter
	upper   *forest
	touched map[string]bool // folders of lower that hold something new
	when    time.Time       // of folders that nothing gives a time
}

func newDisk(lower statter, when time.Time) *disk {
	return &disk{lower: lower, upper: &forest{nodes: map[string]*node{}, names: map[string][]string{}, dirty: map[string]bool{}}, touched: map[string]bool{}, when: when}
}

func (d *disk) stat(p string) (*node, error) {
	if n := d.upper.nodes[p]; n != nil {
		return n, nil
	}
	if p == "" {
		return &node{Mode: fs.ModeDir | 0o755}, nil
	}
	return d.lower.stat(p)
}

// put writes a file; the folders above it have to exist.
func (d *disk) put(n *node) {
	d.upper.put(n)
	for dir, _ := split(n.Path); dir != "" && d.upper.nodes[dir] == nil; dir, _ = split(dir) {
		d.touched[dir] = true
	}
}

// change is the node at p to be changed: what lies below is copied up.
func (d *disk) change(p string) (*node, error) {
	if n := d.upper.nodes[p]; n != nil {
		return n, nil
	}
	n, err := d.stat(p)
	if err != nil || n == nil {
		return nil, err
	}
	c := *n
	d.put(&c)
	return &c, nil
}

// owner is who gets what a step writes; nil: who had it in its source, or root.
type owner struct{ uid, gid int }

func (o *owner) give(n *node) {
	if o != nil {
		n.UID, n.GID = o.uid, o.gid
	}
}

var errNotDir = errors.New("not a directory")

// mkdirAll makes the folders of a path whose links are resolved.
func (d *disk) mkdirAll(p string, perm fs.FileMode, o *owner) error {
	if p == "" {
		return nil
	}
	n, err := d.stat(p)
	if err != nil {
		return err
	}
	if n.isDir() {
		return nil
	}
	if n != nil {
		return &fs.PathError{Op: "mkdir", Path: "/" + p, Err: errNotDir}
	}
	dir, _ := split(p)
	if err := d.mkdirAll(dir, perm, o); err != nil {
		return err
	}
	made := &node{Path: p, Mode: fs.ModeDir | perm&0o777, Time: d.when}
	o.give(made)
	d.put(made)
	return nil
}

// result is what the step wrote, with the folders above it, in the order of a layer.
func (d *disk) result() ([]*node, error) {
	all := newForest()
	for _, n := range d.upper.nodes {
		all.put(n)
	}
	for dir := range d.touched {
		n, err := d.stat(dir)
		if err != nil {
			return nil, err
		}
		if n == nil || d.upper.nodes[dir] != nil {
			continue
		}
		all.put(n)
	}
	var list []*node
	for _, p := range all.paths() {
		list = append(list, all.nodes[p])
	}
	slices.SortFunc(list, func(a, b *node) int { return compare(a.Path, b.Path) })
	return list, nil
}

// compare orders paths as a walk does: a folder, what is in it, and then its next sibling.
func compare(a, b string) int {
	return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}
