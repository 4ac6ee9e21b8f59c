package config

import (
	"cmp"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fromV1beta9 turns each sync entry "source: destination" into a manual rule.
func fromV1beta9(u *upgrade, p *yaml.Node) {
	for _, a := range artifacts(p) {
		old := get(a, "sync")
		if isNull(old) || old.Kind != yaml.MappingNode {
			continue
		}
		manual := list(old)
		for i := 0; i+1 < len(old.Content); i += 2 {
			manual.Content = append(manual.Content, syncRule(u, old.Content[i], old.Content[i+1]))
		}
		sync := mapping(old)
		if len(manual.Content) > 0 {
			set(sync, "manual", manual)
		}
		set(a, "sync", sync)
	}
	for _, patch := range items(get(p, "patches")) {
		syncPatch(u, p, patch)
	}
}

// syncPatch points a patch of one entry of a sync map at the rule that the entry has become.
func syncPatch(u *upgrade, profile, patch *yaml.Node) {
	path, v := get(patch, "path"), get(patch, "value")
	m := regexp.MustCompile(`^(/build/artifacts/[^/]+/sync)/([^/]+)$`).FindStringSubmatch(value(path))
	if m == nil || !isNull(v) && v.Kind != yaml.ScalarNode {
		return
	}
	base := u.doc.root
	if len(artifacts(profile)) > 0 {
		base = profile
	}
	key := text(strings.NewReplacer("~1", "/", "~0", "~").Replace(m[2]), path)
	there := m[1] + "/manual/src=" + strings.NewReplacer("***", "**").Replace(m[2])
	if !isNull(v) {
		v = syncRule(u, key, v)
		set(patch, "value", v)
	}
	_, missing := resolve(base, there, false)
	switch op := value(get(patch, "op")); {
	case missing == "" && op == "add":
		set(patch, "op", text("replace", path))
	case op == "add":
		there = m[1] + "/manual/-"
		if _, none := resolve(base, m[1]+"/manual", false); none != "" {
			there = m[1] + "/manual"
			set(patch, "value", list(path, v))
		}
	}
	path.Value = there
}

func syncRule(u *upgrade, key, target *yaml.Node) *yaml.Node {
	src, dest, strip := key.Value, value(target), ""
	switch dir, flat := flatGlob(src); {
	case flat:
		dest, strip = shorten(dest, dir)
	case strings.Contains(src, "***"):
		before, _, _ := strings.Cut(src, "***")
		dest, strip = shorten(dest, before)
		src = strings.ReplaceAll(src, "***", "**")
	default:
		u.doc.note(key, "sync keeps the folders of "+src+" since skaffold/v1beta10; it used to drop them", `upgrade the file and write "sync.manual" with "strip"`)
	}
	rule := mapping(key)
	set(rule, "src", text(src, key))
	set(rule, "dest", text(dest, target))
	if strip != "" {
		set(rule, "strip", text(strip, key))
	}
	return rule
}

// flatGlob splits a pattern whose files all lie in one folder: no star in the folder, at most one in the name.
func flatGlob(src string) (dir string, ok bool) {
	cut := strings.LastIndexByte(src, '/') + 1
	return src[:cut], !strings.Contains(src[:cut], "*") && strings.Count(src[cut:], "*") <= 1
}

// shorten leaves out the folder that both the destination and the stripped prefix end with. Whole folder names are
// compared; Skaffold compares letters, and makes "/app/a" of "/app/asrc".
func shorten(dest, strip string) (string, string) {
	if strip == "" || strip == "/" || dest == "" {
		return dest, strip
	}
	slashed := dest
	if !strings.HasSuffix(slashed, "/") {
		slashed += "/"
	}
	tail := strings.TrimPrefix(strip, "/")
	head, ok := strings.CutSuffix(slashed, tail)
	if !ok || head != "" && !strings.HasSuffix(head, "/") {
		return dest, strip
	}
	return cmp.Or(head, "."), ""
}
