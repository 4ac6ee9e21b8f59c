package assemble

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// layer is one layer of an image in a registry.
type layer struct {
	Digest     string `json:"digest"`
	DiffID     string `json:"diffID"`
	Size       int64  `json:"size"` // as it is stored
	MediaType  string `json:"mediaType"`
	Repository string `json:"repository"` // where it can be read

	files *listing // nil: not read yet
}

// listing is what a layer's archive holds.
type listing struct {
	Nodes  []*node  `json:"nodes"`
	Gone   []string `json:"gone,omitempty"`   // what it takes away from the layers below
	Opaque []string `json:"opaque,omitempty"` // folders of which it hides what the layers below have

	forest *forest
	gone   map[string]bool
	opaque map[string]bool
	made   map[string]bool // folders that were not there before, as is known of the step
}

func (l *listing) index(in *layer) *listing {
	l.forest, l.gone, l.opaque, l.made = newForest(), map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, n := range l.Nodes {
		l.forest.put(n)
		if in == nil || !n.isFile() {
			continue
		}
		n.from = content{layer: in, path: n.Path}
		if n.Inode != "" {
			n.from.path = n.Inode // the first of hard links holds the contents
		}
	}
	for _, p := range l.Gone {
		l.gone[p] = true
	}
	for _, p := range l.Opaque {
		l.opaque[p] = true
	}
	return l
}

// hides says whether nothing of the layers below is seen at a path that the layer itself does not have.
func (l *listing) hides(p string) bool {
	if l.gone[p] {
		return true
	}
	for dir, _ := split(p); ; dir, _ = split(dir) {
		if l.opaque[dir] || l.gone[dir] || l.made[dir] {
			return true
		}
		if n := l.forest.nodes[dir]; n != nil && !n.isDir() {
			return true
		}
		if dir == "" {
			return false
		}
	}
}

// stack is the layers of an image, the lowest first. They are read when a question gets to them.
type stack struct {
	layers []*layer
	read   func(l *layer) error
}

func (s *stack) stat(p string) (*node, error) {
	for i := len(s.layers) - 1; i >= 0; i-- {
		l := s.layers[i]
		if l.files == nil {
			if err := s.read(l); err != nil {
				return nil, err
			}
		}
		if n := l.files.forest.nodes[p]; n != nil && p != "" {
			return n, nil
		}
		if l.files.hides(p) {
			return nil, nil
		}
	}
	return nil, nil
}

// all is the whole image.
func (s *stack) all() (*forest, error) {
	f := newForest()
	for _, l := range s.layers {
		if l.files == nil {
			if err := s.read(l); err != nil {
				return nil, err
			}
		}
		for _, p := range l.files.Opaque {
			for _, name := range append([]string(nil), f.list(p)...) {
				f.cut(join(p, name))
			}
		}
		for _, p := range l.files.Gone {
			f.cut(p)
		}
		for _, n := range l.files.Nodes {
			if !n.isDir() {
				f.cut(n.Path)
			}
			f.put(n)
		}
	}
	return f, nil
}

// blobs reads layers of registries.
type blobs interface {
	Layer(ctx context.Context, repository, digest string) (io.ReadCloser, error)
}

// shelf keeps the listings of layers: what was read once is not read again.
type shelf struct {
	dir   string
	blobs blobs
	mu    sync.Mutex
	have  map[string]*listing // by digest of what is stored
}

// maxUnasked is how large a layer may be, as it is stored, to be read only to make sure of a rebuild.
const maxUnasked = 96 << 20

// get reads a layer, from the shelf or its registry.
func (s *shelf) get(ctx context.Context, l *layer, limit int64) error {
	s.mu.Lock()
	known := s.have[l.Digest]
	s.mu.Unlock()
	if known == nil {
		known = s.load(l)
	}
	if known == nil {
		if limit > 0 && l.Size > limit {
			return &uncertain{fmt.Sprintf("a layer of %d MB below is too large to look into", l.Size>>20)}
		}
		if l.Repository == "" {
			return &uncertain{"a layer below is in the engine only"}
		}
		rc, err := s.blobs.Layer(ctx, l.Repository, l.Digest)
		if err != nil {
			return err
		}
		known, err = list(rc, l)
		rc.Close()
		if err != nil {
			return fmt.Errorf("read layer %s of %s: %w", l.Digest, l.Repository, err)
		}
		s.save(l.Digest, known)
	}
	s.mu.Lock()
	s.have[l.Digest] = known
	s.mu.Unlock()
	l.files = known
	return nil
}

