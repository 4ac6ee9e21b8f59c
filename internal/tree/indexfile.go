package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// The file: magic, the entries in the order of their paths, and the sha256 of all before it. Of each path only what
// differs from the one before is written, which is most of the size of a deep tree.
const magic = "skiff index 1\n"

var errSpoiled = errors.New("not an index")

// Save writes the index to its file, whole or not at all, if anything changed since it was opened. Entries that were
// not used for a month are left out; those that another process saved meanwhile are kept.
func (x *Index) Save() error {
	if x.file == "" {
		return nil
	}
	x.saving.Lock()
	defer x.saving.Unlock()
	entries, ok := x.snapshot()
	if !ok {
		return nil
	}
	if others, stamp, err := load(x.file); err == nil && stamp != x.saved {
		for path, e := range others {
			if mine, ok := entries[path]; !ok || mine.read < e.read {
				entries[path] = e
			}
		}
	}
	oldest := day(x.now().Add(-keep))
	maps.DeleteFunc(entries, func(_ string, e entry) bool { return e.used < oldest })
	if err := x.write(encode(entries)); err != nil {
		x.mu.Lock()
		x.dirty = true
		x.mu.Unlock()
		return fmt.Errorf("save index: %w", err)
	}
	return nil
}

func (x *Index) snapshot() (map[string]entry, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.dirty {
		return nil, false
	}
	x.dirty = false
	return maps.Clone(x.entries), true
}

func (x *Index) write(data []byte) (err error) {
	dir := filepath.Dir(x.file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(x.file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), x.file); err != nil {
		return err
	}
	if info, err := os.Stat(x.file); err == nil {
		x.saved = StampOf(info)
	}
	return nil
}

// load is the entries in file: none, without an error, when it is missing or spoiled.
func load(file string) (map[string]entry, Stamp, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Stamp{}, nil
	}
	if err != nil {
		return nil, Stamp{}, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, Stamp{}, err
	}
	entries, err := decode(data)
	if err != nil {
		return nil, Stamp{}, nil
	}
	return entries, StampOf(info), nil
}

func encode(entries map[string]entry) []byte {
	b := make([]byte, 0, len(magic)+len(entries)*96)
	b = append(b, magic...)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	last := ""
	for _, path := range slices.Sorted(maps.Keys(entries)) {
		e := entries[path]
		same := shared(last, path)
		last = path
		b = binary.AppendUvarint(b, uint64(same))
		b = binary.AppendUvarint(b, uint64(len(path)-same))
		b = append(b, path[same:]...)
		for _, n := range []int64{e.stamp.Size, e.stamp.Modified, e.stamp.Changed, e.read, e.used} {
			b = binary.AppendVarint(b, n)
		}
		b = binary.AppendUvarint(b, e.stamp.Inode)
		b = binary.AppendUvarint(b, uint64(e.stamp.Mode))
		b = append(b, e.digest[:]...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func shared(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func decode(data []byte) (map[string]entry, error) {
	body := len(data) - sha256.Size
	if body < len(magic) || string(data[:len(magic)]) != magic {
		return nil, errSpoiled
	}
	if sum := sha256.Sum256(data[:body]); !bytes.Equal(sum[:], data[body:]) {
		return nil, errSpoiled
	}
	r := &reader{data: data[len(magic):body]}
	count := r.unsigned()
	if count > uint64(len(data)) {
		return nil, errSpoiled
	}
	entries := make(map[string]entry, count)
	last := ""
	for range count {
		same := r.unsigned()
		if same > uint64(len(last)) {
			return nil, errSpoiled
		}
		path := last[:same] + string(r.take(r.unsigned()))
		last = path
		var e entry
		for _, n := range []*int64{&e.stamp.Size, &e.stamp.Modified, &e.stamp.Changed, &e.read, &e.used} {
			*n = r.signed()
		}
		e.stamp.Inode = r.unsigned()
		e.stamp.Mode = fs.FileMode(r.unsigned())
		copy(e.digest[:], r.take(sha256.Size))
		entries[path] = e
	}
	if r.bad {
		return nil, errSpoiled
	}
	return entries, nil
}

// reader takes values off data; bad once it was asked for more than there is.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) unsigned() uint64 {
	v, n := binary.Uvarint(r.data)
	r.advance(n)
	return v
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.data)
	r.advance(n)
	return v
}

func (r *reader) advance(n int) {
	if n <= 0 {
		r.bad, r.data = true, nil
		return
	}
	r.data = r.data[n:]
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.bad, r.data = true, nil
		return nil
	}
	v := r.data[:n]
	r.data = r.data[n:]
	return v
}
