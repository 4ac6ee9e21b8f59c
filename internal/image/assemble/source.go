package assemble

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/skiff-dev/skiff/internal/image"
)

// readContext is the files of a build context as BuildKit's client sends them: without what is ignored, all of them root's. paths
// limits it to what steps may take, unless it is nil.
func readContext(ctx context.Context, dir string, ignore []string, paths []string, index image.Digester) (*forest, error) {
	files, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, fmt.Errorf("read the build context: %w", err)
	}
	filtered, err := fsutil.NewFilterFS(files, &fsutil.FilterOpt{ExcludePatterns: ignore})
	if err == nil && paths != nil {
		// In a second layer, as BuildKit does: links are followed among what is not ignored.
		filtered, err = fsutil.NewFilterFS(filtered, &fsutil.FilterOpt{FollowPaths: paths})
	}
	if err != nil {
		return nil, fmt.Errorf("read the build context: %w", err)
	}
	found := newForest()
	first := map[string]*node{}
	err = filtered.Walk(ctx, "/", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*fstypes.Stat)
		if !ok {
			return fmt.Errorf("read %s: no stat", path)
		}
		return take(found, first, dir, st, index)
	})
	if err != nil {
		return nil, fmt.Errorf("read the build context: %w", err)
	}
	return found, nil
}

// take makes a node of what the walk found.
func take(found *forest, first map[string]*node, dir string, st *fstypes.Stat, index image.Digester) error {
	n := &node{
		Path: filepath.ToSlash(st.Path), Mode: fs.FileMode(st.Mode), Size: st.Size, Time: time.Unix(0, st.ModTime).UTC(),
	}
	for key, value := range st.Xattrs {
		if n.Xattrs == nil {
			n.Xattrs = map[string]string{}
		}
		n.Xattrs[key] = string(value)
	}
	switch {
	case n.isFile() && st.Linkname != "":
		same := first[filepath.ToSlash(st.Linkname)]
		if same == nil {
			return &uncertain{fmt.Sprintf("%s is a hard link of a file that is left out", n.Path)}
		}
		if same.Inode == "" {
			same.Inode = same.Path
		}
		c := *same
		c.Path = n.Path
		n = &c
	case n.isFile():
		n.from.file = filepath.Join(dir, filepath.FromSlash(n.Path))
		f, err := index.File(n.from.file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		n.Digest, n.Size = f.Digest, f.Size
		first[n.Path] = n
	case n.isLink():
		n.Link = st.Linkname
	case n.Mode&fs.ModeDevice != 0:
		n.Dev = [2]int64{st.Devmajor, st.Devminor}
	}
	found.put(n)
	return nil
}

// readIgnore is the patterns of an ignore file; one that is not there has none.
func readIgnore(file string) ([]string, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ignorefile.ReadAll(f)
}

// narrow is the paths that limit a walk of the context; nil when all of it may be taken.
func narrow(paths map[string]bool, whole bool) []string {
	if whole {
		return nil
	}
	list := []string{}
	for _, p := range sortedKeys(paths) {
		list = append(list, strings.TrimSuffix(p, "/"))
	}
	return list
}
