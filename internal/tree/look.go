package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Look is one look at the disk that all who take part in one piece of work share: each folder is read once, and each file in it is
// looked at once, whoever asks. What changes afterwards is not seen: a later piece of work takes a look of its own.
type Look struct {
	mu   sync.Mutex
	dirs map[string]*folder
}

// folder is what stands in one folder, read by whoever comes first.
type folder struct {
	once    sync.Once
	done    chan struct{} // closed when it was read
	entries []Entry
	err     error
}

// lookKey is where a context keeps its Look.
type lookKey struct{}

// WithLook is a context whose work shares one look at the disk; ctx itself if it has one already.
func WithLook(ctx context.Context) context.Context {
	if LookOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, lookKey{}, &Look{dirs: map[string]*folder{}})
}

// WithoutLook is a context whose work looks at the disk as it is then.
func WithoutLook(ctx context.Context) context.Context {
	return context.WithValue(ctx, lookKey{}, (*Look)(nil))
}

// LookOf is the Look that the work of ctx shares; nil: everyone looks for himself.
func LookOf(ctx context.Context) *Look {
	look, _ := ctx.Value(lookKey{}).(*Look)
	return look
}

// Entry is a file or a folder, with its stamp.
type Entry struct {
	name  string
	stamp Stamp
}

var _ fs.DirEntry = (*Entry)(nil)

// Name is the name in its folder.
func (e *Entry) Name() string { return e.name }

// IsDir says whether it is a folder.
func (e *Entry) IsDir() bool { return e.stamp.Mode.IsDir() }

// Type is what kind of file it is.
func (e *Entry) Type() fs.FileMode { return e.stamp.Mode.Type() }

// Info is what was seen; nobody goes to the disk again.
func (e *Entry) Info() (fs.FileInfo, error) { return seenInfo(*e), nil }

// Stamp is the file's stamp.
func (e *Entry) Stamp() Stamp { return e.stamp }

// seenInfo is an Entry as a FileInfo.
type seenInfo Entry

func (i seenInfo) Name() string       { return i.name }
func (i seenInfo) Size() int64        { return i.stamp.Size }
func (i seenInfo) Mode() fs.FileMode  { return i.stamp.Mode }
func (i seenInfo) ModTime() time.Time { return time.Unix(0, i.stamp.Modified) }
func (i seenInfo) IsDir() bool        { return i.stamp.Mode.IsDir() }
func (i seenInfo) Sys() any           { return nil }

// ReadDir is what stands in a folder, by name.
func (l *Look) ReadDir(dir string) ([]Entry, error) {
	l.mu.Lock()
	f := l.dirs[dir]
	if f == nil {
		f = &folder{done: make(chan struct{})}
		l.dirs[dir] = f
	}
	l.mu.Unlock()
	f.once.Do(func() {
		defer close(f.done)
		f.entries, f.err = readDir(dir)
		slices.SortFunc(f.entries, func(a, b Entry) int { return strings.Compare(a.name, b.name) })
	})
	return f.entries, f.err
}

// Stamp is the stamp of what is at path, which is absolute and clean. The folder around it is not read for it.
func (l *Look) Stamp(path string) (Stamp, error) {
	dir, name := filepath.Split(path)
	if len(dir) > 1 {
		dir = dir[:len(dir)-1]
	}
	if entries, ok := l.seen(dir); ok {
		at, found := slices.BinarySearchFunc(entries, name, func(e Entry, name string) int { return strings.Compare(e.name, name) })
		if !found {
			return Stamp{}, &fs.PathError{Op: "lstat", Path: path, Err: fs.ErrNotExist}
		}
		return entries[at].stamp, nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return Stamp{}, err
	}
	return StampOf(info), nil
}

// seen is a folder that was read already.
func (l *Look) seen(dir string) ([]Entry, bool) {
	l.mu.Lock()
	f := l.dirs[dir]
	l.mu.Unlock()
	if f == nil {
		return nil, false
	}
	select {
	case <-f.done:
		return f.entries, f.err == nil
	default:
		return nil, false
	}
}

// walk is Walk over the look. Folders are read ahead by others while fn is at work.
func (l *Look) walk(w walk, dir string) error {
	entries, err := l.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("walk %s: %w", dir, err)
	}
	var ahead errgroup.Group
	ahead.SetLimit(2 * runtime.GOMAXPROCS(0))
	a := aheadWalk{walk: w, look: l, ahead: &ahead}
	err = a.entries(dir, "", entries)
	_ = ahead.Wait() // what could not be read is told by whoever comes to need it
	return err
}

type aheadWalk struct {
	walk
	look  *Look
	ahead *errgroup.Group
}

func (w aheadWalk) entries(dir, rel string, entries []Entry) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	// What is skipped has to be known before any of it is read ahead.
	kept := make([]string, len(entries))
	for i := range entries {
		e := &entries[i]
		path := e.name
		if rel != "" {
			path = rel + "/" + path
		}
		if w.skip != nil && w.skip(path, e) {
			continue
		}
		kept[i] = path
		if e.IsDir() {
			below := join(dir, e.name)
			w.ahead.TryGo(func() error { _, _ = w.look.ReadDir(below); return nil })
		}
	}
	for i := range entries {
		e := &entries[i]
		if kept[i] == "" {
			continue
		}
		err := w.fn(kept[i], e)
		if errors.Is(err, fs.SkipDir) {
			if e.IsDir() {
				continue
			}
			return nil
		}
		if err != nil {
			return err
		}
		if !e.IsDir() {
			continue
		}
		if err := w.below(join(dir, e.name), kept[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w aheadWalk) below(dir, rel string) error {
	entries, err := w.look.ReadDir(dir)
	if err != nil {
		return unreadable(rel, err)
	}
	return w.entries(dir, rel, entries)
}

// join is filepath.Join of clean parts.
func join(dir, name string) string {
	if strings.HasSuffix(dir, string(filepath.Separator)) {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}
