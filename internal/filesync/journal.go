package filesync

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// journal is which paths sessions have written into which container, on disk: a container that outlives its session (it was
// killed, or told to leave everything) holds files that neither its image nor the working tree has, and only this says which.
type journal struct {
	file   string
	before map[string]map[string]Op // container id -> path in it -> what earlier sessions put there
	noted  map[string]map[string]bool
}

// line is one entry of the file.
type line struct {
	At        time.Time `json:"at"`
	Container string    `json:"container"`
	Local     string    `json:"local"`
	Remote    string    `json:"remote"`
	Root      string    `json:"root,omitempty"`
}

// journalAge is how long a container is remembered; one that was not written to for so long is a stranger again.
const journalAge = 14 * 24 * time.Hour

// openJournal reads what earlier sessions noted, and drops what is too old to matter. Lines that cannot be read are dropped as well.
func openJournal(file string, now time.Time) (*journal, error) {
	j := &journal{file: file, before: map[string]map[string]Op{}, noted: map[string]map[string]bool{}}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("remember what is synced: %w", err)
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("remember what is synced: %w", err)
	}
	var kept bytes.Buffer
	dropped := false
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Remote == "" || now.Sub(l.At) > journalAge {
			dropped = true
			continue
		}
		if j.before[l.Container] == nil {
			j.before[l.Container], j.noted[l.Container] = map[string]Op{}, map[string]bool{}
		}
		// Whatever it was then, the path shall be what the working tree says now: a copy where the file is there, else gone.
		j.before[l.Container][l.Remote] = Op{Local: l.Local, Remote: l.Remote, Root: l.Root, Delete: true}
		j.noted[l.Container][l.Remote] = true
		kept.Write(lines.Bytes())
		kept.WriteByte('\n')
	}
	if dropped {
		// A file that cannot be made shorter is still right.
		_ = os.WriteFile(file, kept.Bytes(), 0o600)
	}
	return j, nil
}

// earlier is what sessions before this one wrote into a container.
func (j *journal) earlier(container string) []Op {
	if j == nil {
		return nil
	}
	var ops []Op
	for _, op := range j.before[container] {
		ops = append(ops, op)
	}
	return ops
}

// note writes down paths before they are sent to a container: a session may be killed at any moment.
func (j *journal) note(container string, ops []Op, now time.Time) error {
	if j == nil || container == "" {
		return nil
	}
	seen := j.noted[container]
	if seen == nil {
		seen = map[string]bool{}
		j.noted[container] = seen
	}
	var buf bytes.Buffer
	for _, op := range ops {
		if seen[op.Remote] {
			continue
		}
		text, err := json.Marshal(line{now, container, op.Local, op.Remote, op.Root})
		if err != nil {
			return err
		}
		buf.Write(text)
		buf.WriteByte('\n')
		seen[op.Remote] = true
	}
	if buf.Len() == 0 {
		return nil
	}
	f, err := os.OpenFile(j.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(buf.Bytes())
	return errors.Join(err, f.Close())
}
