package render

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Setters are the values that --set and --set-value-file give to fields marked by a comment, as kpt does:
//
//	image: nginx:1.2 # kpt-set: ${image}:${tag}
type Setters map[string]string

var (
	marked   = regexp.MustCompile(`^(\s*(?:- +)*)((?:[^\s#:'"]+|"[^"]*"|'[^']*') *:(?: +|$))?(.*?)(\s*# *kpt-set: *(.+?)\s*)$`)
	variable = regexp.MustCompile(`\$\{([^{}]+)\}`)
)

// Apply puts the values into a manifest. A field whose comment names only setters that were not given stays as it is; of
// one that names several, those that were not given keep the part of the text that they stand for.
func (s Setters) Apply(manifest []byte) []byte {
	if len(s) == 0 || !strings.Contains(string(manifest), "kpt-set:") {
		return manifest
	}
	lines := strings.Split(string(manifest), "\n")
	var out []string
	for i := 0; i < len(lines); i++ {
		m := marked.FindStringSubmatch(lines[i])
		if m == nil {
			out = append(out, lines[i])
			continue
		}
		value, ok := s.value(m[3], m[5])
		if !ok {
			out = append(out, lines[i])
			continue
		}
		if strings.TrimSpace(m[3]) == "" && m[2] != "" {
			// A list: its items stand below, and give way.
			i = below(lines, i, len(m[1]))
			out = append(out, m[1]+strings.TrimRight(m[2], " ")+" "+value+" "+strings.TrimSpace(m[4]))
			continue
		}
		out = append(out, m[1]+m[2]+quoted(m[3], value)+m[4])
	}
	return []byte(strings.Join(out, "\n"))
}

// value is a pattern with its setters filled in; ok is false when none of them was given, or the others are not known.
func (s Setters) value(old, pattern string) (text string, ok bool) {
	names := variable.FindAllStringSubmatch(pattern, -1)
	given := slices.ContainsFunc(names, func(n []string) bool { _, ok := s[n[1]]; return ok })
	if !given {
		return "", false
	}
	now := s.parts(strings.Trim(strings.TrimSpace(old), `"'`), pattern, names)
	maps.Copy(now, s)
	for _, n := range names {
		if _, known := now[n[1]]; !known {
			return "", false
		}
	}
	return variable.ReplaceAllStringFunc(pattern, func(v string) string { return now[v[2:len(v)-1]] }), true
}

// parts is what each setter of a pattern stands for in a text.
func (s Setters) parts(old, pattern string, names [][]string) map[string]string {
	now := map[string]string{}
	var b strings.Builder
	rest := pattern
	for _, n := range names {
		before, after, _ := strings.Cut(rest, n[0])
		b.WriteString(regexp.QuoteMeta(before) + "(.*?)")
		rest = after
	}
	match := regexp.MustCompile("^" + b.String() + regexp.QuoteMeta(rest) + "$").FindStringSubmatch(old)
	for i, n := range names {
		if match != nil {
			now[n[1]] = match[i+1]
		}
	}
	return now
}

// quoted keeps the quotes that a value had.
func quoted(old, value string) string {
	old = strings.TrimSpace(old)
	for _, q := range []string{`"`, `'`} {
		if len(old) > 1 && strings.HasPrefix(old, q) && strings.HasSuffix(old, q) {
			return q + value + q
		}
	}
	return value
}

// below is the last line of the list that stands under a key.
func below(lines []string, at, indent int) int {
	for at+1 < len(lines) {
		text := strings.TrimLeft(lines[at+1], " ")
		deep := len(lines[at+1]) - len(text)
		if text != "" && !(deep > indent || deep == indent && strings.HasPrefix(text, "- ")) {
			break
		}
		at++
	}
	return at
}
