package nodes

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// saved is an image as the engine has saved it: its parts by digest. Layers that nobody lacks are not kept.
type saved struct {
	dir    string
	config []byte
	layers []string // diff IDs, from the bottom; they are the digests of the layers as they are, uncompressed
	sizes  map[string]int64
	blobs  map[string]blob // layers that are here
}

// blob is a file with its size.
type blob struct {
	file string
	size int64
}

func (s *saved) close() { _ = os.RemoveAll(s.dir) }

// read takes an image from the engine. What every node has is passed over: without being written down where its name in the
// stream is its digest, as newer engines have it.
func (l *Loader) read(ctx context.Context, ref string, needed func(digest string) bool) (*saved, error) {
	stream, err := l.Engine.Save(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	dir, err := os.MkdirTemp("", "skiff-load-")
	if err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	s := &saved{dir: dir, blobs: map[string]blob{}, sizes: map[string]int64{}}
	if err := s.take(stream, needed); err != nil {
		s.close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("read %s from the engine: %w", ref, err)
	}
	return s, nil
}

// take reads "docker save": files by any name, a list of them in manifest.json.
func (s *saved) take(stream io.Reader, needed func(string) bool) error {
	byName := map[string]string{} // digests
	small := map[string][]byte{}
	links := map[string]string{}
	r := tar.NewReader(stream)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		switch {
		case h.Typeflag == tar.TypeSymlink:
			links[name] = path.Join(path.Dir(name), h.Linkname)
		case h.Typeflag != tar.TypeReg:
		case strings.HasSuffix(name, ".json") || h.Size < maxSmall:
			// Configurations are small; a small layer is kept in both ways, because its name does not tell what it is.
			data, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			small[name] = data
			if byName[name], err = s.keep(bytes.NewReader(data), int64(len(data)), needed); err != nil {
				return err
			}
		default:
			if hex, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && !needed("sha256:"+hex) {
				byName[name], s.sizes["sha256:"+hex] = "sha256:"+hex, h.Size
				continue
			}
			if byName[name], err = s.keep(r, h.Size, needed); err != nil {
				return err
			}
		}
	}
	return s.understand(small, byName, links)
}

// maxSmall is the size up to which a file of the stream may be a configuration.
const maxSmall = 1 << 20

// keep writes a file down under its digest, if a node needs it.
func (s *saved) keep(r io.Reader, size int64, needed func(string) bool) (string, error) {
	f, err := os.CreateTemp(s.dir, "blob-")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), r)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", err
	}
	digest := "sha256:" + hex.EncodeToString(h.Sum(nil))
	s.sizes[digest] = size
	if _, have := s.blobs[digest]; have || !needed(digest) {
		return digest, os.Remove(f.Name())
	}
	s.blobs[digest] = blob{f.Name(), size}
	return digest, nil
}

// understand finds configuration and layers by the list.
func (s *saved) understand(small map[string][]byte, byName, links map[string]string) error {
	var list []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(small["manifest.json"], &list); err != nil || len(list) != 1 {
		return fmt.Errorf("its list of contents names %d images (%w)", len(list), err)
	}
	s.config = small[path.Clean(list[0].Config)]
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(s.config, &config); err != nil {
		return fmt.Errorf("its configuration: %w", err)
	}
	for _, name := range list[0].Layers {
		name = path.Clean(name)
		if to, ok := links[name]; ok {
			name = to
		}
		digest, ok := byName[name]
		if !ok {
			return fmt.Errorf("its layer %s is missing", name)
		}
		s.layers = append(s.layers, digest)
	}
	if strings.Join(s.layers, " ") != strings.Join(config.RootFS.DiffIDs, " ") {
		return errors.New("its layers are not those of its configuration")
	}
	return nil
}

// descriptor is one of the OCI image specification.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// write makes an OCI layout of the image without the layers that the node has, and says how many were sent.
func (s *saved) write(w io.Writer, name string, has map[string]bool) (layers int, size int64, err error) {
	var list []descriptor
	for _, digest := range s.layers {
		list = append(list, descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: digest, Size: s.sizes[digest]})
	}
	config := descriptor{MediaType: "application/vnd.oci.image.config.v1+json", Digest: digestOf(s.config), Size: int64(len(s.config))}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": list,
	})
	if err != nil {
		return 0, 0, err
	}
	root := descriptor{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: digestOf(manifest), Size: int64(len(manifest))}
	root.Annotations = map[string]string{"io.containerd.image.name": name}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{root}})
	if err != nil {
		return 0, 0, err
	}
	t := tar.NewWriter(w)
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{blobPath(root.Digest), manifest}, {blobPath(config.Digest), s.config}, {"index.json", index},
	} {
		if err := addFile(t, f.name, bytes.NewReader(f.data), int64(len(f.data))); err != nil {
			return layers, size, err
		}
	}
	sent := map[string]bool{}
	for _, digest := range s.layers {
		if has[digest] || sent[digest] {
			continue
		}
		sent[digest] = true
		if err := s.addLayer(t, digest); err != nil {
			return layers, size, err
		}
		layers, size = layers+1, size+s.blobs[digest].size
	}
	return layers, size, t.Close()
}

func (s *saved) addLayer(t *tar.Writer, digest string) error {
	b := s.blobs[digest]
	f, err := os.Open(b.file)
	if err != nil {
		return err
	}
	defer f.Close()
	return addFile(t, blobPath(digest), f, b.size)
}

func addFile(t *tar.Writer, name string, r io.Reader, size int64) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(t, r)
	return err
}

func blobPath(digest string) string {
	return filepath.ToSlash(path.Join("blobs", strings.Replace(digest, ":", "/", 1)))
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
