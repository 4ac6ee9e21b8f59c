package tag

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// indexFile is git's index: which files it knows, what they hold, and what the disk said of them when git looked last.
type indexFile struct {
	entries []indexEntry
	written time.Time         // of the file: what is as new may have changed since
	trees   map[string]string // folder -> the tree that its entries make, where git knows
}

// indexEntry is one file of the index.
type indexEntry struct {
	name     string
	hash     string // 20 bytes
	mode     uint32
	size     uint32
	modified int64 // ns since 1970
	stage    int
	intent   bool // to be added: there is no content yet
	skip     bool // not in the working tree
}

const (
	entryHead = 62 // up to the name, without extended flags
	modeLink  = 0o120000
	modeFile  = 0o100000
	modeRun   = 0o100755
	modeRepo  = 0o160000
)

// readIndex reads an index of version 2, 3 or 4. One that is split or sparse, or that cannot be read, is left to git.
func readIndex(file string) (*indexFile, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, errAskGit
	}
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) < 12+20 || !bytes.HasPrefix(raw, []byte("DIRC")) {
		return nil, errAskGit
	}
	version, count := binary.BigEndian.Uint32(raw[4:]), int(binary.BigEndian.Uint32(raw[8:]))
	if version < 2 || version > 4 || count > len(raw)/entryHead {
		return nil, errAskGit
	}
	r := &indexReader{raw: raw[:len(raw)-20], text: string(raw[:len(raw)-20]), at: 12, version: version}
	x := &indexFile{entries: make([]indexEntry, 0, count), written: info.ModTime(), trees: map[string]string{}}
	for range count {
		e, ok := r.entry()
		if !ok {
			return nil, errAskGit
		}
		x.entries = append(x.entries, e)
	}
	return x, x.extensions(r)
}

// indexReader takes entries off the file. Names are parts of text, so that none is copied.
type indexReader struct {
	raw     []byte
	text    string
	at      int
	version uint32
	last    string
}

func (r *indexReader) entry() (e indexEntry, ok bool) {
	begin := r.at
	if begin+entryHead > len(r.raw) {
		return e, false
	}
	word := func(i int) uint32 { return binary.BigEndian.Uint32(r.raw[begin+i:]) }
	e = indexEntry{
		mode: word(24), size: word(36), hash: r.text[begin+40 : begin+60],
		modified: int64(word(8))*int64(time.Second) + int64(word(12)),
	}
	flags := binary.BigEndian.Uint16(r.raw[begin+60:])
	e.stage = int(flags>>12) & 3
	r.at += entryHead
	if flags&0x4000 != 0 {
		if r.at+2 > len(r.raw) {
			return e, false
		}
		more := binary.BigEndian.Uint16(r.raw[r.at:])
		e.skip, e.intent = more&0x4000 != 0, more&0x2000 != 0
		r.at += 2
	}
	drop := 0
	if r.version == 4 {
		drop = r.varint()
	}
	end := strings.IndexByte(r.text[min(r.at, len(r.text)):], 0)
	if end < 0 || drop < 0 || drop > len(r.last) {
		return e, false
	}
	e.name = r.text[r.at : r.at+end]
	r.at += end
	if r.version == 4 {
		e.name = r.last[:len(r.last)-drop] + e.name
		r.last = e.name
		r.at++
		return e, true
	}
	r.at = begin + (r.at-begin+8)/8*8 // one to eight zeros follow the name
	return e, r.at <= len(r.raw)
}

// varint is a number as git packs it into offsets; -1 when there is none.
func (r *indexReader) varint() int {
	n := 0
	for i := 0; r.at < len(r.raw) && i < 5; i++ {
		c := r.raw[r.at]
		r.at++
		n |= int(c & 0x7f)
		if c&0x80 == 0 {
			return n
		}
		n = (n + 1) << 7
	}
	return -1
}

// extensions reads which trees are known. An extension with a small first letter has to be understood, and none is.
func (x *indexFile) extensions(r *indexReader) error {
	for r.at+8 <= len(r.raw) {
		name, size := r.text[r.at:r.at+4], int(binary.BigEndian.Uint32(r.raw[r.at+4:]))
		r.at += 8
		if size < 0 || r.at+size > len(r.raw) {
			return errAskGit
		}
		if name[0] >= 'a' && name[0] <= 'z' {
			return errAskGit
		}
		if name == "TREE" {
			rest := r.text[r.at : r.at+size]
			x.tree("", &rest)
		}
		r.at += size
	}
	return nil
}

// tree reads one tree and those below it: its name, how many entries it has (-1: nobody knows it now), how many trees follow that
// lie in it, and its hash.
func (x *indexFile) tree(parent string, rest *string) bool {
	name, after, ok := strings.Cut(*rest, "\x00")
	counts, tail, ok2 := strings.Cut(after, "\n")
	entries, below, ok3 := strings.Cut(counts, " ")
	n, err := strconv.Atoi(entries)
	kids, err2 := strconv.Atoi(below)
	if !ok || !ok2 || !ok3 || err != nil || err2 != nil {
		return false
	}
	path := strings.TrimPrefix(parent+"/"+name, "/")
	if n >= 0 {
		if len(tail) < 20 {
			return false
		}
		x.trees[path] = hex.EncodeToString([]byte(tail[:20]))
		tail = tail[20:]
	}
	*rest = tail
	for range kids {
		if !x.tree(path, rest) {
			return false
		}
	}
	return true
}

// kind is the file's mode as far as git keeps it.
func (e *indexEntry) kind() fs.FileMode {
	switch e.mode & 0o170000 {
	case modeLink:
		return fs.ModeSymlink
	case modeRepo:
		return fs.ModeDir
	}
	return 0
}
