package tag

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// worktree is the index of a repository and its ignore rules: what its files are compared with.
type worktree struct {
	root     string
	files    []*index.Entry // sorted by name
	written  time.Time      // of the index: a file that is as new may have changed since
	fileMode bool
	same     bool // the index is known to hold exactly HEAD
	outer    []ignoreRule
}

// isDirty compares a folder at HEAD, in the index and on disk. It stops at the first difference.
func (n *native) isDirty(ctx context.Context, dir string) (bool, error) {
	if n.status == nil {
		w, err := n.readWorktree()
		if err != nil {
			return false, err
		}
		n.status = w
	}
	w := n.status
	rel, err := filepath.Rel(n.root, dir)
	if err != nil {
		return false, err
	}
	rel = filepath.ToSlash(rel)
	if rel == "." {
		rel = ""
	}
	entries := w.below(rel)
	if dirty, err := n.staged(rel, entries); dirty || err != nil {
		return dirty, err
	}
	if dirty, err := w.changed(ctx, entries); dirty || err != nil {
		return dirty, err
	}
	return w.untracked(ctx, rel)
}

func (n *native) readWorktree() (*worktree, error) {
	for _, name := range []string{"core.ignorecase", "core.autocrlf", "core.fsmonitor", "core.worktree", "core.eol", "core.sparsecheckout", "core.attributesfile"} {
		section, key, _ := strings.Cut(name, ".")
		if v := n.option(section, key); v != "" && v != "false" {
			return nil, errAskGit
		}
	}
	file := filepath.Join(n.root, ".git", "index")
	idx, err := n.repo.Storer.Index()
	if err != nil {
		return nil, errAskGit // a kind of index that go-git does not read
	}
	w := &worktree{root: n.root, files: idx.Entries, fileMode: n.option("core", "filemode") != "false"}
	if info, err := os.Stat(file); err == nil {
		w.written = info.ModTime()
	}
	for _, e := range w.files {
		if e.Mode == filemode.Submodule || e.SkipWorktree {
			return nil, errAskGit
		}
	}
	sort.Slice(w.files, func(i, j int) bool { return w.files[i].Name < w.files[j].Name })
	if c := idx.Cache; c != nil && len(c.Entries) > 0 {
		w.same = c.Entries[0].Entries == len(w.files) && c.Entries[0].Hash == n.head.TreeHash
	}
	w.outer = append(readRules(n.excludesFile(), ""), readRules(filepath.Join(n.root, ".git", "info", "exclude"), "")...)
	return w, nil
}

// excludesFile is the user's own list of what is never shown as new.
func (n *native) excludesFile() string {
	file := n.option("core", "excludesfile")
	if file == "" {
		return filepath.Join(configHome(n.environ), "git", "ignore")
	}
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		return filepath.Join(n.environ["HOME"], rest)
	}
	return file
}

// below are the entries of the index in a folder.
func (w *worktree) below(rel string) []*index.Entry {
	if rel == "" {
		return w.files
	}
	from := sort.Search(len(w.files), func(i int) bool { return w.files[i].Name >= rel+"/" })
	to := sort.Search(len(w.files), func(i int) bool { return w.files[i].Name >= rel+"0" }) // "0" follows "/"
	return w.files[from:max(from, to)]
}

func (w *worktree) tracked(name string) bool {
	_, ok := slices.BinarySearchFunc(w.files, name, func(e *index.Entry, name string) int { return compare(e.Name, name) })
	return ok
}

// staged compares the index with HEAD.
func (n *native) staged(rel string, entries []*index.Entry) (bool, error) {
	if n.status.same {
		return false, nil
	}
	tree, err := n.head.Tree()
	if err == nil && rel != "" {
		tree, err = tree.Tree(rel)
	}
	if errors.Is(err, object.ErrDirectoryNotFound) {
		return len(entries) > 0, nil
	}
	if err != nil {
		return false, err
	}
	type file struct {
		hash plumbing.Hash
		mode filemode.FileMode
	}
	committed := map[string]file{}
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		name, e, err := walker.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		if e.Mode != filemode.Dir {
			committed[name] = file{e.Hash, e.Mode}
		}
	}
	for _, e := range entries {
		name := strings.TrimPrefix(strings.TrimPrefix(e.Name, rel), "/")
		if e.Stage != 0 || e.IntentToAdd || committed[name] != (file{e.Hash, e.Mode}) {
			return true, nil
		}
	}
	return len(committed) != len(entries), nil
}

// changed compares files on disk with the index.
func (w *worktree) changed(ctx context.Context, entries []*index.Entry) (bool, error) {
	for i, e := range entries {
		if i%256 == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		if dirty, err := w.differs(e); dirty || err != nil {
			return dirty, err
		}
	}
	return false, nil
}

func (w *worktree) differs(e *index.Entry) (bool, error) {
	file := filepath.Join(w.root, filepath.FromSlash(e.Name))
	info, err := os.Lstat(file)
	if err != nil {
		return true, nil // gone, or where a folder was
	}
	if e.Stage != 0 || e.IntentToAdd || !w.sameMode(e, info.Mode()) {
		return true, nil
	}
	racy := !info.ModTime().Before(w.written)
	if info.Size() == int64(e.Size) && sameTime(e.ModifiedAt, info.ModTime()) && !racy {
		return false, nil
	}
	if info.Size() != int64(e.Size) && e.Size != 0 && !w.attributes(e.Name) {
		return true, nil // git writes 0 for a file that it has to look at again
	}
	if w.attributes(e.Name) {
		return false, errAskGit // the content may be converted on its way into the repository
	}
	hash, err := blobHash(file, info)
	if err != nil {
		return true, nil
	}
	return hash != e.Hash.String(), nil
}

// sameTime compares modification times; an index that was written without nanoseconds has seconds only.
func sameTime(a, b time.Time) bool {
	if a.Nanosecond() == 0 || b.Nanosecond() == 0 {
		return a.Unix() == b.Unix()
	}
	return a.Equal(b)
}

func (w *worktree) sameMode(e *index.Entry, mode fs.FileMode) bool {
	switch e.Mode {
	case filemode.Symlink:
		return mode&fs.ModeSymlink != 0
	case filemode.Executable:
		return mode.IsRegular() && (!w.fileMode || mode&0o100 != 0)
	}
	return mode.IsRegular() && (!w.fileMode || mode&0o100 == 0)
}

// attributes says whether some .gitattributes may have a say about the file.
func (w *worktree) attributes(name string) bool {
	for dir := filepath.Dir(filepath.FromSlash(name)); ; dir = filepath.Dir(dir) {
		if exists(filepath.Join(w.root, dir, ".gitattributes")) {
			return true
		}
		if dir == "." {
			return false
		}
	}
}

// blobHash is the name under which git keeps the contents of a file.
func blobHash(file string, info fs.FileInfo) (string, error) {
	var content io.Reader
	size := info.Size()
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(file)
		if err != nil {
			return "", err
		}
		content, size = strings.NewReader(target), int64(len(target))
	} else {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		content = f
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", size)
	if _, err := io.Copy(h, content); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
