// Package tree says which files below a folder count, and what each of them holds: a folder and ignore rules go in,
// paths and digests come out.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Walk calls fn for everything below dir, folders before what is in them, in the order of their names. The path is
// relative to dir and slash-separated; dir itself is left out. What skip says true to is left out with all below it;
// a nil skip leaves nothing out. A symbolic link is handed to fn and never followed (dir itself may be one). What
// vanishes during the walk is no fault; a folder that cannot be read is. fn may return fs.SkipDir and fs.SkipAll. Where ctx has a
// Look, the walk is over that, and every DirEntry is an Entry.
func Walk(ctx context.Context, dir string, skip func(rel string, d fs.DirEntry) bool, fn func(rel string, d fs.DirEntry) error) error {
	w := walk{ctx, skip, fn}
	var err error
	if look := LookOf(ctx); look != nil {
		err = look.walk(w, filepath.Clean(dir))
	} else {
		err = w.root(dir)
	}
	if errors.Is(err, fs.SkipAll) || errors.Is(err, fs.SkipDir) {
		return nil
	}
	return err
}

type walk struct {
	ctx  context.Context
	skip func(rel string, d fs.DirEntry) bool
	fn   func(rel string, d fs.DirEntry) error
}

func (w walk) root(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("walk %s: %w", dir, err)
	}
	return w.entries(dir, "", entries)
}

func (w walk) entries(dir, rel string, entries []fs.DirEntry) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	for _, d := range entries {
		path := d.Name()
		if rel != "" {
			path = rel + "/" + path
		}
		if w.skip != nil && w.skip(path, d) {
			continue
		}
		err := w.fn(path, d)
		if errors.Is(err, fs.SkipDir) {
			if d.IsDir() {
				continue
			}
			return nil // as in fs.WalkDir: a file's SkipDir leaves out the rest of its folder
		}
		if err != nil {
			return err
		}
		if !d.IsDir() {
			continue
		}
		if err := w.below(filepath.Join(dir, d.Name()), path); err != nil {
			return err
		}
	}
	return nil
}

func (w walk) below(dir, rel string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return unreadable(rel, err)
	}
	return w.entries(dir, rel, entries)
}

// unreadable is the fault of a folder below the first one; there is none if it vanished.
func unreadable(rel string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("walk %s: %w", rel, err)
}
