package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// blank stands for an empty line of the user's file: comments survive an upgrade, and so does it.
const blank = "#~empty~"

// marked is the text with its empty lines marked; only those above the top-level keys where an empty line inside of a text
// would be marked too, and none where that does not help.
func marked(data []byte) []byte {
	for _, everywhere := range []bool{true, false} {
		lines := strings.Split(string(data), "\n")
		next := ""
		for i, line := range slices.Backward(lines) {
			if strings.TrimSpace(line) != "" {
				next = line
			} else if indent := len(next) - len(strings.TrimLeft(next, " ")); next != "" && (everywhere || indent == 0) {
				lines[i] = next[:indent] + blank
			}
		}
		text := []byte(strings.Join(lines, "\n"))
		if nodes, err := decodeAll(text); err == nil && !slices.ContainsFunc(nodes, holdsBlank) {
			return text
		}
	}
	return data
}

func holdsBlank(n *yaml.Node) bool {
	return strings.Contains(n.Value, blank) || slices.ContainsFunc(n.Content, holdsBlank)
}

// unmarked is the text with its empty lines back, never two below each other.
func unmarked(text []byte) []byte {
	var out []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.TrimSpace(line) != blank {
			out = append(out, line)
		} else if len(out) > 0 && out[len(out)-1] != "" {
			out = append(out, "")
		}
	}
	return []byte(strings.Join(out, "\n"))
}
