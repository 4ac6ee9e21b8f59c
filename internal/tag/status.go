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

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/skiff-dev/skiff/internal/tree"
)

// worktree is the index of a repository and its ignore rules: what its files are compared with. Once it is read it does not change,
// so many folders may be compared at once.
type worktree struct {
	root     string
	index    *indexFile
	files    []indexEntry // sorted by name
	fileMode bool
	outer    []ignoreRule
}

// isDirty compares a folder at HEAD, in the index and on disk. It stops at the first difference.
func (n *native) isDirty(ctx context.Context, dir string) (bool, error) {
	w, err := n.worktree()
	if err != nil {
		return false, err
	}
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
	return w.changed(ctx, rel, entries)
}

// worktree is read when it is first asked for.
func (n *native) worktree() (*worktree, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.status == nil && n.statusErr == nil {
		n.status, n.statusErr = n.readWorktree()
	}
	return n.status, n.statusErr
}

func (n *native) readWorktree() (*worktree, error) {
	for _, name := range []string{"core.ignorecase", "core.autocrlf", "core.fsmonitor", "core.worktree", "core.eol", "core.sparsecheckout", "core.attributesfile"} {
		section, key, _ := strings.Cut(name, ".")
		if v := n.option(section, key); v != "" && v != "false" {
			return nil, errAskGit
		}
	}
	index, err := readIndex(filepath.Join(n.root, ".git", "index"))
	if err != nil {
		return nil, err
	}
	w := &worktree{root: n.root, index: index, files: index.entries, fileMode: n.option("core", "filemode") != "false"}
	for i := range w.files {
		if w.files[i].mode == modeRepo || w.files[i].skip {
			return nil, errAskGit
		}
	}
	if !slices.IsSortedFunc(w.files, func(a, b indexEntry) int { return strings.Compare(a.name, b.name) }) {
		return nil, errAskGit
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
func (w *worktree) below(rel string) []indexEntry {
	if rel == "" {
		return w.files
	}
	from := sort.Search(len(w.files), func(i int) bool { return w.files[i].name >= rel+"/" })
	to := sort.Search(len(w.files), func(i int) bool { return w.files[i].name >= rel+"0" }) // "0" follows "/"
	return w.files[from:max(from, to)]
}

// staged compares the index with HEAD: by the trees that git has noted in the index, or file by file.
func (n *native) staged(rel string, entries []indexEntry) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.status.index.trees[rel]
	if ok && rel == "" && known == n.head.TreeHash.String() {
		return false, nil
	}
	head, err := n.head.Tree()
	if err == nil && rel != "" {
		head, err = head.Tree(rel)
	}
	if errors.Is(err, object.ErrDirectoryNotFound) {
		return len(entries) > 0, nil
	}
	if err != nil {
		return false, err
	}
	if ok && known == head.Hash.String() {
		return false, nil
	}
	type file struct {
		hash string
		mode uint32
	}
	committed := map[string]file{}
	walker := object.NewTreeWalker(head, true, nil)
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
			committed[name] = file{string(e.Hash[:]), uint32(e.Mode)}
		}
	}
	for _, e := range entries {
		name := strings.TrimPrefix(strings.TrimPrefix(e.name, rel), "/")
		if e.stage != 0 || e.intent || committed[name] != (file{e.hash, e.mode}) {
			return true, nil
		}
	}
	return len(committed) != len(entries), nil
}

// differs compares a file on disk, of which the stamp is known, with its entry in the index.
func (w *worktree) differs(e *indexEntry, s tree.Stamp) (bool, error) {
	if e.stage != 0 || e.intent || !w.sameMode(e, s.Mode) {
		return true, nil
	}
	racy := s.Modified >= w.index.written.UnixNano()
	if uint32(s.Size) == e.size && sameTime(e.modified, s.Modified) && !racy {
		return false, nil
	}
	if uint32(s.Size) != e.size && e.size != 0 && !w.attributes(e.name) {
		return true, nil // git writes 0 for a file that it has to look at again
	}
	if w.attributes(e.name) {
		return false, errAskGit // the content may be converted on its way into the repository
	}
	hash, err := blobHash(filepath.Join(w.root, filepath.FromSlash(e.name)), s)
	if err != nil {
		return true, nil
	}
	return hash != hex.EncodeToString([]byte(e.hash)), nil
}

// sameTime compares modification times; an index that was written without nanoseconds has seconds only.
func sameTime(a, b int64) bool {
	const second = 1e9
	if a%second == 0 || b%second == 0 {
		return a/second == b/second
	}
	return a == b
}

func (w *worktree) sameMode(e *indexEntry, mode fs.FileMode) bool {
	if e.kind() == fs.ModeSymlink {
		return mode&fs.ModeSymlink != 0
	}
	return mode.IsRegular() && (!w.fileMode || (e.mode == modeRun) == (mode&0o100 != 0))
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
func blobHash(file string, s tree.Stamp) (string, error) {
	var content io.Reader
	size := s.Size
	if s.Mode&fs.ModeSymlink != 0 {
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
