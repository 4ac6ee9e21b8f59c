package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// patchMove says where patches of a place go when a step moves the place: "*" stands for a list position, which stays.
type patchMove struct{ from, to string }

// moves is every place that the step moves, as patches see it.
func (s step) moves() []patchMove {
	all := slices.Clone(s.patches)
	for _, r := range s.renames {
		at := strings.ReplaceAll(strings.ReplaceAll(r.at, "[]", "/*"), ".", "/")
		all = append(all, patchMove{at + "/" + r.from, at + "/" + r.to})
	}
	return all
}

// renameInPatches changes the paths of a profile's patches where the place they name moves. Skaffold leaves them, and
// such a profile fails when it is used.
func renameInPatches(profile *yaml.Node, m patchMove) {
	for _, patch := range find(profile, "patches[]") {
		for _, key := range []string{"path", "from"} {
			if n := get(patch, key); n != nil {
				n.Value = m.apply(n.Value)
			}
		}
	}
}

func (m patchMove) apply(path string) string {
	steps := strings.Split(strings.TrimPrefix(path, "/"), "/")
	from, to := strings.Split(m.from, "/"), strings.Split(m.to, "/")
	if !strings.HasPrefix(path, "/") || len(steps) < len(from) {
		return path
	}
	var positions []string
	for i, want := range from {
		if want == "*" {
			positions = append(positions, steps[i])
		} else if steps[i] != want {
			return path
		}
	}
	for i, step := range to {
		if step == "*" && len(positions) > 0 {
			to[i], positions = positions[0], positions[1:]
		}
	}
	return "/" + strings.Join(append(to, steps[len(from):]...), "/")
}

// helmOverrides is the image strategy of each helm release, the top level's first, for the patches of the profiles.
func helmOverrides(u *upgrade) map[string][]*yaml.Node {
	all := map[string][]*yaml.Node{}
	for _, p := range u.pipelines() {
		for _, r := range find(p.node, "deploy.helm.releases[]") {
			all[p.profile] = append(all[p.profile], clone(get(r, "imageStrategy")))
		}
	}
	return all
}

// patchesFromV2beta29 points the patches of a profile to the places where the values stand after the step.
func patchesFromV2beta29(profile *yaml.Node, overrides map[string][]*yaml.Node) {
	patches := get(profile, "patches")
	strategies := overrides[value(get(profile, "name"))]
	if len(strategies) == 0 {
		strategies = overrides[""]
	}
	for _, patch := range items(patches) {
		path := get(patch, "path")
		if path == nil || strings.Contains(path.Value, "/deploy/helm/hooks") {
			continue
		}
		if more, ok := overridePatch(patch, path, strategies); ok {
			patches.Content = append(patches.Content, more...)
			continue
		}
		if strings.Contains(path.Value, "/deploy/helm") {
			patches.Content = append(patches.Content, clone(patch)) // the release stands in two places now
		}
		path.Value = strings.Replace(path.Value, "/deploy/helm", "/manifests/helm", 1)
	}
}

// overridePatch turns a patch of one image override into a patch of the template it becomes, and the patches to add.
func overridePatch(patch, path *yaml.Node, strategies []*yaml.Node) (more []*yaml.Node, ok bool) {
	m := regexp.MustCompile(`^/deploy/helm/releases/(\d+)/artifactOverrides/(.+)$`).FindStringSubmatch(path.Value)
	image := get(patch, "value")
	if m == nil || value(image) == "" {
		return nil, false
	}
	i, err := strconv.Atoi(m[1])
	if err != nil || i >= len(strategies) {
		return nil, false
	}
	key := strings.ReplaceAll(m[2], "/", ".")
	base := "/manifests/helm/releases/" + m[1] + "/setValueTemplates/"
	for n, t := range imageTemplates(key, image.Value, strategies[i]) {
		target := patch
		if n > 0 {
			target = clone(patch)
			more = append(more, target)
		}
		set(target, "path", text(base+t.key, path))
		set(target, "value", text(t.value, image))
	}
	return more, true
}

// settle looks for patches whose value the step changes: it puts each value alone into a document, at the place that the
// patch names, and takes that through the step. Such a patch leaves its list until the step is done; what is returned
// puts in what it has become. Skaffold leaves all of them as they are, and they fail, or are ignored, when they are used.
func (s step) settle(d *document) (done func()) {
	var all []func()
	for _, profile := range items(get(d.root, "profiles")) {
		list := get(profile, "patches")
		for i, patch := range items(list) {
			if instead := s.changed(d, profile, patch); instead != nil {
				gap := placed(yaml.ScalarNode, "!!null", "", patch)
				list.Content[i] = gap
				all = append(all, func() {
					at := slices.Index(list.Content, gap)
					list.Content = slices.Replace(list.Content, at, at+1, instead()...)
				})
			}
		}
	}
	return func() {
		for _, put := range all {
			put()
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
	path := at.Value
	for _, m := range s.moves() {
		path = m.apply(path)
	}
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
