package watch

import (
	"io/fs"
	"time"
)

// mourning is how long what is gone is kept in mind. It is longer than anybody takes to look at what a batch names.
const mourning = 10 * time.Minute

// grave is something that is gone: an entry of a folder, or with base "" the folder.
type grave struct {
	dir  *dir
	base string
	at   time.Time
}

// put remembers the mode of the entry at path, nil for none, and returns the one that it had.
func (n *notifier) put(path string, mode *fs.FileMode, at time.Time) (before fs.FileMode) {
	n.sweep(at)
	h := entryOf(path)
	d := n.dirs[h.dir]
	if d == nil {
		return unknown
	}
	before, known := d.names[h.base]
	if !known {
		before = unknown
	}
	if d.names == nil {
		d.names = map[string]fs.FileMode{}
	}
	if mode != nil {
		d.names[h.base] = *mode
		return before
	}
	d.names[h.base] = unknown
	n.graves = append(n.graves, grave{d, h.base, at})
	return before
}

// sweep forgets what is gone for long.
func (n *notifier) sweep(now time.Time) {
	for len(n.graves) > 0 && now.Sub(n.graves[0].at) > mourning {
		g := n.graves[0]
		n.graves = n.graves[1:]
		switch {
		case g.base != "" && g.dir.names[g.base] == unknown:
			delete(g.dir.names, g.base)
		case g.base == "" && !g.dir.live && n.dirs[g.dir.path] == g.dir:
			n.bury(g.dir)
		}
	}
}
