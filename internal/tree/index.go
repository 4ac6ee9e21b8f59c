package tree

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slack is how much older than the moment of reading a file's times must be before they prove anything: FAT counts
	// in 2 s, HFS+ and some network file systems in 1 s, and a file server's clock is never quite ours.
	slack = 2 * time.Second
	// keep is how long an entry that nobody asks for stays in the file.
	keep = 30 * 24 * time.Hour
	// tries is how often a file that changes while it is read is read again.
	tries = 3
)

// Index remembers the digest of every file it was asked for, with the stamp that proves that the file is still the
// same, across runs. It is safe for concurrent use.
type Index struct {
	file    string
	now     func() time.Time
	buffers sync.Pool
	reads   atomic.Int64

	mu      sync.Mutex
	entries map[string]entry
	dirty   bool
	saving  sync.Mutex // one Save at a time
	saved   Stamp      // of the index file as we last read or wrote it
}

type entry struct {
	stamp  Stamp
	digest [sha256.Size]byte
	read   int64 // when the reading began, ns since 1970
	used   int64 // the day it was last asked for, counted from 1970
}

// trusted says whether the entry proves the digest of a file that has stamp s now. A file that was touched at about
// the time it was read may have been changed again since within one tick of the clock, with an equal stamp.
func (e entry) trusted(s Stamp) bool {
	return e.stamp == s && s.latest() < e.read-int64(slack)
}

// File is what is in a file.
type File struct {
	Digest string // sha256 in hex: of a file's bytes, of a link's target; of the kind, for what is neither
	Mode   fs.FileMode
	Size   int64
}

// OpenIndex is the index that file holds. A file that is missing or spoiled is an empty index; file may also be ""
// for an index that is never saved.
func OpenIndex(file string) (*Index, error) {
	x := &Index{file: file, now: time.Now, entries: map[string]entry{}}
	x.buffers.New = func() any { b := make([]byte, 64<<10); return &b }
	if file == "" {
		return x, nil
	}
	entries, stamp, err := load(file)
	if err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	if entries != nil {
		x.entries, x.saved = entries, stamp
	}
	return x, nil
}

// Digest is the digest of what is at path, as File has it. The path should be absolute and clean.
func (x *Index) Digest(path string) (string, error) {
	f, err := x.File(path)
	return f.Digest, err
}

// File is the digest, the mode and the size of what is at path. A symbolic link is not followed. Where the stamp
// proves that nothing changed, the file is not read.
func (x *Index) File(path string) (File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return File{}, err
	}
	return x.Stamped(path, StampOf(info))
}

// Stamped is File for a path whose stamp was taken a moment ago.
func (x *Index) Stamped(path string, s Stamp) (File, error) {
	if e, ok := x.find(path, s); ok {
		return fileOf(s, e.digest), nil
	}
	switch {
	case s.Mode.IsRegular():
		after, digest, err := x.read(path, path, sha256.New)
		return fileOf(after, digest), err
	case s.Mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return File{}, err
		}
		return fileOf(s, sha256.Sum256([]byte("link\x00"+target))), nil
	default:
		// To open a pipe or a device could block for good.
		return fileOf(s, sha256.Sum256([]byte("kind\x00"+s.Mode.Type().String()))), nil
	}
}

func fileOf(s Stamp, digest [sha256.Size]byte) File {
	return File{Digest: hex.EncodeToString(digest[:]), Mode: s.Mode, Size: s.Size}
}

func (x *Index) find(path string, s Stamp) (entry, bool) {
	today := day(x.now())
	x.mu.Lock()
	defer x.mu.Unlock()
	e, ok := x.entries[path]
	if !ok || !e.trusted(s) {
		return entry{}, false
	}
	if e.used != today {
		e.used = today
		x.entries[path] = e
		x.dirty = true
	}
	return e, true
}

func day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// MD5 is the digest of prefix and what the file at path holds, as Skaffold's tags have it. It is remembered as well as File's. Of what
// is no regular file it is the digest of prefix alone.
func (x *Index) MD5(path, prefix string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	s := StampOf(info)
	if !s.Mode.IsRegular() {
		sum := md5.Sum([]byte(prefix))
		return hex.EncodeToString(sum[:]), nil
	}
	name := path + "\x00" + prefix // a name that no file has
	e, ok := x.find(name, s)
	if !ok {
		_, e.digest, err = x.read(name, path, func() hash.Hash { h := md5.New(); h.Write([]byte(prefix)); return h })
	}
	return hex.EncodeToString(e.digest[:md5.Size]), err
}

// read hashes the file until it holds still, and remembers the digest, under a name, only then.
func (x *Index) read(name, path string, begin func() hash.Hash) (s Stamp, digest [sha256.Size]byte, err error) {
	for range tries {
		start := x.now()
		var before Stamp
		if before, s, digest, err = x.hash(path, begin()); err != nil {
			return s, digest, err
		}
		if before != s {
			continue
		}
		x.mu.Lock()
		x.entries[name] = entry{stamp: s, digest: digest, read: start.UnixNano(), used: day(start)}
		x.dirty = true
		x.mu.Unlock()
		break
	}
	return s, digest, nil
}

// Reads is how many files were read so far because nothing proved what they hold.
func (x *Index) Reads() int64 { return x.reads.Load() }

func (x *Index) hash(path string, h hash.Hash) (before, after Stamp, digest [sha256.Size]byte, err error) {
	x.reads.Add(1)
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return
	}
	before = StampOf(info)
	if err = x.copy(h, f); err != nil {
		err = fmt.Errorf("read %s: %w", path, err)
		return
	}
	if info, err = f.Stat(); err != nil {
		return
	}
	after = StampOf(info)
	h.Sum(digest[:0])
	return
}

// copy is io.Copy with a buffer that is used again: a tree has tens of thousands of small files.
func (x *Index) copy(h hash.Hash, f *os.File) error {
	buffer := x.buffers.Get().(*[]byte)
	defer x.buffers.Put(buffer)
	for {
		n, err := f.Read(*buffer)
		h.Write((*buffer)[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
