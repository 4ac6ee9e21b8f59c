package watch

import (
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// event takes in one notification, and returns the targets that can no longer be watched.
func (n *notifier) event(e fsnotify.Event, at time.Time) []failure {
	path := filepath.Clean(e.Name)
	h := entryOf(path)
	var touched []*target
	moved := e.Op.Has(fsnotify.Create) || e.Op.Has(fsnotify.Remove) || e.Op.Has(fsnotify.Rename)
	if own := n.dirs[path]; own != nil && moved {
		// Whatever stands there now, it is not surely the folder that was watched.
		touched = n.drop(own, at)
	}
	d := n.dirs[h.dir]
	if d == nil || !d.live {
		return n.replace(append(touched, n.orphans...), at)
	}
	for _, t := range d.hooks[h.base] {
		touched = append(touched, t)
		if !t.tree {
			n.change(t.path, change{op: e.Op, existed: t.existed, out: []string{t.path}, target: t}, at)
		}
	}
	failures := n.entry(d, h.base, path, e.Op, moved, at)
	return append(failures, n.replace(append(touched, n.orphans...), at)...)
}

// entry is what happened to an entry of d as a part of the trees that d belongs to.
func (n *notifier) entry(d *dir, base, path string, op fsnotify.Op, moved bool, at time.Time) []failure {
	var inside []ref
	var out []string
	for _, r := range d.refs {
		rel := r.below(base)
		if r.target.skips(rel) {
			continue
		}
		inside = append(inside, ref{r.target, rel})
		out = appendNew(out, r.target.name(rel))
	}
	if len(inside) == 0 {
		n.unreported(d, base, op)
		return nil
	}
	_, existed := d.names[base]
	n.change(path, change{op: op, existed: existed, out: out}, at)
	if !moved {
		return nil
	}
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return nil
	}
	var failures []failure
	for _, r := range inside {
		if err := n.cover(path, r, at); err != nil {
			failures = append(failures, failure{r.target, err})
		}
	}
	return failures
}

// unreported keeps the list of names true for an entry that every tree skips: another Set may want it.
func (n *notifier) unreported(d *dir, base string, op fsnotify.Op) {
	switch {
	case !d.complete:
	case op.Has(fsnotify.Create):
		d.names[base] = unknown
	case op.Has(fsnotify.Remove) || op.Has(fsnotify.Rename):
		delete(d.names, base)
	}
}

// replace looks again where the targets lead, after something on their way changed.
func (n *notifier) replace(targets []*target, at time.Time) []failure {
	var failures []failure
	done := map[*target]bool{}
	for len(targets) > 0 {
		for _, t := range targets {
			if done[t] {
				continue
			}
			done[t] = true
			if err := n.place(t, at); err != nil {
				failures = append(failures, failure{t, err})
			}
		}
		targets, n.orphans = n.orphans, nil
	}
	return failures
}

// drop ends the watches of a folder that is gone, or may be another one now, and of all below it; all that was known
// to be in them is reported. It returns the targets that have lost their place by this.
func (n *notifier) drop(d *dir, at time.Time) []*target {
	var lost []*target
	for _, kid := range d.kids {
		lost = append(lost, n.drop(kid, at)...)
	}
	if d.live {
		n.end(d)
		n.graves = append(n.graves, grave{dir: d, at: at})
	}
	for base := range d.names {
		n.lost(d, base, at)
	}
	for _, r := range d.refs {
		if r.rel == "" {
			lost = append(lost, r.target)
			n.change(d.path, change{op: fsnotify.Rename, existed: true, out: []string{r.target.path}}, at)
		}
	}
	for _, targets := range d.hooks {
		for _, t := range targets {
			lost = append(lost, t)
			if !t.tree {
				n.change(t.path, change{op: fsnotify.Rename, existed: t.existed, out: []string{t.path}, target: t}, at)
			}
		}
	}
	d.hooks = nil
	return lost
}

func (n *notifier) lost(d *dir, base string, at time.Time) {
	var out []string
	for _, r := range d.refs {
		rel := r.below(base)
		if !r.target.skips(rel) {
			out = appendNew(out, r.target.name(rel))
		}
	}
	if len(out) > 0 {
		n.change(filepath.Join(d.path, base), change{op: fsnotify.Rename, existed: true, out: out}, at)
	}
}
