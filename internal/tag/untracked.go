package tag

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/skiff-dev/skiff/internal/tree"
)

// errDirty ends a comparison at the first difference.
var errDirty = errors.New("dirty")

// comparison is one folder on disk beside its entries in the index.
type comparison struct {
	*worktree
	rel     string // of the folder
	look    *tree.Look
	entries []indexEntry
	met     []bool                  // which entries are on disk
	rules   map[string][]ignoreRule // by folder: those of the folders above, and its own
}

// changed says whether a file of the index is another one on disk, or is gone, or whether there is a file that git does not know and
// does not ignore. All of it is one walk.
func (w *worktree) changed(ctx context.Context, rel string, entries []indexEntry) (bool, error) {
	ctx = tree.WithLook(ctx)
	c := &comparison{worktree: w, rel: rel, look: tree.LookOf(ctx), entries: entries, met: make([]bool, len(entries)), rules: map[string][]ignoreRule{}}
	err := c.run(ctx)
	if errors.Is(err, errDirty) {
		return true, nil
	}
	return false, err
}

func (c *comparison) run(ctx context.Context) error {
	rules := slices.Clone(c.outer)
	// The rules of the folders above hold here as well; where one of those is ignored, nothing in it is new.
	dir, hidden := "", false
	for part := range strings.SplitSeq(c.rel, "/") {
		if part == "" {
			break
		}
		rules = append(rules, readRules(filepath.Join(c.root, filepath.FromSlash(dir), ".gitignore"), dir)...)
		dir = path.Join(dir, part)
		hidden = hidden || ignored(rules, dir, true)
	}
	if !hidden {
		c.rules[""] = c.with(rules, "")
		err := tree.Walk(ctx, filepath.Join(c.root, filepath.FromSlash(c.rel)), c.skip, c.meet)
		if err != nil && !errors.Is(err, fs.ErrPermission) { // git leaves out what it cannot read
			return err
		}
	}
	return c.rest(ctx)
}

// with is the rules of a folder: those of the folder above and those of its own file.
func (c *comparison) with(above []ignoreRule, rel string) []ignoreRule {
	name := path.Join(c.rel, rel)
	dir := filepath.Join(c.root, filepath.FromSlash(name))
	// The folder is read next in any case, and then its listing says whether there is such a file.
	if _, err := c.look.ReadDir(dir); err != nil {
		return above
	}
	file := filepath.Join(dir, ".gitignore")
	if _, err := c.look.Stamp(file); err != nil {
		return above
	}
	return append(slices.Clip(above), readRules(file, name)...)
}

func (c *comparison) skip(rel string, d fs.DirEntry) bool {
	if d.Name() == ".git" {
		return rel == ".git" && c.rel == "" // one below is a repository inside the repository, and is met
	}
	return d.IsDir() && ignored(c.rules[above(rel)], path.Join(c.rel, rel), true)
}

// meet compares one file, or learns the rules of a folder.
func (c *comparison) meet(rel string, d fs.DirEntry) error {
	if d.Name() == ".git" {
		return errAskGit
	}
	if d.IsDir() {
		c.rules[rel] = c.with(c.rules[above(rel)], rel)
		return nil
	}
	name := rel
	if c.rel != "" {
		name = c.rel + "/" + rel
	}
	at, tracked := slices.BinarySearchFunc(c.entries, name, func(e indexEntry, name string) int { return strings.Compare(e.name, name) })
	if tracked {
		c.met[at] = true
		return dirtyIf(c.differs(&c.entries[at], d.(*tree.Entry).Stamp()))
	}
	if d.Type()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) == 0 && !ignored(c.rules[above(rel)], name, false) {
		return errDirty
	}
	return nil
}

// rest compares the files that lie in ignored folders, or are gone.
func (c *comparison) rest(ctx context.Context) error {
	for i := range c.entries {
		if c.met[i] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		stamp, err := c.look.Stamp(filepath.Join(c.root, filepath.FromSlash(c.entries[i].name)))
		if err != nil {
			return errDirty // gone, or where a folder was
		}
		if err := dirtyIf(c.differs(&c.entries[i], stamp)); err != nil {
			return err
		}
	}
	return nil
}

func dirtyIf(dirty bool, err error) error {
	if err == nil && dirty {
		return errDirty
	}
	return err
}

// above is the folder of a path, empty for the first one.
func above(rel string) string {
	if at := strings.LastIndexByte(rel, '/'); at >= 0 {
		return rel[:at]
	}
	return ""
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
