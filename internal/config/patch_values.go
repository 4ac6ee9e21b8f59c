package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// settled is a patch whose value has the shape of an old version, and what takes its place after a step.
type settled struct {
	list, patch *yaml.Node
	instead     func() []*yaml.Node
}

// settle looks for patches whose value the step changes: it puts each value alone into a document, at the place that the
// patch names, and takes that through the step. Such a patch leaves its list until the step is done; what is returned
// puts in what it has become. Skaffold leaves all of them as they are, and they fail, or are ignored, when they are used.
func (s step) settle(d *document) (done func()) {
	var all []settled
	for _, profile := range items(get(d.root, "profiles")) {
		list := get(profile, "patches")
		for i, patch := range items(list) {
			if instead := s.changed(d, profile, patch); instead != nil {
				all = append(all, settled{list, patch, instead})
				list.Content[i] = placed(yaml.ScalarNode, "!!null", "", patch)
				all[len(all)-1].patch = list.Content[i]
			}
		}
	}
	return func() {
		for _, one := range all {
			i := slices.Index(one.list.Content, one.patch)
			one.list.Content = slices.Replace(one.list.Content, i, i+1, one.instead()...)
		}
	}
}

// changed is nil where the step leaves the patch's value alone.
func (s step) changed(d *document, profile, patch *yaml.Node) func() []*yaml.Node {
	at, v, op := get(patch, "path"), get(patch, "value"), value(get(patch, "op"))
	if !strings.HasPrefix(value(at), "/") || isNull(v) || v.Kind == yaml.ScalarNode || op != "" && op != "add" && op != "replace" {
		return nil
	}
	steps := strings.Split(at.Value[1:], "/")
	alone := &document{source: d.source, root: d.clone(v), version: d.version}
	for _, step := range slices.Backward(steps) {
		if isPosition(step) {
			alone.root = list(v, alone.root)
			continue
		}
		around := mapping(v)
		set(around, step, alone.root)
		alone.root = around
	}
	if alone.root.Kind != yaml.MappingNode || steps[0] == "profiles" {
		return nil
	}
	s.run(alone)
	path := s.moved(at.Value)
	m := &mover{document: d.root, profile: profile, patch: patch, depth: len(steps)}
	m.walk(alone.root, nil, strings.Split(path[1:], "/"))
	if len(alone.faults) == 0 && len(m.more) == 0 && m.value != nil && equal(m.value, v) {
		return nil
	}
	d.faults, d.notes = append(d.faults, alone.faults...), append(d.notes, alone.notes...)
	return func() []*yaml.Node { return m.patches(path) }
}

// isPosition tells whether a step of a patch's path picks an item of a list.
func isPosition(step string) bool {
	return step == "-" || strings.Contains(step, "=") || step != "" && strings.Trim(step, "0123456789") == ""
}

// moved is where the step moves what a patch names.
func (s step) moved(path string) string {
	for _, r := range s.renames {
		path = r.move().apply(path)
	}
	for _, m := range s.patches {
		path = m.apply(path)
	}
	return path
}

// mover finds what has become of the value of a patch.
type mover struct {
	document, profile, patch *yaml.Node
	depth                    int        // of the path that the patch had
	value                    *yaml.Node // what stands at its place now
	more                     []part
}

// part is a value that stands somewhere else.
type part struct {
	path  []string
	rest  []string // the positions of lists that the patch's path has and this one does not have yet
	value *yaml.Node
}

// walk goes down the path of the patch and remembers what stands beside it.
func (m *mover) walk(n *yaml.Node, done, steps []string) {
	if len(steps) == 0 {
		m.value = n
		return
	}
	at := append(slices.Clone(done), steps[0])
	if n.Kind == yaml.SequenceNode && len(n.Content) == 1 {
		m.walk(n.Content[0], at, steps[1:])
		return
	}
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if key := n.Content[i].Value; key == steps[0] {
			m.walk(n.Content[i+1], at, steps[1:])
		} else {
			positions := slices.DeleteFunc(slices.Clone(steps), func(s string) bool { return !isPosition(s) })
			m.more = append(m.more, part{append(slices.Clone(done), key), positions, n.Content[i+1]})
		}
	}
}

// patches is what takes the place of the patch, when the document around it has gone through the step as well.
func (m *mover) patches(path string) []*yaml.Node {
	var all []*yaml.Node
	if m.value != nil {
		set(m.patch, "path", text(path, get(m.patch, "path")))
		set(m.patch, "value", m.value)
		all = append(all, m.patch)
	}
	for _, p := range m.more {
		all = append(all, m.parts(p)...)
	}
	return all
}

// parts adds a value as a whole where nothing stands yet, else what it holds, as deep as the patch itself was.
func (m *mover) parts(p part) []*yaml.Node {
	path := "/" + strings.Join(p.path, "/")
	_, missing := resolve(m.document, path, false)
	if missing != "" {
		_, missing = resolve(m.profile, path, false)
	}
	isItem := p.value.Kind == yaml.SequenceNode && len(p.value.Content) == 1 && len(p.rest) > 0
	switch {
	case missing == "" && p.value.Kind == yaml.MappingNode && (len(p.value.Content) == 0 || len(p.path) < m.depth):
		var all []*yaml.Node
		for i := 0; i+1 < len(p.value.Content); i += 2 {
			all = append(all, m.parts(part{append(slices.Clone(p.path), p.value.Content[i].Value), p.rest, p.value.Content[i+1]})...)
		}
		return all
	case missing == "" && isItem && len(p.path) < m.depth:
		return m.parts(part{append(slices.Clone(p.path), p.rest[0]), p.rest[1:], p.value.Content[0]})
	}
	patch := clone(m.patch)
	set(patch, "path", text(path, get(m.patch, "path")))
	set(patch, "value", p.value)
	if !isPosition(p.path[len(p.path)-1]) {
		set(patch, "op", text("add", get(m.patch, "path")))
	}
	return []*yaml.Node{patch}
}
