package assemble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/sys/user"
)

// maker does the steps of a recipe that need no container.
type maker struct {
	context *forest                                                 // the build context
	bottom  func(ctx context.Context, source *step) (*stack, error) // the layers of an image that a step starts from; nil source: none
	named   *owner                                                  // who the user of a --chown by name is known to be; nil: it is looked up
	when    time.Time
	trees   map[*step]*forest
}

// file does a file step over what lower says is there, and returns what its layer holds.
func (m *maker) file(ctx context.Context, s *step, lower statter) ([]*node, error) {
	d := newDisk(lower, m.when)
	actions := s.op.GetFile().Actions
	for i, a := range actions {
		if i > 0 && int(a.Input) != len(s.inputs)+i-1 {
			return nil, &uncertain{"a step whose actions do not follow each other"}
		}
		if err := m.action(ctx, s, a, d, i); err != nil {
			return nil, err
		}
	}
	return d.result()
}

func (m *maker) action(ctx context.Context, s *step, a *pb.FileAction, d *disk, nth int) error {
	switch op := a.Action.(type) {
	case *pb.FileAction_Mkdir:
		o, err := m.owner(op.Mkdir.Owner, d)
		if err != nil {
			return err
		}
		p, err := follow(d, op.Mkdir.Path, true)
		if err != nil {
			return err
		}
		return d.mkdirAll(p, fs.FileMode(op.Mkdir.Mode), o)
	case *pb.FileAction_Mkfile:
		o, err := m.owner(op.Mkfile.Owner, d)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(op.Mkfile.Data)
		n := &node{
			Path: inside(op.Mkfile.Path), Mode: fs.FileMode(op.Mkfile.Mode) & 0o777, Size: int64(len(op.Mkfile.Data)), Time: m.when,
			Digest: hex.EncodeToString(sum[:]), from: content{data: op.Mkfile.Data},
		}
		o.give(n)
		d.put(n)
		return nil
	case *pb.FileAction_Copy:
		o, err := m.owner(op.Copy.Owner, d)
		if err != nil {
			return err
		}
		src, err := m.source(ctx, s, a)
		if err != nil {
			return err
		}
		for _, required := range op.Copy.RequiredPaths {
			if p, err := follow(src, required, true); err != nil || src.nodes[p] == nil {
				return &missing{required}
			}
		}
		return copyInto(ctx, src, d, op.Copy, o, nth)
	}
	return &uncertain{fmt.Sprintf("a step of a kind that is not known here: %T", a.Action)}
}

// source is the files that a copy takes from.
func (m *maker) source(ctx context.Context, s *step, a *pb.FileAction) (*forest, error) {
	from := s.input(a.SecondaryInput)
	if from == nil {
		return nil, &uncertain{"a copy from nothing"}
	}
	return m.tree(ctx, from)
}

// tree is all files after a step.
func (m *maker) tree(ctx context.Context, s *step) (*forest, error) {
	if s == nil {
		return newForest(), nil
	}
	if s.isContext() {
		return m.context, nil
	}
	if known := m.trees[s]; known != nil {
		return known, nil
	}
	f, err := m.grow(ctx, s)
	if err != nil {
		return nil, err
	}
	if m.trees == nil {
		m.trees = map[*step]*forest{}
	}
	m.trees[s] = f
	return f, nil
}

func (m *maker) grow(ctx context.Context, s *step) (*forest, error) {
	switch op := s.op.Op.(type) {
	case *pb.Op_Source:
		if m.bottom == nil || !strings.HasPrefix(op.Source.Identifier, imageScheme) {
			return nil, &uncertain{"it takes files from " + op.Source.Identifier}
		}
		layers, err := m.bottom(ctx, s)
		if err != nil {
			return nil, err
		}
		return layers.all()
	case *pb.Op_File:
		f, err := m.copyOf(ctx, s.fileBase())
		if err != nil {
			return nil, err
		}
		nodes, err := m.file(ctx, s, f)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			f.put(n)
		}
		return f, nil
	case *pb.Op_Merge:
		f, err := m.copyOf(ctx, s.input(op.Merge.Inputs[0].Input))
		if err != nil {
			return nil, err
		}
		over, err := m.tree(ctx, s.input(op.Merge.Inputs[1].Input))
		if err != nil {
			return nil, err
		}
		for _, p := range over.paths() {
			if n := over.nodes[p]; !n.isDir() || f.nodes[p] != nil && !f.nodes[p].isDir() {
				f.cut(p)
			}
			f.put(over.nodes[p])
		}
		return f, nil
	}
	return nil, &uncertain{"it takes files from a stage that runs commands"}
}

// copyOf is a tree that may be changed.
func (m *maker) copyOf(ctx context.Context, s *step) (*forest, error) {
	f, err := m.tree(ctx, s)
	if err != nil {
		return nil, err
	}
	c := newForest()
	for _, p := range f.paths() {
		c.put(f.nodes[p])
	}
	return c, nil
}

