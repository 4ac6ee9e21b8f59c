package filesync

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
)

// batch is a set of operations as one container will get it.
type batch struct {
	copied  []string // paths in the container
	deleted []string // paths in the container
	tar     []byte   // empty: nothing to copy
	bytes   int64    // of the files, without tar's own
}

// removals is what goes before the files come: what is deleted, and a folder that held some of it and is a file now, which no tar
// puts in a folder's place.
func (b batch) removals() []string {
	all := slices.Clone(b.deleted)
	for _, file := range b.copied {
		if slices.ContainsFunc(b.deleted, func(gone string) bool { return strings.HasPrefix(gone, file+"/") }) {
			all = append(all, file)
		}
	}
	return all
}

func (b batch) empty() bool { return len(b.copied) == 0 && len(b.deleted) == 0 }

// pack reads the files as they are now: whatever a notification said, the working tree is what counts.
func pack(ops []Op) (batch, error) {
	ops = append([]Op(nil), ops...)
	sort.Slice(ops, func(i, j int) bool { return ops[i].Remote < ops[j].Remote })
	var b batch
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, op := range ops {
		n, err := add(w, op)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			// A copy whose file vanished is half of a rename: its own notification says what becomes of it.
			if op.Delete {
				b.deleted = append(b.deleted, op.Remote)
			}
		case errors.Is(err, errNoFile):
		case err != nil:
			return batch{}, fmt.Errorf("read %s: %w", op.Local, err)
		default:
			b.copied = append(b.copied, op.Remote)
			b.bytes += n
		}
	}
	if len(b.copied) == 0 {
		return b, nil
	}
	if err := w.Close(); err != nil {
		return batch{}, err
	}
	b.tar = buf.Bytes()
	return b, nil
}

// errNoFile marks what cannot be sent and is no fault: folders come with their files, sockets and pipes never.
var errNoFile = errors.New("neither a file nor a symlink")

func add(w *tar.Writer, op Op) (int64, error) {
	info, err := os.Lstat(op.Local)
	if err != nil {
		return 0, ignoreNotDir(err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := os.Readlink(op.Local)
		if err != nil {
			return 0, err
		}
		if inside(op, link) {
			return 0, w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name(op), Linkname: link, Mode: 0o777, Format: tar.FormatGNU})
		}
	}
	info, data, err := read(op.Local)
	if err != nil {
		return 0, err
	}
	// GNU's format is the one that both GNU tar and BusyBox read when a name is long.
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name(op), Size: int64(len(data)), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatGNU}
	if err := w.WriteHeader(h); err != nil {
		return 0, err
	}
	n, err := w.Write(data)
	return int64(n), err
}

func name(op Op) string { return strings.TrimLeft(op.Remote, "/") }

// ignoreNotDir treats a path below what has become a file like one that is gone.
func ignoreNotDir(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fs.ErrNotExist
	}
	return err
}

// inside says whether a link leads to a place in the context, so that it means the same in the container. An absolute one
// never does.
func inside(op Op, link string) bool {
	if filepath.IsAbs(link) || op.Root == "" {
		return false
	}
	rel, err := filepath.Rel(op.Root, filepath.Join(filepath.Dir(op.Local), link))
	return err == nil && rel != ".." && !strings.HasPrefix(filepath.ToSlash(rel), "../")
}

// readTries is how often a file that is being written is read again before it is sent as it is; the end of the writing
// brings a notification of its own.
const readTries = 3

func read(file string) (fs.FileInfo, []byte, error) {
	for try := 1; ; try++ {
		info, data, stable, err := readOnce(file)
		if err != nil || stable || try == readTries {
			return info, data, err
		}
	}
}

func readOnce(file string) (info fs.FileInfo, data []byte, stable bool, err error) {
	// A named pipe would block the open.
	if info, err = os.Stat(file); err != nil {
		return nil, nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, false, errNoFile
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, false, err
	}
	defer f.Close()
	data = make([]byte, 0, info.Size()+1)
	buf := bytes.NewBuffer(data)
	if _, err := io.Copy(buf, f); err != nil {
		return nil, nil, false, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, nil, false, err
	}
	stable = after.Size() == int64(buf.Len()) && after.ModTime().Equal(info.ModTime())
	return after, buf.Bytes(), stable, nil
}
