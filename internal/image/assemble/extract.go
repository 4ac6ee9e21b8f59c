package assemble

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// extract brings the contents of files that come from layers of other images to this machine.
func (b *Builder) extract(ctx context.Context, nodes []*node) error {
	wanted := map[string]map[string]string{} // by layer: path -> digest
	layers := map[string]*layer{}
	for _, n := range nodes {
		l := n.from.layer
		if !n.isFile() || l == nil {
			continue
		}
		at := filepath.Join(b.o.Dir, "files", n.Digest)
		path := n.from.path
		n.from = content{file: at}
		if _, err := os.Stat(at); err == nil {
			continue
		}
		if wanted[l.Digest] == nil {
			wanted[l.Digest], layers[l.Digest] = map[string]string{}, l
		}
		wanted[l.Digest][path] = at
	}
	for digest, files := range wanted {
		if err := b.extractFrom(ctx, layers[digest], files); err != nil {
			return fmt.Errorf("read layer %s of %s: %w", digest, layers[digest].Repository, err)
		}
	}
	return nil
}

func (b *Builder) extractFrom(ctx context.Context, l *layer, files map[string]string) error {
	rc, err := b.o.Registry.Layer(ctx, l.Repository, l.Digest)
	if err != nil {
		return err
	}
	defer rc.Close()
	plain, err := decompress(rc)
	if err != nil {
		return err
	}
	for t := tar.NewReader(plain); len(files) > 0; {
		h, err := t.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		at, ok := files[inside(h.Name)]
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		delete(files, inside(h.Name))
		if err := writeFile(at, t); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file at once, so that no reader sees half of it.
func writeFile(at string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(at), "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, r)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), at)
}
