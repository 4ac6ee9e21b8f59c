package tag

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
)

// shorts finds the shortest names of objects as git does: as long as the number of objects makes it likely that they stay
// unique, and longer where another object has the same beginning.
type shorts struct {
	dir   string // .git/objects
	packs []packIndex
	read  bool
}

// packIndex is the sorted object names of one pack file.
type packIndex struct {
	fanout []byte // 256 counts
	names  []byte // 20 bytes each
}

func (s *shorts) short(hash string) (string, error) {
	if !s.read {
		if err := s.load(); err != nil {
			return "", err
		}
	}
	want, err := hex.DecodeString(hash)
	if err != nil || len(want) != 20 {
		return "", fmt.Errorf("object name %q", hash)
	}
	length := s.usual()
	for _, p := range s.packs {
		length = max(length, p.shared(want)+1)
	}
	loose, err := os.ReadDir(filepath.Join(s.dir, hash[:2]))
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	for _, d := range loose {
		other := hash[:2] + d.Name()
		if other != hash && len(other) == len(hash) {
			length = max(length, common(hash, other)+1)
		}
	}
	return hash[:min(length, len(hash))], nil
}

// usual is the length that git starts with: half the bits of the number of packed objects, and at least 7.
func (s *shorts) usual() int {
	count := 0
	for _, p := range s.packs {
		count += p.count()
	}
	return max(7, (bits.Len(uint(count))+1)/2)
}

func (s *shorts) load() error {
	s.read = true
	files, err := filepath.Glob(filepath.Join(s.dir, "pack", "*.idx"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		const header, fanout = 8, 256 * 4
		if len(data) < header+fanout || !bytes.HasPrefix(data, []byte("\xfftOc\x00\x00\x00\x02")) {
			return errAskGit
		}
		p := packIndex{fanout: data[header : header+fanout]}
		end := header + fanout + 20*p.count()
		if len(data) < end {
			return errAskGit
		}
		p.names = data[header+fanout : end]
		s.packs = append(s.packs, p)
	}
	return nil
}

func (p packIndex) count() int { return int(binary.BigEndian.Uint32(p.fanout[255*4:])) }

func (p packIndex) name(i int) []byte { return p.names[20*i : 20*i+20] }

// shared is how many hex digits of want some other object of the pack begins with.
func (p packIndex) shared(want []byte) int {
	low, high := 0, p.count()
	for low < high {
		mid := (low + high) / 2
		if bytes.Compare(p.name(mid), want) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	longest := 0
	for i := low - 1; i <= low+1; i++ {
		if i >= 0 && i < p.count() && !bytes.Equal(p.name(i), want) {
			longest = max(longest, common(hex.EncodeToString(want), hex.EncodeToString(p.name(i))))
		}
	}
	return longest
}

// common is the length of the beginning that both have.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
