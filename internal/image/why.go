package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/tree"
)

// Change is one part of an inventory that differs from the one before.
type Change struct {
	Part string `json:"part"` // "file", "setting", "base", "requires", "builder", "name", "platform", "push"
	Name string `json:"name,omitempty"`
	Kind string `json:"kind"` // "changed", "added", "removed", "mode"
}

// String is the change in words.
func (c Change) String() string {
	verb := map[string]string{"changed": "changed", "added": "is new", "removed": "is gone", "mode": "has another mode"}[c.Kind]
	switch c.Part {
	case "file":
		return c.Name + " " + verb
	case "base":
		return "the base image " + c.Name + " " + map[string]string{"changed": "is another one now"}[c.Kind] + map[string]string{"added": "is new", "removed": "is not used any more"}[c.Kind]
	case "requires":
		return fmt.Sprintf("the required image %s is another one now", c.Name)
	case "setting":
		if arg, ok := strings.CutPrefix(c.Name, "args."); ok {
			return "the build argument " + arg + " " + verb
		}
		return "the setting " + c.Name + " " + verb
	case "push":
		return "it goes to another place (push)"
	case "name":
		return "it has another name (" + c.Name + ")"
	}
	return "the " + c.Part + " " + verb
}

// Diff is what changed since an earlier inventory, what weighs most first.
func (inv *Inventory) Diff(before *Inventory) []Change {
	var changes []Change
	add := func(differs bool, part, name string) {
		if differs {
			changes = append(changes, Change{part, name, "changed"})
		}
	}
	add(inv.Builder != before.Builder, "builder", "")
	add(inv.Name != before.Name, "name", inv.Name)
	add(inv.Push != before.Push, "push", "")
	add(inv.Platform != before.Platform, "platform", "")
	changes = append(changes, diffMaps("setting", inv.Settings, before.Settings)...)
	changes = append(changes, diffMaps("base", inv.Bases, before.Bases)...)
	changes = append(changes, diffMaps("requires", inv.Needs, before.Needs)...)
	return append(changes, diffFiles(inv.Files, before.Files)...)
}

