package assemble

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher"
	chmod "github.com/tonistiigi/dchapes-mode"
)

// copier is one copy action of a step while it works: from the files of a context or a stage to those of the image. It does what
// BuildKit's file backend does on a real file system, in its order, so that the outcome is the same.
type copier struct {
	src     *forest
	dst     *disk
	action  *pb.FileActionCopy
	owner   *owner
	perm    fs.FileMode // of folders above the destination
	set     *chmod.Set
	include *patternmatcher.PatternMatcher
	exclude *patternmatcher.PatternMatcher
	above   []*parent
	prefix  string // makes inodes of different copies different files
}

// parent is a folder on the way down, which is made when something in it is taken.
type parent struct {
	src    *node
	dst    string
	copied bool
}

// copyInto does one copy action. Where nothing of the context matches, it fails as the build would.
func copyInto(ctx context.Context, src *forest, dst *disk, action *pb.FileActionCopy, o *owner, nth int) error {
	c := &copier{src: src, dst: dst, action: action, owner: o, perm: 0o755, prefix: fmt.Sprint(nth, ":")}
	if action.ModeStr == "" && action.Mode != -1 {
		c.perm = fs.FileMode(action.Mode) & 0o777
	}
	if action.ModeStr != "" {
		set, err := chmod.ParseWithUmask(action.ModeStr, 0)
		if err != nil {
			return fmt.Errorf("--chmod=%s: %w", action.ModeStr, err)
		}
		c.set = &set
	}
	var err error
	if c.include, err = matcher(action.IncludePatterns); err != nil {
		return err
	}
	if c.exclude, err = matcher(action.ExcludePatterns); err != nil {
		return err
	}
	matches, err := c.matches()
	if err != nil {
		return err
	}
	for _, m := range matches {
		if action.AttemptUnpackDockerCompatibility {
			done, err := c.unpack(m)
			if err != nil {
				return err
			}
			if done {
				continue
			}
		}
		if err := c.one(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func matcher(patterns []string) (*patternmatcher.PatternMatcher, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	return patternmatcher.New(patterns)
}

// matches are the sources that the pattern of the action names.
func (c *copier) matches() ([]string, error) {
	src := inside(c.action.Src)
	if !c.action.AllowWildcard {
		return []string{src}, nil
	}
	certain, wild := splitWildcards(src)
	if wild == "" {
		return []string{certain}, nil
	}
	base, err := follow(c.src, certain, c.action.FollowSymlink)
	if err != nil {
		return nil, err
	}
	if c.src.nodes[base] == nil {
		return nil, &missing{"/" + certain}
	}
	var found []string
	c.glob(base, base, wild, &found)
	if len(found) == 0 && !c.action.AllowEmptyWildcard {
		return nil, &missing{"/" + src}
	}
	return found, nil
}

// glob walks a folder without following links; what matches is taken whole.
func (c *copier) glob(base, dir, wild string, found *[]string) {
	for _, name := range c.src.list(dir) {
		p := join(dir, name)
		rel := p
		if base != "" {
			rel = strings.TrimPrefix(p, base+"/")
		}
		if ok, _ := path.Match(wild, rel); ok {
			*found = append(*found, p)
			continue
		}
		if c.src.nodes[p].isDir() {
			c.glob(base, p, wild, found)
		}
	}
}

func splitWildcards(p string) (certain, wild string) {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		if hasWildcards(part) {
			return strings.Join(parts[:i], "/"), strings.Join(parts[i:], "/")
		}
	}
	return p, ""
}

func hasWildcards(name string) bool {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// missing is a source that is not there; the real build fails on it, too, and explains it better.
type missing struct{ path string }

func (m *missing) Error() string { return fmt.Sprintf("%q is not there to copy", m.path) }

// one copies one source.
func (c *copier) one(ctx context.Context, src string) error {
	dest := cleanPath(c.action.Dest)
	from, err := follow(c.src, src, c.action.FollowSymlink)
	if err != nil {
		return err
	}
	ensure := dest
	dir, name := path.Split(dest)
	if name != "" && name != "." {
		ensure = dir
	}
	at, err := follow(c.dst, ensure, true)
	if err != nil {
		return err
	}
	have := len(c.dst.upper.nodes)
	if err := c.mkdirAll(at); err != nil {
		return err
	}
	if name == "." && len(c.dst.upper.nodes) > have && !c.src.nodes[from].isDir() {
		return &uncertain{"what " + c.action.Dest + " means for a file depends on the version of BuildKit"}
	}
	if at, err = follow(c.dst, dest, true); err != nil {
		return err
	}
	if at, err = c.prepare(from, src, at); err != nil {
		return err
	}
	return c.copy(ctx, from, "", at, false, patternmatcher.MatchInfo{}, patternmatcher.MatchInfo{})
}

// prepare decides whether the source goes into the destination or becomes it, and makes the folder that it goes to.
func (c *copier) prepare(from, src, dest string) (string, error) {
	n := c.src.nodes[from]
	if n == nil {
		return "", &missing{"/" + src}
	}
	old, err := c.dst.stat(dest)
	if err != nil {
		return "", err
	}
	contents := c.action.DirCopyContents
	if !contents && n.isDir() && old != nil || !n.isDir() && old.isDir() {
		base := path.Base("/" + src)
		dest = inside(dest + "/" + base)
		if old, err = c.dst.stat(dest); err != nil {
			return "", err
		}
	}
	target, _ := split(dest)
	if contents && n.isDir() && old == nil {
		target = dest
	}
	return dest, c.mkdirAll(target)
}

// mkdirAll makes the folders above a destination. Which mode they get from --chmod depends on the version of BuildKit.
func (c *copier) mkdirAll(p string) error {
	have := len(c.dst.upper.nodes)
	if err := c.dst.mkdirAll(p, c.perm, c.owner); err != nil {
		return err
	}
	if c.perm != 0o755 && len(c.dst.upper.nodes) > have {
		return &uncertain{"the mode of /" + p + ", which --chmod is not about, depends on the version of BuildKit"}
	}
	return nil
}

func (c *copier) copy(ctx context.Context, src, rel, target string, overwrite bool, inc, exc patternmatcher.MatchInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	include, excluded := true, false
	if rel != "" {
		var err error
		if include, excluded, err = c.wanted(rel, &inc, &exc); err != nil {
			return err
		}
	}
	n := c.src.nodes[src]
	if n == nil {
		return &missing{"/" + src}
	}
	if !n.isDir() {
		if !include {
			return nil
		}
		return c.file(n, target)
	}
	if include {
		if err := c.makeAbove(); err != nil {
			return err
		}
	}
	return c.dir(ctx, n, rel, target, overwrite, include, excluded, inc, exc)
}

// wanted asks the patterns of --parents and --exclude.
func (c *copier) wanted(rel string, inc, exc *patternmatcher.MatchInfo) (include, excluded bool, err error) {
	include = true
	if c.include != nil {
		if include, *inc, err = c.include.MatchesUsingParentResults(rel, *inc); err != nil {
			return false, false, err
		}
	}
	if c.exclude != nil {
		if excluded, *exc, err = c.exclude.MatchesUsingParentResults(rel, *exc); err != nil {
			return false, false, err
		}
	}
	return include && !excluded, excluded, nil
}

func (c *copier) file(n *node, target string) error {
	if err := c.makeAbove(); err != nil {
		return err
	}
	old, err := c.dst.stat(target)
	if err != nil {
		return err
	}
	if old.isDir() {
		return fmt.Errorf("cannot replace folder /%s by a file", target)
	}
	made := *n
	made.Path = target
	if n.Inode != "" {
		made.Inode = c.prefix + n.Inode
	}
	if err := c.info(n, &made); err != nil {
		return err
	}
	c.dst.put(&made)
	return nil
}

const special = fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// info gives a copy the owner and the mode that the step says; time and the rest are those of its source.
func (c *copier) info(n, made *node) error {
	made.UID, made.GID, made.Mode, made.Xattrs, made.Time = n.UID, n.GID, n.Mode, n.Xattrs, n.Time
	c.owner.give(made)
	if n.isLink() {
		return nil
	}
	switch {
	case c.set != nil:
		made.Mode = c.set.Apply(n.Mode)
	case c.action.ModeStr == "" && c.action.Mode != -1:
		if n.Mode&special != 0 || c.action.Mode&0o7000 != 0 {
			return &uncertain{"--chmod of " + n.Path + ", whose mode has more than permissions, depends on the version of BuildKit"}
		}
		made.Mode = n.Mode.Type() | fs.FileMode(c.action.Mode)&0o777
		for bit, flag := range map[int32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
			if c.action.Mode&bit != 0 {
				made.Mode |= flag
			}
		}
	}
	return nil
}

func (c *copier) dir(ctx context.Context, n *node, rel, target string, overwrite, include, excluded bool, inc, exc patternmatcher.MatchInfo) error {
	created := false
	if include {
		var err error
		if created, err = c.folder(n, target); err != nil {
			return err
		}
	}
	if !include {
		if old, err := c.dst.stat(target); err != nil || old != nil && !old.isDir() {
			return errors.Join(err, &uncertain{"/" + target + " is no folder, and patterns lead below it"})
		}
	}
	c.above = append(c.above, &parent{n, target, include})
	defer func() { c.above = c.above[:len(c.above)-1] }()
	if excluded && (c.exclude == nil || !c.exclude.Exclusions()) {
		return nil
	}
	for _, name := range c.src.list(n.Path) {
		if err := c.copy(ctx, join(n.Path, name), join(rel, name), join(target, name), true, inc, exc); err != nil {
			return err
		}
	}
	if target == "" || !include {
		return nil
	}
	made, err := c.dst.change(target)
	if err != nil || made == nil {
		return err
	}
	if overwrite || created {
		if err := c.info(n, made); err != nil {
			return err
		}
		made.Mode = made.Mode.Perm() | made.Mode&special | fs.ModeDir
		return nil
	}
	if !n.Time.IsZero() {
		made.Time = n.Time
	}
	return nil
}

// folder makes a folder where there is none.
func (c *copier) folder(n *node, target string) (created bool, err error) {
	old, err := c.dst.stat(target)
	if err != nil {
		return false, err
	}
	if old == nil {
		c.dst.put(&node{Path: target, Mode: n.Mode, UID: n.UID, GID: n.GID, Time: n.Time})
		return true, nil
	}
	if !old.isDir() {
		return false, fmt.Errorf("cannot copy a folder to /%s, which is none", target)
	}
	return false, nil
}

// makeAbove makes the folders on the way to what a pattern takes.
func (c *copier) makeAbove() error {
	for _, p := range c.above {
		if p.copied {
			continue
		}
		created, err := c.folder(p.src, p.dst)
		if err != nil {
			return err
		}
		made, err := c.dst.change(p.dst)
		if err != nil {
			return err
		}
		if created {
			if err := c.info(p.src, made); err != nil {
				return err
			}
		} else {
			made.Mode = p.src.Mode
		}
		p.copied = true
	}
	return nil
}

// cleanPath is a destination as the builder cleans it: a slash or a dot at its end says that it is a folder.
func cleanPath(s string) string {
	clean := path.Clean("/" + s)
	switch {
	case strings.HasSuffix(s, "/."):
		if clean != "/" {
			clean += "/"
		}
		clean += "."
	case strings.HasSuffix(s, "/") && clean != "/":
		clean += "/"
	}
	return clean
}
