package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Ignore is the rules of a .dockerignore file, and names that are left out wherever they stand. It is safe for
// concurrent use. A nil Ignore leaves nothing out.
type Ignore struct {
	rules []rule
	names map[string]bool
}

// rule is one line. The rules are asked from the last to the first, and the first that matches decides: that is what
// Docker's own walk over all of them comes to.
type rule struct {
	pattern   string // cleaned, slash-separated, without "!"
	exception bool
	kind      kind
	depth     int // how many parts the path has that a bounded pattern matches
	matcher   *patternmatcher.PatternMatcher
}

// kind is how a rule is asked. The matcher's own way, a regular expression for the path and for each folder above it,
// costs microseconds, and most patterns are simpler than that.
type kind int

const (
	general kind = iota
	literal      // "a/b": compared as text
	nested       // "**/a/b" without other wildcards: looked for as text
	bounded      // "a/*.b" without "**" or classes: matches one depth only
	named        // "**/*.b": matches a single part of the path
)

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

func newRule(pattern string) (*rule, error) {
	pattern = strings.TrimSpace(pattern)
	rest, exception := strings.CutPrefix(pattern, "!")
	if pattern == "" {
		return nil, nil
	}
	if rest == "" {
		return nil, errors.New("nothing follows the !")
	}
	cleaned := filepath.ToSlash(filepath.Clean(rest))
	if cleaned == "." || cleaned == "" {
		return nil, nil // Docker never leaves the whole context out
	}
	r := &rule{pattern: cleaned, exception: exception, kind: kindOf(cleaned), depth: 1 + strings.Count(cleaned, "/")}
	if _, err := path.Match(cleaned, ""); err != nil {
		return nil, err
	}
	question := cleaned
	switch r.kind {
	case literal, nested:
		return r, nil
	case named:
		question = strings.TrimPrefix(cleaned, "**/")
	}
	m, err := patternmatcher.New([]string{question})
	if err != nil {
		return nil, err
	}
	// The matcher compiles at its first question and is safe for concurrent use only from then on.
	if _, err := m.MatchesOrParentMatches("x"); err != nil {
		return nil, err
	}
	r.matcher = m
	return r, nil
}

func kindOf(pattern string) kind {
	if !strings.ContainsAny(pattern, `*?[]\`) {
		return literal
	}
	// The library hands these on to its regular expression, where they mean what they should not.
	if strings.ContainsAny(pattern, `[]\^|{}`) || !utf8.ValidString(pattern) {
		return general
	}
	if !strings.Contains(pattern, "**") {
		return bounded
	}
	rest, ok := strings.CutPrefix(pattern, "**/")
	switch {
	case !ok || rest == "" || strings.Contains(rest, "**"):
		return general
	case !strings.ContainsAny(rest, "*?"):
		return nested
	case !strings.Contains(rest, "/"):
		return named
	}
	return general
}

func (r *rule) matches(rel string) bool {
	switch r.kind {
	case literal:
		return strings.HasPrefix(rel, r.pattern) && (len(rel) == len(r.pattern) || rel[len(r.pattern)] == '/')
	case nested:
		return holds(rel, r.pattern[len("**/"):])
	case bounded:
		top, ok := upTo(rel, r.depth)
		return ok && r.ask(top)
	case named:
		for part := range strings.SplitSeq(rel, "/") {
			if r.ask(part) {
				return true
			}
		}
		return false
	}
	return r.ask(rel)
}

func (r *rule) ask(rel string) bool {
	// The only error is a pattern that does not compile, and newRule has compiled it.
	ok, _ := r.matcher.MatchesOrParentMatches(rel)
	return ok
}

// holds says whether parts, one or several, stand in rel as whole parts.
func holds(rel, parts string) bool {
	for at := 0; ; at++ {
		next := strings.Index(rel[at:], parts)
		if next < 0 {
			return false
		}
		at += next
		end := at + len(parts)
		if (at == 0 || rel[at-1] == '/') && (end == len(rel) || rel[end] == '/') {
			return true
		}
	}
}

// upTo is the first depth parts of rel, false if it has fewer.
func upTo(rel string, depth int) (string, bool) {
	for i := range len(rel) {
		if rel[i] != '/' {
			continue
		}
		if depth--; depth == 0 {
			return rel[:i], true
		}
	}
	return rel, depth == 1
}

// reaches says whether the rule may match a path below dir. It errs towards yes. That the rule does not match dir
// itself is known.
func (r *rule) reaches(dir string) bool {
	pattern := r.pattern
	if strings.ContainsAny(pattern, "|{") {
		return true
	}
	for name := range strings.SplitSeq(dir, "/") {
		if pattern == "" {
			return false // the pattern has fewer parts than dir: it matches above it or nowhere
		}
		var part string
		part, pattern, _ = strings.Cut(pattern, "/")
		if strings.Contains(part, "**") {
			return true
		}
		if kindOf(part) == general {
			continue
		}
		if ok, err := path.Match(part, name); err == nil && !ok {
			return false
		}
	}
	return pattern != ""
}
