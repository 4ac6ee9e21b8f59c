package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/skiff-dev/skiff/internal/tree"
)

// notifier keeps the kernel's watches equal to what the targets need. Its paths are real ones, without symbolic links,
// so that no folder is watched under two names. Its owner locks.
type notifier struct {
	fs     *fsnotify.Watcher
	change func(key string, c change, at time.Time)
	dirs   map[string]*dir
	inodes map[uint64]*dir
	// graves are the oldest first.
	graves []grave
	// orphans lost their place as a side effect; who gathers them gives them a new one.
	orphans []*target
}

// dir is one folder that is watched, or was until it went (then it is not live). A dead one is kept for a while: who was
// told of something in it may look only when the folder is back, and must be told again when it goes once more.
type dir struct {
	path  string
	live  bool
	inode uint64
	refs  []ref                // the trees that it is part of
	hooks map[string][]*target // by the name of the entry that they wait for
	kids  map[string]*dir      // the watched folders in it
	// names is what somebody who looks at all that is reported may believe to be in the folder: also what was reported
	// as gone, with unknown mode, for it may have been back when it was looked at. It is complete when the folder was
	// read, and not only single names were looked up.
	names    map[string]fs.FileMode
	complete bool
}

// ref says that the folder stands at rel in the target's tree.
type ref struct {
	target *target
	rel    string
}

// below is the place of an entry of the folder.
func (r ref) below(base string) string {
	if r.rel == "" {
		return base
	}
	return r.rel + "/" + base
}

// failure is a target that can no longer be watched.
type failure struct {
	target *target
	err    error
}

func newNotifier(change func(string, change, time.Time)) (*notifier, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &notifier{fs: w, change: change, dirs: map[string]*dir{}, inodes: map[uint64]*dir{}}, nil
}

// begin forgets what the folders are watched for, not that they are: place says it anew, prune ends the rest.
func (n *notifier) begin() {
	for _, d := range n.dirs {
		d.refs, d.hooks = nil, nil
	}
}

func (n *notifier) prune() {
	for _, d := range n.dirs {
		n.release(d)
	}
}

// place watches all that t needs. With a time, what is found in its tree is reported as changed then.
func (n *notifier) place(t *target, at time.Time) error {
	real, err := n.follow(t)
	if err != nil || !t.tree {
		return err
	}
	if t.real != "" && t.real != real {
		n.uncover(t)
	}
	t.real = real
	if real == "" || n.covers(t) {
		return nil
	}
	if !notifies(real) {
		return errCannotNotify
	}
	return n.cover(real, ref{target: t}, at)
}

// follow hooks t to all that decides where its path leads, and returns the folder of a tree, "" while there is none.
// Where the path leads may change before the watch that would tell it is there: it looks until that holds still.
func (n *notifier) follow(t *target) (real string, err error) {
	before := t.hooks
	t.hooks = nil
	for range links {
		hooks, to, info := resolve(t.path)
		real = to
		if to != "" && (!t.tree || !info.IsDir()) {
			hooks, real = append(hooks, entryOf(to)), ""
		}
		if slices.Equal(hooks, t.hooks) {
			break
		}
		before, t.hooks = append(before, t.hooks...), hooks
		for _, h := range hooks {
			ok, err := n.hook(t, h)
			if err != nil {
				return "", err
			}
			if !ok {
				t.hooks = nil // its folder has just gone
			}
		}
	}
	n.unhook(t, before)
	return real, nil
}

func (n *notifier) covers(t *target) bool {
	d := n.dirs[t.real]
	return d != nil && d.live && slices.Contains(d.refs, ref{target: t})
}

// forget ends all that is watched for t.
func (n *notifier) forget(t *target) {
	n.uncover(t)
	n.unhook(t, t.hooks)
	hooks := t.hooks
	t.hooks, t.real = nil, ""
	n.unhook(t, hooks)
}

