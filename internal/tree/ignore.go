package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/moby/patternmatcher/ignorefile"
)

// Ignore is the rules of a .dockerignore file, and names that are left out wherever they stand. It is safe for
// concurrent use. A nil Ignore leaves nothing out.
type Ignore struct {
	rules []rule
	names map[string]bool
}

// NewIgnore is the rules that patterns state, in the form they have in a .dockerignore file: a path with all below it,
// with *, ?, [a-z] and **, and ! before an exception. The last one that matches wins.
func NewIgnore(patterns ...string) (*Ignore, error) {
	return ParseIgnore(strings.NewReader(strings.Join(patterns, "\n")))
}

// ParseIgnore is the rules of a .dockerignore file that r holds.
func ParseIgnore(r io.Reader) (*Ignore, error) {
	patterns, err := ignorefile.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read ignore rules: %w", err)
	}
	i := &Ignore{}
	for _, p := range patterns {
		r, err := newRule(p)
		if err != nil {
			return nil, fmt.Errorf("ignore pattern %q: %w", p, err)
		}
		if r != nil {
			i.rules = append(i.rules, *r)
		}
	}
	return i, nil
}

// ReadIgnore is the rules in file. A file that does not exist has none.
func ReadIgnore(file string) (*Ignore, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &Ignore{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	i, err := ParseIgnore(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return i, nil
}

// WithNames is the same rules, and besides them leaves out everything that bears one of names or stands below it, at
// any depth. No exception brings that back.
func (i *Ignore) WithNames(names ...string) *Ignore {
	all := &Ignore{names: make(map[string]bool, len(names))}
	if i != nil {
		all.rules = i.rules
		for n := range i.names {
			all.names[n] = true
		}
	}
	for _, n := range names {
		all.names[n] = true
	}
	return all
}

// Match says whether the path is left out, by itself or because a folder above it is. The path is relative to the
// folder that the rules are about, and slash-separated.
func (i *Ignore) Match(rel string) bool {
	rel = clean(rel)
	if i == nil || rel == "." {
		return false
	}
	if i.named(rel) {
		return true
	}
	at := i.decides(rel)
	return at >= 0 && !i.rules[at].exception
}

// Skip says whether the path is left out and, if it is a folder, everything that could ever stand below it: then there
// is no need to read or watch it. It is false for a folder that is left out when an exception may match inside it.
func (i *Ignore) Skip(rel string) bool {
	rel = clean(rel)
	if i == nil || rel == "." {
		return false
	}
	if i.named(rel) {
		return true
	}
	at := i.decides(rel)
	if at < 0 || i.rules[at].exception {
		return false
	}
	for _, r := range i.rules[at+1:] {
		if r.exception && r.reaches(rel) {
			return false
		}
	}
	return true
}

// clean makes the usual path out of "./a", "a/" and the like. Most paths are clean, and path.Clean returns these as
// they are.
func clean(rel string) string { return path.Clean(rel) }

func (i *Ignore) named(rel string) bool {
	if len(i.names) == 0 {
		return false
	}
	for name := range strings.SplitSeq(rel, "/") {
		if i.names[name] {
			return true
		}
	}
	return false
}

// decides is the index of the last rule that matches the path or a folder above it, -1 if none does.
func (i *Ignore) decides(rel string) int {
	for at := len(i.rules) - 1; at >= 0; at-- {
		if i.rules[at].matches(rel) {
			return at
		}
	}
	return -1
}