func diffMaps(part string, now, before map[string]string) []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(now)) {
		old, ok := before[name]
		switch {
		case !ok:
			changes = append(changes, Change{part, name, "added"})
		case old != now[name]:
			changes = append(changes, Change{part, name, "changed"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := now[name]; !ok {
			changes = append(changes, Change{part, name, "removed"})
		}
	}
	return changes
}

func diffFiles(now, before []InputFile) []Change {
	old := make(map[string]InputFile, len(before))
	for _, f := range before {
		old[f.Path] = f
	}
	var changes []Change
	for _, f := range now {
		was, ok := old[f.Path]
		delete(old, f.Path)
		switch {
		case !ok:
			changes = append(changes, Change{"file", f.Path, "added"})
		case was.Digest[:min(2*kept, len(was.Digest))] != f.Digest[:min(2*kept, len(f.Digest))] || was.Mode&fs.ModeType != f.Mode&fs.ModeType:
			changes = append(changes, Change{"file", f.Path, "changed"})
		case was.Mode != f.Mode:
			changes = append(changes, Change{"file", f.Path, "mode"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		changes = append(changes, Change{"file", name, "removed"})
	}
	return changes
}

// Cause is changes in a few words: the first of them, and how many more there are.
func Cause(changes []Change) string {
	switch len(changes) {
	case 0:
		return ""
	case 1:
		return changes[0].String()
	}
	more := "1 more change"
	if n := len(changes) - 1; n > 1 {
		more = fmt.Sprintf("%d more changes", n)
	}
	return fmt.Sprintf("%s, and %s", changes[0], more)
}

// cause is why a request has to be built, in words.
func (c *Cache) cause(r Request, inv *Inventory, missed error) string {
	before, ok := c.history.inventory(r.Artifact.Image)
	if !ok {
		return "it was not made here before"
	}
	if text := Cause(inv.Diff(before)); text != "" {
		return text
	}
	if last, ok := c.history.last(r.Artifact.Image); ok && last.Outcome == "failed" {
		return "the last build failed"
	}
	return missed.Error()
}

// Answer is what would happen to one artifact now, and what happened last.
type Answer struct {
	Image   string   `json:"image"`
	Last    *Record  `json:"last,omitempty"`
	Changes []Change `json:"changes,omitempty"` // since then
	Found   string   `json:"found,omitempty"`   // where an equal image is: "registry", "engine"; empty: it would be built
	Ref     string   `json:"ref,omitempty"`
	Cause   string   `json:"cause,omitempty"` // why it would be built
}

// Last is what is remembered of an artifact's last image.
func (c *Cache) Last(image string) (Record, bool) { return c.history.last(image) }

// Why says of each request whether it would be built now, and why. Nothing is built, tagged or pushed.
func Why(ctx context.Context, s Set, requests []Request) ([]Answer, error) {
	ctx = tree.WithLook(ctx)
	nodes, err := plan(s, requests)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(nodes))
	var g errgroup.Group
	for i, n := range nodes {
		g.Go(func() (err error) {
			defer close(n.done)
			answers[i], err = s.why(ctx, n)
			n.err = err
			return err
		})
	}
	return answers, g.Wait()
}

func (s Set) why(ctx context.Context, n *node) (Answer, error) {
	n.Needs = map[string]Result{}
	remade := ""
	for _, edge := range n.needs {
		if edge.node == nil {
			n.Needs[edge.alias] = edge.built
			continue
		}
		<-edge.node.done
		if n.Needs[edge.alias] = edge.node.result; edge.node.result.Cached == "" {
			remade = edge.image
		}
	}
	b, err := s.Builders(n.Artifact)
	if err != nil {
		return Answer{Image: n.Artifact.Image}, err
	}
	a, err := s.Cache.why(ctx, b, n)
	if remade != "" && err == nil {
		a.Found, a.Ref, a.Cause, a.Changes = "", "", fmt.Sprintf("it requires %s, which would be built", remade), nil
		n.result = Result{}
	}
	return a, err
}

func (c *Cache) why(ctx context.Context, b Builder, n *node) (Answer, error) {
	a := Answer{Image: n.Artifact.Image}
	inv, err := c.Inventory(ctx, b, n.Request)
	if err != nil {
		return a, err
	}
	key, err := inv.Key()
	if err != nil {
		return a, err
	}
	if last, ok := c.history.last(n.Artifact.Image); ok {
		a.Last = &last
	}
	if before, ok := c.history.inventory(n.Artifact.Image); ok {
		a.Changes = inv.Diff(before)
	}
	missed := errUnknown
	if e, ok := c.lookup(key); ok {
		if a.Found, a.Ref = c.prove(ctx, n.Request, e); a.Found != "" {
			n.result = Result{Image: a.Image, Ref: a.Ref, ID: e.ID, Digest: e.Digest, Cached: a.Found}
			if !n.Push {
				n.result.Digest = ""
			}
			return a, nil
		}
		missed = errors.New("the image that was made from the same inputs is not where it was")
	}
	a.Cause = c.cause(n.Request, inv, missed)
	return a, nil
}

// prove says where an image is that was made before, and what it is called there. It changes nothing.
func (c *Cache) prove(ctx context.Context, r Request, e entry) (where, ref string) {
	if r.Push && e.Digest != "" {
		if have, err := c.o.Registry.Digest(ctx, Pinned(repository(r.Ref), e.Digest)); err == nil && have == e.Digest {
			return "registry", Pinned(r.Ref, e.Digest)
		}
	}
	if e.ID == "" || c.o.Engine == nil {
		return "", ""
	}
	if _, err := c.o.Engine.Inspect(ctx, e.ID); err != nil {
		return "", ""
	}
	return "engine", ByID(r.Ref, e.ID)
}