// hook makes events of the entry known to t.
func (n *notifier) hook(t *target, h hook) (bool, error) {
	d, err := n.add(h.dir)
	if err != nil || d == nil {
		return false, err
	}
	if d.hooks == nil {
		d.hooks = map[string][]*target{}
	}
	if !slices.Contains(d.hooks[h.base], t) {
		d.hooks[h.base] = append(d.hooks[h.base], t)
	}
	return true, nil
}

// unhook ends those of old hooks that t no longer has.
func (n *notifier) unhook(t *target, old []hook) {
	for _, h := range old {
		d := n.dirs[h.dir]
		if d == nil || slices.Contains(t.hooks, h) {
			continue
		}
		others := slices.DeleteFunc(d.hooks[h.base], func(o *target) bool { return o == t })
		if len(others) > 0 {
			d.hooks[h.base] = others
		} else {
			delete(d.hooks, h.base)
		}
		n.release(d)
	}
}

// add is the watched folder at path, nil if there is none to watch.
func (n *notifier) add(path string) (*dir, error) {
	d := n.dirs[path]
	if d != nil && d.live {
		return d, nil
	}
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return nil, nil
	}
	inode := tree.StampOf(info).Inode
	n.moved(path, inode)
	if err := n.fs.Add(path); err != nil {
		if gone(err) || errors.Is(err, fs.ErrPermission) {
			return nil, nil
		}
		return nil, err
	}
	if d == nil {
		d = &dir{path: path}
		n.dirs[path] = d
	}
	d.live, d.inode, d.refs, d.complete = true, inode, nil, false
	if inode != 0 {
		n.inodes[inode] = d
	}
	n.link(d)
	return d, nil
}

// moved ends the watch of a folder that now stands at path under its old name. The kernel has one watch per folder,
// not per name, and would go on to report the old name.
func (n *notifier) moved(path string, inode uint64) {
	old := n.inodes[inode]
	if inode == 0 || old == nil || old.path == path {
		return
	}
	info, err := os.Lstat(old.path)
	if err == nil && tree.StampOf(info).Inode == inode {
		return // another file system's folder that happens to have the same number
	}
	n.orphans = append(n.orphans, n.drop(old, time.Now())...)
}

// link ties the folder to the watched ones right above and right below it.
func (n *notifier) link(d *dir) {
	n.tie(d)
	if n.inside(d) {
		return
	}
	// That a folder is watched before the one above it is rare: roots inside roots, and folders of single files.
	for path, kid := range n.dirs {
		if filepath.Dir(path) == d.path && kid != d {
			n.tie(kid)
		}
	}
}

// tie ties the folder to the one above it, if that is watched.
func (n *notifier) tie(d *dir) {
	h := entryOf(d.path)
	up := n.dirs[h.dir]
	if up == nil || up == d {
		return
	}
	if up.kids == nil {
		up.kids = map[string]*dir{}
	}
	up.kids[h.base] = d
}

// inside says that the folder is reached from the one above it: cover ties what is below it.
func (n *notifier) inside(d *dir) bool {
	up := n.dirs[filepath.Dir(d.path)]
	return up != nil && up != d && len(up.refs) > 0
}

// release ends the watch of a folder that nobody needs.
func (n *notifier) release(d *dir) {
	if len(d.refs) > 0 || len(d.hooks) > 0 || n.dirs[d.path] != d {
		return
	}
	n.end(d)
	n.bury(d)
}

// end ends the watch of a folder.
func (n *notifier) end(d *dir) {
	if !d.live {
		return
	}
	d.live = false
	// It fails when the kernel ended the watch itself, with the folder.
	_ = n.fs.Remove(d.path)
	if n.inodes[d.inode] == d {
		delete(n.inodes, d.inode)
	}
}

// bury forgets a folder that is not watched.
func (n *notifier) bury(d *dir) {
	delete(n.dirs, d.path)
	h := entryOf(d.path)
	if up := n.dirs[h.dir]; up != nil && up.kids[h.base] == d {
		delete(up.kids, h.base)
	}
}

// entryOf is a path as an entry of a folder.
func entryOf(path string) hook {
	dir := filepath.Dir(path)
	return hook{dir, strings.TrimPrefix(path[len(dir):], string(filepath.Separator))}
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
