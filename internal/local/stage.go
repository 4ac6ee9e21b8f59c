package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/skiff-dev/skiff/internal/tree"
)

// eachFile calls fn for every file that the Dockerfile copies: where it is, and where in the image it goes. A later step wins.
func eachFile(ctx context.Context, img Image, ignore *tree.Ignore, fn func(source, dest string) error) error {
	for _, c := range img.Copies {
		source := filepath.Join(img.Context, filepath.FromSlash(c.Src))
		switch {
		case c.Wild:
			found, err := filepath.Glob(source)
			if err != nil {
				return err
			}
			for _, file := range found {
				if err := eachBelow(ctx, img, ignore, file, path.Join(c.Dest, filepath.Base(file)), fn); err != nil {
					return err
				}
			}
		default:
			if err := eachBelow(ctx, img, ignore, source, c.Dest, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

func eachBelow(ctx context.Context, img Image, ignore *tree.Ignore, source, dest string, fn func(source, dest string) error) error {
	info, err := os.Stat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !info.IsDir() {
		return errors.Join(err, fn(source, dest))
	}
	prefix, err := filepath.Rel(img.Context, source)
	if err != nil {
		return err
	}
	full := func(rel string) string { return path.Join(filepath.ToSlash(prefix), rel) }
	return tree.Walk(ctx, source, func(rel string, _ fs.DirEntry) bool { return ignore.Skip(full(rel)) }, func(rel string, d fs.DirEntry) error {
		if d.IsDir() || ignore.Match(full(rel)) {
			return nil
		}
		return fn(filepath.Join(source, filepath.FromSlash(rel)), path.Join(dest, rel))
	})
}

// stageAll makes a folder equal to what the Dockerfile copies. What the process itself wrote there stays, unless it was copied before.
// Files are copied, not linked: a process that writes to its files must not write to the sources.
func stageAll(ctx context.Context, img Image, dir string, ignore *tree.Ignore) error {
	wanted := map[string]string{}
	err := eachFile(ctx, img, ignore, func(source, dest string) error {
		wanted[filepath.Join(dir, filepath.FromSlash(dest))] = source
		return nil
	})
	if err != nil {
		return err
	}
	list := filepath.Join(dir, ".skiff-staged")
	before, _ := os.ReadFile(list) // a stage without a list is a new one
	for line := range strings.Lines(string(before)) {
		file := strings.TrimSuffix(line, "\n")
		if _, still := wanted[file]; !still && strings.HasPrefix(file, dir) {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	var names strings.Builder
	for file, source := range wanted {
		names.WriteString(file + "\n")
		if err := copyFile(source, file); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(img.Dir)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(list, []byte(names.String()), 0o644)
}

// copyFile makes dest equal to source, if it is not: the same size and time are taken for the same file.
func copyFile(source, dest string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	if old, err := os.Stat(dest); err == nil && old.Size() == info.Size() && old.ModTime().Equal(info.ModTime()) && old.Mode() == info.Mode() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	// A new file under another name, put in place at once: a process that reads it sees the old one or the new one.
	out, err := os.CreateTemp(filepath.Dir(dest), ".skiff-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Chmod(info.Mode().Perm()), out.Close())
	if err == nil {
		err = errors.Join(os.Chtimes(out.Name(), info.ModTime(), info.ModTime()), os.Rename(out.Name(), dest))
	}
	if err != nil {
		_ = os.Remove(out.Name())
	}
	return err
}