// put keeps a listing that was read otherwise.
func (s *shelf) put(digest string, l *listing) {
	s.mu.Lock()
	_, known := s.have[digest]
	s.have[digest] = l
	s.mu.Unlock()
	if !known {
		s.save(digest, l)
	}
}

func (s *shelf) file(digest string) string {
	return filepath.Join(s.dir, strings.TrimPrefix(digest, "sha256:")+".json.gz")
}

func (s *shelf) load(of *layer) *listing {
	f, err := os.Open(s.file(of.Digest))
	if err != nil {
		return nil
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil
	}
	l := &listing{}
	if json.NewDecoder(z).Decode(l) != nil {
		return nil
	}
	return l.index(of)
}

// save keeps a listing for later sessions; one that cannot be kept is read again.
func (s *shelf) save(digest string, l *listing) {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if json.NewEncoder(z).Encode(l) != nil || z.Close() != nil {
		return
	}
	_ = replace(s.file(digest), b.Bytes())
}

// replace writes a file at once, so that no reader sees half of it.
func replace(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// list reads the archive of a layer.
func list(r io.Reader, l *layer) (*listing, error) {
	plain, err := decompress(r)
	if err != nil {
		return nil, err
	}
	found := &listing{}
	t := tar.NewReader(plain)
	byPath := map[string]*node{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return found.index(l), nil
		}
		if err != nil {
			return nil, err
		}
		p := inside(h.Name)
		dir, name := split(p)
		switch {
		case p == "":
		case name == ".wh..wh..opq":
			found.Opaque = append(found.Opaque, dir)
		case strings.HasPrefix(name, ".wh."):
			found.Gone = append(found.Gone, join(dir, strings.TrimPrefix(name, ".wh.")))
		default:
			n, err := nodeOf(h, t, p)
			if err != nil {
				return nil, err
			}
			if h.Typeflag == tar.TypeLink {
				first := byPath[inside(h.Linkname)]
				if first == nil {
					return nil, fmt.Errorf("%s is a link of %s, which is not there", h.Name, h.Linkname)
				}
				if first.Inode == "" {
					first.Inode = first.Path
				}
				c := *first
				c.Path = p
				n = &c
			}
			byPath[p] = n
			found.Nodes = append(found.Nodes, n)
		}
	}
}

// kept are files whose contents decide about what steps do.
var kept = map[string]bool{"etc/passwd": true, "etc/group": true}

func nodeOf(h *tar.Header, r io.Reader, p string) (*node, error) {
	n := &node{Path: p, Mode: h.FileInfo().Mode(), UID: h.Uid, GID: h.Gid, Time: h.ModTime.UTC(), Dev: [2]int64{h.Devmajor, h.Devminor}}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrRecord); ok {
			if n.Xattrs == nil {
				n.Xattrs = map[string]string{}
			}
			n.Xattrs[name] = value
		}
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		n.Link = h.Linkname
		n.Mode = n.Mode&fs.ModePerm | fs.ModeSymlink
	case tar.TypeReg:
		n.Size = h.Size
		sum := sha256.New()
		if kept[p] && h.Size < 10<<20 {
			var err error
			if n.Text, err = io.ReadAll(io.TeeReader(r, sum)); err != nil {
				return nil, err
			}
		} else if _, err := io.Copy(sum, r); err != nil {
			return nil, err
		}
		n.Digest = hex.EncodeToString(sum.Sum(nil))
	}
	return n, nil
}

// xattrRecord is before the name of an extended attribute in an archive.
const xattrRecord = "SCHILY.xattr."

// decompress takes off what an archive is packed with.
func decompress(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return b, nil
}

// second is the precision of the times in a layer.
func second(t time.Time) time.Time { return t.Truncate(time.Second) }
