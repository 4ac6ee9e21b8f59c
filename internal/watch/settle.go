package watch

import (
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle makes a batch of what is due, leaving out what came to nothing: files that were made and are gone again, and
// changes of nothing but a time stamp. It is false when nothing is left, or when the batch gets more time.
func (w *Watcher) settle() (Batch, bool) {
	infos := make(map[string]fs.FileInfo, len(w.fold.pending))
	emptied := false
	for key, c := range w.fold.pending {
		if c.sure {
			continue
		}
		if info := c.stat(key); info != nil {
			infos[key] = info
			// Between truncating and writing, a file is empty for a moment. To act on that would restart the
			// program on an empty file and once more on the whole one.
			emptied = emptied || info.Mode().IsRegular() && info.Size() == 0 && c.op.Has(fsnotify.Write)
		}
	}
	if emptied && w.fold.Hold() {
		return Batch{}, false
	}
	changes, first, rescan := w.fold.Take()
	b := Batch{First: first, Rescan: rescan}
	for key, c := range changes {
		if c.sure || w.counts(key, c, infos[key]) {
			b.Paths = append(b.Paths, c.out...)
		}
	}
	slices.Sort(b.Paths)
	b.Paths = slices.Compact(b.Paths)
	return b, rescan || len(b.Paths) > 0
}

func (c *change) stat(key string) fs.FileInfo {
	look := os.Lstat
	if c.target != nil {
		look = os.Stat
	}
	info, err := look(key)
	if err != nil {
		return nil
	}
	return info
}

// counts says whether the change is one, and remembers the state that it led to.
func (w *Watcher) counts(key string, c *change, info fs.FileInfo) bool {
	if info == nil {
		w.remember(key, c, nil)
		return c.existed
	}
	mode := info.Mode()
	before := w.remember(key, c, &mode)
	if !c.existed {
		return true
	}
	switch c.op {
	case fsnotify.Chmod:
		return before != mode
	case fsnotify.Write:
		// Windows tells of a folder when something in it changes, which is told for itself.
		return !info.IsDir()
	}
	return true
}

// remember puts down the mode of what is at key, nil for nothing, and returns the mode that it had.
func (w *Watcher) remember(key string, c *change, mode *fs.FileMode) (before fs.FileMode) {
	before = unknown
	if c.target != nil {
		before = c.target.mode
		c.target.put(mode)
	}
	if w.notify == nil {
		return before
	}
	if m := w.notify.put(key, mode, time.Now()); c.target == nil {
		before = m
	}
	return before
}