// imageScheme is before the reference of an image that is a source.
const imageScheme = "docker-image://"

// owner is who gets what an action writes. What a name means that the image does not know depends on the version of BuildKit.
func (m *maker) owner(o *pb.ChownOpt, files statter) (*owner, error) {
	if o == nil {
		return nil, nil
	}
	if m.named != nil && isNamed(o) {
		return m.named, nil
	}
	who := &owner{}
	if o.User != nil {
		switch u := o.User.User.(type) {
		case *pb.UserOpt_ByID:
			who.uid, who.gid = int(u.ByID), int(u.ByID)
		case *pb.UserOpt_ByName:
			text, err := readText(files, "etc/passwd")
			if err != nil {
				return nil, err
			}
			found, err := user.ParsePasswdFilter(strings.NewReader(text), func(x user.User) bool { return x.Name == u.ByName.Name })
			if err != nil {
				return nil, err
			}
			if len(found) == 0 {
				return nil, &uncertain{"the image below knows no user " + u.ByName.Name}
			}
			who.uid, who.gid = found[0].Uid, found[0].Gid
		}
	}
	if o.Group != nil {
		switch g := o.Group.User.(type) {
		case *pb.UserOpt_ByID:
			who.gid = int(g.ByID)
		case *pb.UserOpt_ByName:
			text, err := readText(files, "etc/group")
			if err != nil {
				return nil, err
			}
			found, err := user.ParseGroupFilter(strings.NewReader(text), func(x user.Group) bool { return x.Name == g.ByName.Name })
			if err != nil {
				return nil, err
			}
			if len(found) == 0 {
				return nil, &uncertain{"the image below knows no group " + g.ByName.Name}
			}
			who.gid = found[0].Gid
		}
	}
	return who, nil
}

// isNamed says whether an owner has to be looked up in the image.
func isNamed(o *pb.ChownOpt) bool {
	if o == nil {
		return false
	}
	_, u := o.GetUser().GetUser().(*pb.UserOpt_ByName)
	_, g := o.GetGroup().GetUser().(*pb.UserOpt_ByName)
	return u || g
}

// ownerOf is the owner that an action names.
func ownerOf(a *pb.FileAction) *pb.ChownOpt {
	switch op := a.Action.(type) {
	case *pb.FileAction_Mkdir:
		return op.Mkdir.Owner
	case *pb.FileAction_Mkfile:
		return op.Mkfile.Owner
	case *pb.FileAction_Copy:
		return op.Copy.Owner
	}
	return nil
}

// readText is the contents of one of the files that are kept with the listings; empty when it is not there.
func readText(files statter, p string) (string, error) {
	at, err := follow(files, p, true)
	if err != nil {
		return "", err
	}
	n, err := files.stat(at)
	if err != nil || !n.isFile() {
		return "", err
	}
	if n.Text != nil || n.Size == 0 {
		return string(n.Text), nil
	}
	return "", &uncertain{"/" + p + " is none of the image's own"}
}

// used are the files of the context that a step and those it needs take, besides what the step's own actions copy.
func used(s *step, context *forest, whole *bool, seen map[*step]bool) map[string]bool {
	all := map[string]bool{}
	if s == nil || seen[s] {
		return all
	}
	seen[s] = true
	for _, in := range s.inputs {
		if in.step.isContext() && s.op.GetFile() == nil {
			*whole = true
		}
		for p := range used(in.step, context, whole, seen) {
			all[p] = true
		}
	}
	for _, a := range s.op.GetFile().GetActions() {
		if c := a.GetCopy(); c != nil && s.input(a.SecondaryInput).isContext() {
			reach(c, context, all)
		}
	}
	return all
}

// reach marks what a copy action may take.
func reach(action *pb.FileActionCopy, context *forest, all map[string]bool) {
	c := &copier{src: context, action: action}
	matches, err := c.matches()
	if err != nil {
		return // what is not there is noticed by the build
	}
	for _, m := range matches {
		at, err := follow(context, m, action.FollowSymlink)
		if err != nil {
			continue
		}
		below(context, at, all)
	}
}

func below(f *forest, p string, all map[string]bool) {
	if f.nodes[p] == nil {
		return
	}
	all[p] = true
	for _, name := range f.list(p) {
		below(f, join(p, name), all)
	}
}

// digest is equal for the same files, whatever their times are: times alone do not make a step be done again.
func digestOf(nodes []*node) string {
	h := sha256.New()
	for _, n := range nodes {
		fmt.Fprintf(h, "%q %o %d %d %d %q %q %s %v", n.Path, n.Mode, n.UID, n.GID, n.Size, n.Link, n.Inode, n.Digest, n.Dev)
		for _, key := range sortedKeys(n.Xattrs) {
			if inLayers(key) {
				fmt.Fprintf(h, " %q=%q", key, n.Xattrs[key])
			}
		}
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}
