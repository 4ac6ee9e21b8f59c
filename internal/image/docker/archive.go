package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/skiff-dev/skiff/internal/tree"
)

// archive is a build context as the classic builder wants it: a tar stream.
type archive struct {
	context, dockerfile string
}

// stream is an archive while it is written. Close ends the writer and waits for it.
type stream struct {
	*io.PipeReader
	writer sync.WaitGroup
}

// Close stops the writing.
func (s *stream) Close() error {
	err := s.PipeReader.Close()
	s.writer.Wait()
	return err
}

// open starts to write the archive, and says by which name the Dockerfile is in it.
func (a archive) open(ctx context.Context) (io.ReadCloser, string, error) {
	ignore, err := readIgnore(ignoreFile(a.context, a.dockerfile))
	if err != nil {
		return nil, "", fmt.Errorf("ignore file of the build context: %w", err)
	}
	name, extra, err := a.place(ignore)
	if err != nil {
		return nil, "", err
	}
	r, w := io.Pipe()
	s := &stream{PipeReader: r}
	s.writer.Go(func() { w.CloseWithError(a.write(ctx, w, ignore, extra)) })
	return s, name, nil
}

// place finds the Dockerfile's name in the archive. One that lies outside the context, or is ignored in it, comes along under
// another name, together with an ignore file that takes it away again once the engine has read it.
func (a archive) place(ignore *ignoreRules) (name string, extra map[string][]byte, err error) {
	rel, err := filepath.Rel(a.context, a.dockerfile)
	rel = filepath.ToSlash(rel)
	if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") && !ignore.Match(rel) {
		return rel, nil, nil
	}
	data, err := os.ReadFile(a.dockerfile)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(data)
	name = ".dockerfile." + hex.EncodeToString(sum[:8])
	rules, err := os.ReadFile(ignoreFile(a.context, a.dockerfile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	rules = append(bytes.TrimRight(rules, "\n"), "\n"+name+"\n"...)
	if ignore.Match(".dockerignore") || !exists(filepath.Join(a.context, ".dockerignore")) {
		rules = append(rules, ".dockerignore\n"...)
	}
	return name, map[string][]byte{name: data, ".dockerignore": rules}, nil
}

// write sends the context without what is ignored; extra files take the place of those of the same name.
func (a archive) write(ctx context.Context, w io.Writer, ignore *ignoreRules, extra map[string][]byte) error {
	t := tar.NewWriter(w)
	for _, name := range sorted(extra) {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(extra[name]))}); err != nil {
			return err
		}
		if _, err := t.Write(extra[name]); err != nil {
			return err
		}
	}
	err := tree.Walk(ctx, a.context, func(rel string, _ fs.DirEntry) bool { return ignore.Skip(rel) }, func(rel string, d fs.DirEntry) error {
		if _, replaced := extra[rel]; replaced || ignore.Match(rel) && !d.IsDir() {
			return nil
		}
		return add(t, filepath.Join(a.context, filepath.FromSlash(rel)), rel)
	})
	if err != nil {
		return err
	}
	return t.Close()
}

// add writes one entry. Its owner is root, as it is in the image, whoever owns the file here.
func add(t *tar.Writer, file, name string) error {
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) != 0 {
		return nil
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = name, 0, 0, "", ""
	h.Format = tar.FormatPAX
	if info.IsDir() {
		h.Name += "/"
	}
	if !info.Mode().IsRegular() {
		return t.WriteHeader(h)
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	return copyExactly(t, f, h.Size)
}

// copyExactly keeps the archive whole when a file changes while it is read: the next build sends it again in any case.
func copyExactly(w io.Writer, f io.Reader, size int64) error {
	n, err := io.CopyN(w, f, size)
	if errors.Is(err, io.EOF) {
		_, err = io.CopyN(w, zeros{}, size-n)
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
