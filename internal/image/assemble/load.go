package assemble

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/image"
)

// maxSaved is how large an image may be to be read out of the engine, which takes longer than most builds.
const maxSaved = 64 << 20

// load puts a draft into the engine: its configuration and the layers that the engine lacks.
func (b *Builder) load(ctx context.Context, r image.Request, name string, d *draft) (image.Result, error) {
	if _, err := d.write(d.record.when()); err != nil {
		return image.Result{}, err
	}
	id := image.Sum(d.config)
	ref := image.ByID(r.Ref, id)
	stream, w := io.Pipe()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := b.writeSaved(gctx, w, d, []string{ref, r.Ref})
		w.CloseWithError(err)
		return err
	})
	g.Go(func() error {
		err := b.o.Engine.Load(gctx, stream)
		stream.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		return err
	})
	if err := g.Wait(); err != nil {
		return image.Result{}, err
	}
	im, err := b.o.Engine.Inspect(ctx, ref)
	if err != nil {
		return image.Result{}, err
	}
	if im.ID != id {
		return image.Result{}, &uncertain{"the engine names loaded images in a way that is not known here"}
	}
	d.seen.Config = d.config
	d.record.Digest, d.record.ID = "", id
	b.keep(name, d.record)
	return image.Result{Image: r.Artifact.Image, Ref: ref, ID: id, WorkDir: d.record.WorkDir, How: how(len(d.fresh), len(d.layers))}, nil
}

// writeSaved writes an image as "docker save" does, without the layers that the engine has.
func (b *Builder) writeSaved(ctx context.Context, w io.Writer, d *draft, tags []string) error {
	t := tar.NewWriter(w)
	fresh := map[string]image.Blob{}
	for _, p := range d.fresh {
		fresh[p.DiffID] = p.blob
	}
	if d.base != nil && !d.base.inEngine {
		for _, l := range d.base.seen.Layers {
			fresh[l.DiffID] = image.Blob{Digest: l.Digest, Size: l.Size, Open: func() (io.ReadCloser, error) {
				return b.o.Registry.Layer(ctx, l.Repository, l.Digest)
			}}
		}
	}
	entry := map[string]any{"RepoTags": tags}
	var names []string
	for _, l := range d.layers {
		name := strings.TrimPrefix(l.DiffID, "sha256:") + "/layer.tar"
		names = append(names, name)
		blob, new := fresh[l.DiffID]
		if !new {
			continue
		}
		delete(fresh, l.DiffID)
		if err := writeBlob(t, name, blob); err != nil {
			return err
		}
	}
	conf := strings.TrimPrefix(image.Sum(d.config), "sha256:") + ".json"
	entry["Config"], entry["Layers"] = conf, names
	manifest, err := json.Marshal([]any{entry})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{conf, d.config}, {"manifest.json", manifest}} {
		if err := writeBlob(t, f.name, image.BlobOf("", f.data)); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeBlob(t *tar.Writer, name string, blob image.Blob) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: blob.Size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	rc, err := blob.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	_, err = io.Copy(t, rc)
	return err
}

// saved reads an image out of the engine: its configuration, and what its layers hold.
func (b *Builder) saved(ctx context.Context, id string) (*seen, error) {
	im, err := b.o.Engine.Inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	if im.Size > maxSaved {
		return nil, &uncertain{fmt.Sprintf("the image before is too large (%d MB) to be read out of the engine", im.Size>>20)}
	}
	stream, err := b.o.Engine.Save(ctx, id)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	return b.readSaved(stream)
}

// archived is the files of an image as it was saved.
type archived struct {
	small    map[string][]byte
	listings map[string]*listing
	links    map[string]string
}

func (b *Builder) readSaved(r io.Reader) (*seen, error) {
	a := archived{small: map[string][]byte{}, listings: map[string]*listing{}, links: map[string]string{}}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := a.take(h, t); err != nil {
			return nil, err
		}
	}
	var manifest []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(a.small["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		return nil, &uncertain{"the engine saves images in a way that is not known here"}
	}
	m := &image.Manifest{Config: a.small[manifest[0].Config]}
	var conf struct {
		RootFS struct {
			Diffs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(m.Config, &conf); err != nil || len(conf.RootFS.Diffs) != len(manifest[0].Layers) {
		return nil, &uncertain{"the engine saves images in a way that is not known here"}
	}
	s := &seen{Config: m.Config}
	for i, name := range manifest[0].Layers {
		for hops := 0; a.links[name] != "" && hops < 9; hops++ {
			name = a.links[name]
		}
		files := a.listings[name]
		if files == nil {
			return nil, &uncertain{"the engine saves images in a way that is not known here"}
		}
		diff := conf.RootFS.Diffs[i]
		b.shelf.put(diff, files)
		s.Layers = append(s.Layers, &layer{Digest: diff, DiffID: diff})
	}
	return s, nil
}

func (a archived) take(h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	switch {
	case h.Typeflag == tar.TypeSymlink:
		a.links[name] = path.Join(path.Dir(name), h.Linkname)
	case h.Typeflag != tar.TypeReg:
	case h.Size < 1<<20 && !strings.HasSuffix(name, "layer.tar"):
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		a.small[name] = data
		if !json.Valid(data) {
			if l, err := list(bytes.NewReader(data), nil); err == nil {
				a.listings[name] = l
			}
		}
	default:
		l, err := list(r, nil)
		if err != nil {
			return err
		}
		a.listings[name] = l
	}
	return nil
}
