package tag

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// untracked says whether a folder holds a file that git does not know and does not ignore.
func (w *worktree) untracked(ctx context.Context, rel string) (bool, error) {
	rules := slices.Clone(w.outer)
	// The rules of the folders above hold here as well; where one of those is ignored, nothing in it is new.
	dir := ""
	for part := range strings.SplitSeq(rel, "/") {
		if part == "" {
			break
		}
		rules = append(rules, readRules(filepath.Join(w.root, filepath.FromSlash(dir), ".gitignore"), dir)...)
		dir = path.Join(dir, part)
		if ignored(rules, dir, true) {
			return false, nil
		}
	}
	return w.unknownIn(ctx, rel, rules)
}

func (w *worktree) unknownIn(ctx context.Context, rel string, rules []ignoreRule) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	dir := filepath.Join(w.root, filepath.FromSlash(rel))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, nil // git leaves out what it cannot read
	}
	rules = append(slices.Clip(rules), readRules(filepath.Join(dir, ".gitignore"), rel)...)
	for _, d := range entries {
		if d.Name() == ".git" {
			continue
		}
		name := path.Join(rel, d.Name())
		if !d.IsDir() {
			if d.Type()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) == 0 && !w.tracked(name) && !ignored(rules, name, false) {
				return true, nil
			}
			continue
		}
		// A file of the index below a folder is compared already; new ones in it count unless the folder is ignored.
		if ignored(rules, name, true) {
			continue
		}
		if exists(filepath.Join(dir, d.Name(), ".git")) {
			return false, errAskGit // a repository inside the repository
		}
		if dirty, err := w.unknownIn(ctx, name, rules); dirty || err != nil {
			return dirty, err
		}
	}
	return false, nil
}

// ignoreRule is one line of a .gitignore file.
type ignoreRule struct {
	domain   string // the folder that the file lies in
	pattern  string
	anchored bool // about the whole path below domain, not only the name
	dirOnly  bool
	include  bool
}

// readRules reads a .gitignore file; one that is not there has no rules.
func readRules(file, domain string) []ignoreRule {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var rules []ignoreRule
	for line := range strings.SplitSeq(strings.TrimPrefix(string(data), "\uFEFF"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if r, ok := parseRule(line, domain); ok {
			rules = append(rules, r)
		}
	}
	return rules
}

func parseRule(line, domain string) (ignoreRule, bool) {
	if strings.HasPrefix(line, "#") {
		return ignoreRule{}, false
	}
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, "\\ ") {
		line = strings.TrimSuffix(line, " ")
	}
	r := ignoreRule{domain: domain}
	line, r.include = strings.CutPrefix(line, "!")
	line, r.dirOnly = strings.CutSuffix(line, "/")
	if line == "" {
		return ignoreRule{}, false
	}
	r.anchored = strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	// Braces mean nothing to git, but do to the matcher.
	line = strings.NewReplacer("{", "\\{", "}", "\\}").Replace(line)
	if strings.HasSuffix(line, "/**") {
		line += "/*" // what is below the folder, not the folder
	}
	r.pattern = line
	return r, true
}

// ignored says what the last rule that matches says.
func ignored(rules []ignoreRule, name string, isDir bool) bool {
	for _, r := range slices.Backward(rules) {
		if r.matches(name, isDir) {
			return !r.include
		}
	}
	return false
}

func (r ignoreRule) matches(name string, isDir bool) bool {
	if r.dirOnly && !isDir {
		return false
	}
	if !r.anchored {
		name = path.Base(name)
	} else if r.domain != "" {
		name = strings.TrimPrefix(name, r.domain+"/")
	}
	ok, err := doublestar.Match(r.pattern, name)
	return err == nil && ok
}
