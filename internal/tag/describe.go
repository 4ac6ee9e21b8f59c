package tag

import (
	"context"
	"fmt"
	"math/bits"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// describe finds what git describe --tags --always finds: among the tags that are met first on the way back from HEAD, the one
// with the fewest commits since.
func (n *native) describe(ctx context.Context) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.described != "" {
		return n.described, nil
	}
	text, err := n.find(ctx)
	n.described = text
	return text, err
}

func (n *native) find(ctx context.Context) (string, error) {
	tags, err := n.tags()
	if err != nil {
		return "", err
	}
	if t, ok := tags[n.head.Hash]; ok {
		return t.name, nil
	}
	if len(tags) == 0 {
		return n.headName(ctx, true)
	}
	s := &search{tags: tags, flags: map[plumbing.Hash]uint32{}}
	best, err := s.run(ctx, n.head)
	if err != nil {
		return "", err
	}
	short, err := n.headName(ctx, true)
	if err != nil || best == nil {
		return short, err
	}
	return fmt.Sprintf("%s-%d-g%s", best.name, best.depth, short), nil
}

// tagged is the tag by which a commit is called.
type tagged struct {
	name      string
	annotated bool
	date      int64
}

// stronger says whether t is taken rather than other where both name one commit: annotated before light, then the newer one.
func (t tagged) stronger(other tagged) bool {
	if t.annotated != other.annotated {
		return t.annotated
	}
	return t.annotated && t.date > other.date
}

func (n *native) tags() (map[plumbing.Hash]tagged, error) {
	refs, err := n.repo.Tags()
	if err != nil {
		return nil, err
	}
	var list []*plumbing.Reference
	if err := refs.ForEach(func(r *plumbing.Reference) error { list = append(list, r); return nil }); err != nil {
		return nil, err
	}
	// Of two light tags git takes the one whose name comes first.
	slices.SortFunc(list, func(a, b *plumbing.Reference) int { return compare(string(a.Name()), string(b.Name())) })
	tags := map[plumbing.Hash]tagged{}
	for _, r := range list {
		t, at := tagged{name: r.Name().Short()}, r.Hash()
		if o, err := n.repo.TagObject(at); err == nil {
			commit, err := o.Commit()
			if err != nil {
				continue // a tag of a tree or a file
			}
			t.annotated, t.date, at = true, o.Tagger.When.Unix(), commit.Hash
			t.name = o.Name
		}
		if have, ok := tags[at]; !ok || t.stronger(have) {
			tags[at] = t
		}
	}
	return tags, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// maxCandidates is how many tags are weighed, as with git.
const maxCandidates = 10

// search walks back from a commit, the newest commit first. A flag stands for one candidate: it is on every commit that the
// candidate's tag contains, as far as the walk has come.
type search struct {
	tags       map[plumbing.Hash]tagged
	flags      map[plumbing.Hash]uint32
	queue      []*object.Commit
	candidates []*candidate
	annotated  bool
}

type candidate struct {
	name  string
	flag  uint32
	depth int // commits that the tag does not contain
}

func (s *search) run(ctx context.Context, head *object.Commit) (*candidate, error) {
	s.push(head, 0)
	seen := 0
	for len(s.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(s.candidates) == maxCandidates || len(s.candidates) == len(s.tags) {
			break
		}
		c := s.pop()
		seen++
		s.meet(c, seen-1)
		if s.annotated && len(s.queue) == 0 && s.covered(c) {
			break
		}
		if err := s.parents(c); err != nil {
			return nil, err
		}
	}
	if len(s.candidates) == 0 {
		return nil, nil
	}
	best := s.candidates[0]
	for _, c := range s.candidates {
		if c.depth < best.depth {
			best = c
		}
	}
	return best, s.finish(best)
}

// meet counts a commit, and makes a candidate of its tag.
func (s *search) meet(c *object.Commit, before int) {
	if t, ok := s.tags[c.Hash]; ok {
		flag := uint32(1) << len(s.candidates)
		s.candidates = append(s.candidates, &candidate{t.name, flag, before})
		s.flags[c.Hash] |= flag
		s.annotated = s.annotated || t.annotated
	}
	for _, k := range s.candidates {
		if s.flags[c.Hash]&k.flag == 0 {
			k.depth++
		}
	}
}

// covered says whether the commit lies in every one of the best candidates: what follows cannot change their order.
func (s *search) covered(c *object.Commit) bool {
	least, within := -1, uint32(0)
	for _, k := range s.candidates {
		switch {
		case least < 0 || k.depth < least:
			least, within = k.depth, k.flag
		case k.depth == least:
			within |= k.flag
		}
	}
	return bits.OnesCount32(s.flags[c.Hash]&within) == bits.OnesCount32(within)
}

// finish walks on until everything left lies in the best candidate, and counts what does not.
func (s *search) finish(best *candidate) error {
	for len(s.queue) > 0 {
		c := s.pop()
		if s.flags[c.Hash]&best.flag == 0 {
			best.depth++
		} else if !slices.ContainsFunc(s.queue, func(o *object.Commit) bool { return s.flags[o.Hash]&best.flag == 0 }) {
			return nil
		}
		if err := s.parents(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *search) parents(c *object.Commit) error {
	flags := s.flags[c.Hash]
	return c.Parents().ForEach(func(p *object.Commit) error {
		if have, met := s.flags[p.Hash]; met {
			s.flags[p.Hash] = have | flags
			return nil
		}
		s.push(p, flags)
		return nil
	})
}

// push queues a commit behind those that are newer or as new.
func (s *search) push(c *object.Commit, flags uint32) {
	s.flags[c.Hash] = flags
	at := slices.IndexFunc(s.queue, func(o *object.Commit) bool { return o.Committer.When.Before(c.Committer.When) })
	if at < 0 {
		at = len(s.queue)
	}
	s.queue = slices.Insert(s.queue, at, c)
}

func (s *search) pop() *object.Commit {
	c := s.queue[0]
	s.queue = s.queue[1:]
	return c
}
