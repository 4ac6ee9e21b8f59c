package assemble

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/skiff-dev/skiff/internal/image"
)

// packed is a layer that was made here, ready to be sent.
type packed struct {
	layer
	blob  image.Blob
	plain int64 // bytes before compression
	close func()
}

// maxInMemory is up to which size a layer is packed in memory.
const maxInMemory = 32 << 20

// pack makes the archive of a layer. It fails with errMoved when a file is not what its node says any more.
func pack(ctx context.Context, nodes []*node, mediaType string) (*packed, error) {
	var total int64
	for _, n := range nodes {
		total += n.Size
	}
	p := &packed{close: func() {}}
	var store interface {
		io.Writer
	}
	var memory bytes.Buffer
	var file *os.File
	store = &memory
	if total > maxInMemory {
		f, err := os.CreateTemp("", "skiff-layer-")
		if err != nil {
			return nil, err
		}
		// The open file is all that is needed of it; where it cannot be unlinked yet, it is when it is closed.
		file, store = f, f
		p.close = func() { f.Close(); os.Remove(f.Name()) }
	}
	stored, plain := &counter{hash: sha256.New(), to: store}, &counter{hash: sha256.New()}
	z, err := gzip.NewWriterLevel(stored, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	plain.to = z
	if err := archive(ctx, nodes, plain); err != nil {
		p.close()
		return nil, err
	}
	if err := z.Close(); err != nil {
		p.close()
		return nil, err
	}
	p.layer = layer{Digest: stored.digest(), DiffID: plain.digest(), Size: stored.n, MediaType: mediaType}
	p.plain = plain.n
	p.layer.files = (&listing{Nodes: nodes}).index(nil)
	p.blob = image.BlobOf(p.layer.Digest, memory.Bytes())
	if file != nil {
		p.blob = image.Blob{Digest: p.layer.Digest, Size: stored.n, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(file, 0, stored.n)), nil
		}}
	}
	return p, nil
}

// counter counts and digests what passes.
type counter struct {
	hash hash.Hash
	to   io.Writer
	n    int64
}

func (c *counter) Write(b []byte) (int, error) {
	c.hash.Write(b)
	c.n += int64(len(b))
	return c.to.Write(b)
}

func (c *counter) digest() string { return "sha256:" + hex.EncodeToString(c.hash.Sum(nil)) }

// errMoved is a file that was changed while the image was made from it.
var errMoved = errors.New("it changed while the image was assembled")

func archive(ctx context.Context, nodes []*node, w io.Writer) error {
	t := tar.NewWriter(w)
	written := map[string]string{}
	for _, n := range nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n.Mode&fs.ModeSocket != 0 {
			continue // an archive cannot hold it
		}
		h, err := header(n, written)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("/%s: %w", n.Path, err)
		}
		if h.Typeflag == tar.TypeReg {
			if err := n.write(t); err != nil {
				return fmt.Errorf("/%s: %w", n.Path, err)
			}
		}
	}
	return t.Close()
}

// header is a node as an archive has it; of hard links the first one holds the contents.
func header(n *node, written map[string]string) (*tar.Header, error) {
	h, err := tar.FileInfoHeader(info{n}, n.Link)
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", n.Path, err)
	}
	h.Name, h.Uid, h.Gid, h.Format, h.ModTime = n.Path, n.UID, n.GID, tar.FormatPAX, second(n.Time)
	h.Devmajor, h.Devminor = n.Dev[0], n.Dev[1]
	if n.isDir() {
		h.Name += "/"
	}
	if n.Inode != "" && n.isFile() {
		if first, ok := written[n.Inode]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		} else {
			written[n.Inode] = n.Path
		}
	}
	for key, value := range n.Xattrs {
		if !inLayers(key) {
			continue
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+key] = value
	}
	return h, nil
}

// inLayers says whether layers hold an extended attribute; the others belong to the machine that they were read on.
func inLayers(key string) bool { return key == "security.capability" }

// write copies the contents, and makes sure that they are what the node says.
func (n *node) write(w io.Writer) error {
	var r io.Reader
	switch {
	case n.from.data != nil || n.from.file == "" && n.from.layer == nil:
		r = bytes.NewReader(n.from.data)
	case n.from.file != "":
		f, err := os.Open(n.from.file)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
	default:
		return errors.New("its contents are in a layer that was not read")
	}
	sum := sha256.New()
	size, err := io.CopyN(io.MultiWriter(w, sum), r, n.Size)
	if errors.Is(err, io.EOF) || err == nil && (size != n.Size || hex.EncodeToString(sum.Sum(nil)) != n.Digest) {
		return errMoved
	}
	return err
}

// info makes a node look like what a file system says of a file.
type info struct{ *node }

func (i info) Name() string       { _, name := split(i.Path); return name }
func (i info) Size() int64        { return i.node.Size }
func (i info) Mode() fs.FileMode  { return i.node.Mode }
func (i info) ModTime() time.Time { return i.Time }
func (i info) IsDir() bool        { return i.node.isDir() }
func (i info) Sys() any           { return nil }
