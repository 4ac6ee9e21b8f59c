package golang

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
)

// keep remembers a listing for this session and, where it says something new, for the next one.
func (b *Builder) keep(artifact string, l *listing, save bool) {
	b.mu.Lock()
	b.lists[artifact] = l
	b.mu.Unlock()
	if !save || b.o.State == "" {
		return
	}
	// Without it the next session asks the go command, and nothing else.
	data, err := json.Marshal(l)
	if err != nil || os.MkdirAll(b.o.State, 0o755) != nil {
		return
	}
	file := b.listingFile(l.Recipe)
	tmp, err := os.CreateTemp(b.o.State, "list-*")
	if err != nil {
		return
	}
	_, err = tmp.Write(data)
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
}

func (b *Builder) listingFile(mark string) string {
	sum := sha256.Sum256([]byte(mark))
	return filepath.Join(b.o.State, hex.EncodeToString(sum[:10])+".json")
}

// readListing is what an earlier session kept; nil when there is none that can be read.
func (b *Builder) readListing(mark string) *listing {
	if b.o.State == "" {
		return nil
	}
	data, err := os.ReadFile(b.listingFile(mark))
	if err != nil {
		return nil
	}
	var l listing
	if json.Unmarshal(data, &l) != nil || l.Recipe != mark || l.Main == "" {
		return nil
	}
	for dir, f := range l.Folders {
		if f == nil {
			delete(l.Folders, dir)
		}
	}
	return &l
}
