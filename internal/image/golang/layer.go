package golang

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/skiff-dev/skiff/internal/tree"
)

// layer is a tar archive that is not written anywhere: its headers are in memory, its contents in the files themselves. Only a
// compressed one is kept, because its digest asks for the work.
type layer struct {
	parts          []part
	media          types.MediaType
	diffID, digest v1.Hash
	size           int64
	packed         []byte // compressed; nil: it is stored as it is
}

// part is one stretch of an archive.
type part struct {
	bytes []byte
	file  string // its contents follow the bytes
	size  int64
}

// archive collects parts.
type archive struct {
	parts []part
	when  time.Time
}

func (a *archive) add(h tar.Header, file string) error {
	h.ModTime, h.Format = a.when, tar.FormatPAX
	var head bytes.Buffer
	if n := len(a.parts); n > 0 && a.parts[n-1].size%512 != 0 {
		head.Write(make([]byte, 512-a.parts[n-1].size%512))
	}
	if err := tar.NewWriter(&head).WriteHeader(&h); err != nil {
		return fmt.Errorf("layer entry %s: %w", h.Name, err)
	}
	a.parts = append(a.parts, part{head.Bytes(), file, h.Size})
	return nil
}

func (a *archive) folder(name string) error {
	return a.add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o555}, "")
}

// layer closes the archive and works out its digests.
func (a *archive) layer(media types.MediaType) (*layer, error) {
	end := 1024
	if n := len(a.parts); n > 0 && a.parts[n-1].size%512 != 0 {
		end += int(512 - a.parts[n-1].size%512)
	}
	l := &layer{parts: append(a.parts, part{bytes: make([]byte, end)}), media: media}
	plain := sha256.New()
	if media == types.DockerUncompressedLayer || media == types.OCIUncompressedLayer {
		n, err := io.Copy(plain, l.plain())
		l.diffID, l.size = sum(plain), n
		l.digest = l.diffID
		return l, err
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.MultiWriter(plain, zip), l.plain()); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	stored := sha256.New()
	stored.Write(packed.Bytes())
	l.packed, l.size = packed.Bytes(), int64(packed.Len())
	l.diffID, l.digest = sum(plain), sum(stored)
	return l, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

func (l *layer) plain() io.ReadCloser { return &reader{parts: l.parts} }

// reader reads the parts of an archive one after the other.
type reader struct {
	parts []part
	head  *bytes.Reader
	file  *os.File
	left  int64
}

// Read is the next piece.
func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.head != nil && r.head.Len() > 0 {
			return r.head.Read(p)
		}
		if r.file != nil {
			if n, err := r.content(p); n > 0 || err != nil {
				return n, err
			}
		}
		if len(r.parts) == 0 {
			return 0, io.EOF
		}
		next := r.parts[0]
		r.parts, r.head = r.parts[1:], bytes.NewReader(next.bytes)
		if next.file != "" {
			f, err := os.Open(next.file)
			if err != nil {
				return 0, err
			}
			r.file, r.left = f, next.size
		}
	}
}

// content reads on in the file of the current part.
func (r *reader) content(p []byte) (int, error) {
	if r.left == 0 {
		err := r.file.Close()
		r.file = nil
		return 0, err
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.file.Read(p)
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		return n, fmt.Errorf("%s became shorter while it was read", r.file.Name())
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// Close lets the open file go.
func (r *reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Digest is that of the layer as it is stored.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is that of the archive.
func (l *layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size is that of the layer as it is stored.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType says whether it is compressed.
func (l *layer) MediaType() (types.MediaType, error) { return l.media, nil }

// Uncompressed is the archive.
func (l *layer) Uncompressed() (io.ReadCloser, error) { return l.plain(), nil }

// Compressed is the layer as it is stored.
func (l *layer) Compressed() (io.ReadCloser, error) {
	if l.packed == nil {
		return l.plain(), nil
	}
	return io.NopCloser(bytes.NewReader(l.packed)), nil
}

// programLayer holds the program.
func programLayer(program string, media types.MediaType) (*layer, error) {
	info, err := os.Stat(program)
	if err != nil {
		return nil, fmt.Errorf("what go build made: %w", err)
	}
	a := &archive{when: epoch(nil, "")}
	folder := strings.TrimPrefix(appFolder, "/")
	if err := a.folder(folder); err != nil {
		return nil, err
	}
	h := tar.Header{Typeflag: tar.TypeReg, Name: path.Join(folder, filepath.Base(program)), Mode: 0o555, Size: info.Size()}
	if err := a.add(h, program); err != nil {
		return nil, err
	}
	return a.layer(media)
}

// dataState is the layer of a kodata folder, and the stamps of the files that it holds.
type dataState struct {
	state string
	layer *layer
}

// dataLayer holds the files of kodata; what links lead to is in it as files. As long as no file changes it is the same layer.
func (b *Builder) dataLayer(dir string, media types.MediaType) (*layer, error) {
	a := &archive{when: epoch(b.o.Environ, "KO_DATA_DATE_EPOCH")}
	at := ""
	for part := range strings.SplitSeq(strings.TrimPrefix(dataFolder, "/"), "/") {
		at = path.Join(at, part)
		if err := a.folder(at); err != nil {
			return nil, err
		}
	}
	var state strings.Builder
	if err := a.below(dir, at, &state, 0); err != nil {
		return nil, fmt.Errorf("kodata: %w", err)
	}
	key := fmt.Sprint(dir, media, a.when)
	b.mu.Lock()
	known := b.data[key]
	b.mu.Unlock()
	if known.layer != nil && known.state == state.String() {
		return known.layer, nil
	}
	l, err := a.layer(media)
	if err != nil {
		return nil, fmt.Errorf("kodata: %w", err)
	}
	b.mu.Lock()
	b.data[key] = dataState{state.String(), l}
	b.mu.Unlock()
	return l, nil
}

// deepest is how many folders may lie in each other: a link that leads to a folder above itself has no end.
const deepest = 64

func (a *archive) below(dir, name string, state *strings.Builder, depth int) error {
	entries, err := os.ReadDir(dir)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if depth > deepest {
		return fmt.Errorf("%s: a link leads to a folder above it", dir)
	}
	for _, e := range entries {
		from, to := filepath.Join(dir, e.Name()), path.Join(name, e.Name())
		if e.Name() == ".git" {
			continue
		}
		info, err := os.Stat(from)
		if err != nil {
			return err
		}
		fmt.Fprintf(state, "%q %+v\n", to, tree.StampOf(info))
		switch {
		case info.IsDir():
			if err = a.folder(to); err == nil {
				err = a.below(from, to, state, depth+1)
			}
		case info.Mode().IsRegular():
			err = a.add(tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: int64(0o444 | info.Mode()&fs.FileMode(0o111)), Size: info.Size()}, from)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
