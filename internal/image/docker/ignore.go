package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// ignoreRules are the rules of an ignore file as BuildKit and the docker CLI walk by them: every folder hands what it matched down to
// what is in it. That differs in corners from asking each path by itself (with "sub/*/c" before "!sub/deep", sub/deep/c stays
// out), and the inputs of an image have to be what the builder takes. Nil leaves nothing out.
type ignoreRules struct {
	mu       sync.Mutex // patterns are compiled when they are first asked
	patterns *patternmatcher.PatternMatcher
	lastDir  string // the folder that was asked last, and what it hands down
	lastInfo patternmatcher.MatchInfo
}

// readIgnore reads an ignore file; one that is not there has no rules.
func readIgnore(file string) (*ignoreRules, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	patterns, err := patternmatcher.New(lines)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	i := &ignoreRules{patterns: patterns}
	if _, _, err := i.ask("x"); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return i, nil
}

// Match says whether the slash-separated path, relative to the context, is left out.
func (i *ignoreRules) Match(rel string) bool {
	if i == nil || rel == "." {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	// A pattern that does not compile stops the build; nothing is taken for left out until then.
	out, _, err := i.ask(rel)
	return err == nil && out
}

// ask matches a path by way of the folders above it.
func (i *ignoreRules) ask(rel string) (bool, patternmatcher.MatchInfo, error) {
	var above patternmatcher.MatchInfo
	if at := strings.LastIndexByte(rel, '/'); at >= 0 {
		dir := rel[:at]
		if dir == i.lastDir {
			above = i.lastInfo
		} else {
			_, info, err := i.ask(dir)
			if err != nil {
				return false, info, err
			}
			above, i.lastDir, i.lastInfo = info, dir, info
		}
	}
	return i.patterns.MatchesUsingParentResults(filepath.FromSlash(rel), above)
}

// Skip says whether a path is left out with all that could stand below it.
func (i *ignoreRules) Skip(rel string) bool {
	if !i.Match(rel) {
		return false
	}
	if !i.patterns.Exclusions() {
		return true
	}
	for _, p := range i.patterns.Patterns() {
		if p.Exclusion() && mayMatchBelow(filepath.ToSlash(p.String()), rel+"/") {
			return false
		}
	}
	return true
}

// mayMatchBelow says whether a pattern may match something in a folder; it errs towards yes.
func mayMatchBelow(pattern, dir string) bool {
	certain := pattern
	if at := strings.IndexAny(pattern, `*?[\`); at >= 0 {
		certain = pattern[:at]
		return strings.HasPrefix(certain, dir) || strings.HasPrefix(dir, certain)
	}
	return strings.HasPrefix(certain, dir)
}
