package tree

import (
	"errors"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
)

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

func newRule(pattern string) (*rule, error) {
	pattern = strings.TrimSpace(pattern)
	rest, exception := strings.CutPrefix(pattern, "!")
	if pattern == "" {
		return nil, nil
	}
	if rest == "" {
		return nil, errors.New("a ! without a pattern")
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
