package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// patch runs one patch of a profile on the whole document. It points at values as they are written: defaults are not
// there yet.
func (d *document) patch(p *yaml.Node, profile string) {
	path, op := get(p, "path"), cmp.Or(value(get(p, "op")), "replace")
	if err := d.runPatch(p, op, value(path)); err != "" {
		at := path
		if at == nil {
			at = p
		}
		d.fault(at, fmt.Sprintf("patch %s %q of profile %q: %s", op, value(path), profile, err), patchHint(op, err))
	}
}

func patchHint(op, problem string) string {
	switch {
	case strings.Contains(problem, "another one"):
		return "change the value that the patch expects, or remove the patch"
	case strings.Contains(problem, "operation"):
		return "use add, remove, replace, move, copy or test"
	case strings.Contains(problem, "begin"):
		return `write the path from the top of the document: /build/artifacts/0/context`
	case op == "replace" && strings.Contains(problem, `has no "`):
		return `write "op: add": a default that the file does not write cannot be replaced`
	}
	return "correct the path; list positions count from 0, and image=NAME picks by value"
}

// runPatch is the problem in words, "" when the patch was applied.
func (d *document) runPatch(p *yaml.Node, op, path string) string {
	if !slices.Contains([]string{"add", "remove", "replace", "move", "copy", "test"}, op) {
		return fmt.Sprintf("there is no operation %q", op)
	}
	spots, problem := resolve(d.root, path, op == "add" || op == "move" || op == "copy")
	if problem != "" {
		return problem
	}
	v := get(p, "value")
	if v == nil {
		v = placed(yaml.ScalarNode, "!!null", "null", p)
	}
	if op == "move" || op == "copy" {
		from, problem := resolve(d.root, value(get(p, "from")), false)
		if problem != "" {
			return "from: " + problem
		}
		v = from[0].node()
		if op == "move" {
			from[0].remove()
		}
	}
	// From the end, so that a list position that is still to come does not shift.
	for _, s := range slices.Backward(spots) {
		switch op {
		case "remove":
			s.remove()
		case "test":
			if !equal(s.node(), v) {
				return "the value is another one"
			}
		case "add":
			s.put(d.clone(v), true)
		default:
			s.put(d.clone(v), false)
		}
	}
	return ""
}

// spot is a member of a mapping or a list.
type spot struct {
	parent *yaml.Node
	key    string // of a mapping
	index  int    // of a list; its length is the place after the end
}

func (s spot) node() *yaml.Node {
	if s.parent.Kind == yaml.SequenceNode {
		if s.index < len(s.parent.Content) {
			return s.parent.Content[s.index]
		}
		return nil
	}
	return get(s.parent, s.key)
}

func (s spot) remove() {
	if s.parent.Kind == yaml.SequenceNode {
		if s.index < len(s.parent.Content) {
			s.parent.Content = slices.Delete(s.parent.Content, s.index, s.index+1)
		}
		return
	}
	cut(s.parent, s.key)
}

func (s spot) put(v *yaml.Node, insert bool) {
	switch {
	case s.parent.Kind != yaml.SequenceNode:
		cut(s.parent, s.key)
		set(s.parent, s.key, v)
	case insert || s.index >= len(s.parent.Content):
		s.parent.Content = slices.Insert(s.parent.Content, min(s.index, len(s.parent.Content)), v)
	default:
		s.parent.Content[s.index] = v
	}
}

// resolve is every spot that a path means; with fresh, the last step may name a spot that does not exist yet.
func resolve(root *yaml.Node, path string, fresh bool) ([]spot, string) {
	if !strings.HasPrefix(path, "/") {
		return nil, `the path must begin with "/"`
	}
	steps := strings.Split(path[1:], "/")
	nodes := []*yaml.Node{root}
	done := ""
	for i, step := range steps {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		var spots []spot
		problem := ""
		for _, n := range nodes {
			found, why := descend(n, step, fresh && i == len(steps)-1)
			spots = append(spots, found...)
			if why != "" {
				problem = why
			}
		}
		if len(spots) == 0 {
			return nil, fmt.Sprintf("%s %s", cmp.Or(done, "the document"), problem)
		}
		if i == len(steps)-1 {
			return spots, ""
		}
		nodes = nodes[:0:0]
		for _, s := range spots {
			nodes = append(nodes, s.node())
		}
		done += "/" + step
	}
	return nil, "the path is empty"
}

// descend is the spots that one step of a path means below a node.
func descend(n *yaml.Node, step string, fresh bool) ([]spot, string) {
	if key, want, ok := strings.Cut(step, "="); ok && get(n, step) == nil {
		if spots := search(n, key, want); len(spots) > 0 {
			return spots, ""
		}
		return nil, fmt.Sprintf("has no list item with %s: %s", key, want)
	}
	switch {
	case n == nil:
	case n.Kind == yaml.MappingNode:
		if get(n, step) != nil || fresh {
			return []spot{{parent: n, key: step}}, ""
		}
		return nil, fmt.Sprintf("has no %q", step)
	case n.Kind == yaml.SequenceNode:
		i, err := strconv.Atoi(step)
		if step == "-" && fresh {
			i, err = len(n.Content), nil
		}
		if err != nil || i < 0 {
			return nil, fmt.Sprintf("is a list, and %q is no position in it", step)
		}
		if i < len(n.Content) || fresh && i == len(n.Content) {
			return []spot{{parent: n, index: i}}, ""
		}
		return nil, fmt.Sprintf("has no item %d; it has %d", i, len(n.Content))
	}
	return nil, fmt.Sprintf("is a single value and has no %q", step)
}

// search is every list item below n, at any depth, whose key has the wanted value.
func search(n *yaml.Node, key, want string) []spot {
	var spots []spot
	if n == nil {
		return nil
	}
	for i, m := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if n.Kind == yaml.SequenceNode && value(get(m, key)) == want {
			spots = append(spots, spot{parent: n, index: i})
			continue
		}
		spots = append(spots, search(m, key, want)...)
	}
	return spots
}

// equal compares two nodes as values.
func equal(a, b *yaml.Node) bool {
	if isNull(a) || isNull(b) {
		return isNull(a) && isNull(b)
	}
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return false
	}
	if a.Kind == yaml.ScalarNode {
		return a.Value == b.Value
	}
	for i, m := range a.Content {
		if a.Kind == yaml.MappingNode {
			if i%2 == 0 && !equal(a.Content[i+1], get(b, m.Value)) {
				return false
			}
			continue
		}
		if !equal(m, b.Content[i]) {
			return false
		}
	}
	return true
}
