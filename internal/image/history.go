package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Record is how an artifact came to its image last.
type Record struct {
	Image   string        `json:"image"`
	Key     string        `json:"key"`
	Ref     string        `json:"ref,omitempty"`
	Outcome string        `json:"outcome"`         // "built", "found", "failed"
	Where   string        `json:"where,omitempty"` // of what was found: "registry", "engine"
	Cause   string        `json:"cause,omitempty"` // of a build: why nothing was found
	How     string        `json:"how,omitempty"`
	WorkDir string        `json:"workDir,omitempty"`
	Took    time.Duration `json:"took,omitempty"` // of the last build
	Time    time.Time     `json:"time"`
}

// history keeps, for each artifact of one checkout, its last Record and the Inventory that belongs to it.
type history struct{ dir string }

// place is the artifact's files, without their endings: names of images are no names of files.
func (h history) place(image string) string {
	sum := sha256.Sum256([]byte(image))
	return filepath.Join(h.dir, hex.EncodeToString(sum[:8]))
}

// last is the artifact's record; false when there is none.
func (h history) last(image string) (Record, bool) {
	var rec Record
	if h.dir == "" {
		return rec, false
	}
	data, err := os.ReadFile(h.place(image) + ".json")
	if err != nil || json.Unmarshal(data, &rec) != nil || rec.Image != image {
		return Record{}, false
	}
	return rec, true
}

// inventory is what decided about the image that a record tells of.
func (h history) inventory(image string) (*Inventory, bool) {
	if h.dir == "" {
		return nil, false
	}
	data, err := os.ReadFile(h.place(image) + ".inputs")
	if err != nil {
		return nil, false
	}
	inv, err := decodeInventory(data)
	return inv, err == nil
}

// save writes both down; the inventory only when it is another one. What is found again as it was changes nothing, and costs nothing.
func (h history) save(rec Record, inv *Inventory) error {
	if h.dir == "" {
		return nil
	}
	before, ok := h.last(rec.Image)
	if ok && before.Key == rec.Key && before.Outcome == rec.Outcome && before.Ref == rec.Ref && rec.Outcome == "found" {
		return nil
	}
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	if !ok || before.Key != rec.Key || !exists(h.place(rec.Image)+".inputs") {
		if err := replaceFile(h.place(rec.Image)+".inputs", encodeInventory(inv)); err != nil {
			return err
		}
	}
	return replaceFile(h.place(rec.Image)+".json", data)
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// kept is how much of a file's digest an inventory on disk has: enough to tell a change, too little to be worth more room.
const kept = 8

// encodeInventory is the head as a line of JSON, and each file as what its path does not share with the one before, its mode and
// the beginning of its digest.
func encodeInventory(inv *Inventory) []byte {
	head, err := json.Marshal(inv)
	if err != nil {
		return nil // an inventory holds nothing that JSON has not
	}
	b := append(head, '\n')
	last := ""
	for _, f := range inv.Files {
		same := 0
		for same < min(len(last), len(f.Path)) && last[same] == f.Path[same] {
			same++
		}
		last = f.Path
		b = binary.AppendUvarint(b, uint64(same))
		b = binary.AppendUvarint(b, uint64(len(f.Path)-same))
		b = append(b, f.Path[same:]...)
		b = binary.AppendUvarint(b, uint64(f.Mode))
		var digest [kept]byte
		_, _ = hex.Decode(digest[:], []byte(f.Digest[:min(2*kept, len(f.Digest))]))
		b = append(b, digest[:]...)
	}
	return b
}

var errSpoiled = errors.New("not an inventory")

func decodeInventory(data []byte) (*Inventory, error) {
	head, rest, ok := bytes.Cut(data, []byte("\n"))
	inv := &Inventory{}
	if !ok || json.Unmarshal(head, inv) != nil {
		return nil, errSpoiled
	}
	number := func() uint64 {
		n, size := binary.Uvarint(rest)
		if size <= 0 {
			rest, ok = nil, false
			return 0
		}
		rest = rest[size:]
		return n
	}
	take := func(n uint64) string {
		if n > uint64(len(rest)) {
			rest, ok = nil, false
			return ""
		}
		text := string(rest[:n])
		rest = rest[n:]
		return text
	}
	last := ""
	for len(rest) > 0 {
		same := number()
		if same > uint64(len(last)) {
			return nil, errSpoiled
		}
		last = last[:same] + take(number())
		f := InputFile{Path: last, Mode: fs.FileMode(number())}
		f.Digest = hex.EncodeToString([]byte(take(kept)))
		inv.Files = append(inv.Files, f)
	}
	if !ok {
		return nil, errSpoiled
	}
	return inv, nil
}
