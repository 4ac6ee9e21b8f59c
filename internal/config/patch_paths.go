package config

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// patchMove says where patches of a place go when a step moves the place: "*" stands for a list position, which stays.
type patchMove struct{ from, to string }

// move is the renaming as patches see it.
func (r renaming) move() patchMove {
	at := strings.ReplaceAll(strings.ReplaceAll(r.at, "[]", "/*"), ".", "/")
	return patchMove{at + "/" + r.from, at + "/" + r.to}
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
