package config

import "go.yaml.in/yaml/v3"

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
