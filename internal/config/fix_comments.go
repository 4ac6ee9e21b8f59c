package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// remark is a comment and the line of what it speaks about.
type remark struct {
	line int
	text string
}

// remarks is the comments of a document, so that none is lost when the keys that they stand at move or go.
type remarks []remark

func remember(n *yaml.Node) remarks {
	var all remarks
	for _, text := range []string{n.HeadComment, n.LineComment, n.FootComment} {
		if text != "" {
			all = append(all, remark{n.Line, text})
		}
	}
	for _, m := range n.Content {
		all = append(all, remember(m)...)
	}
	return all
}

// rescue puts the comments that the document lost above what stands closest after their old place.
func (all remarks) rescue(root *yaml.Node) {
	if root == nil || root.Kind != yaml.MappingNode {
		return
	}
	have := map[string]int{}
	for _, r := range remember(root) {
		have[r.text]++
	}
	for _, r := range all {
		if have[r.text] > 0 {
			have[r.text]--
			continue
		}
		if at := closest(root, r.line); at != nil {
			at.HeadComment = joined(at.HeadComment, r.text)
		} else {
			root.FootComment = joined(root.FootComment, r.text)
		}
	}
}

// closest is the key that stands first at or after a line of the user's file, nil where there is none.
func closest(n *yaml.Node, line int) *yaml.Node {
	var best *yaml.Node
	take := func(k *yaml.Node) {
		if k != nil && k.Line >= line && (best == nil || k.Line < best.Line) {
			best = k
		}
	}
	for i, m := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			take(m)
			continue
		}
		if m.Style&yaml.FlowStyle == 0 {
			take(closest(m, line))
		}
	}
	return best
}

// joined is two comments, one below the other.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n" + b
}

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
