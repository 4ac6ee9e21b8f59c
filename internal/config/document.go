package config

import (
	"strings"
	"unicode/utf8"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// document is one YAML document of a file: its tree, and what is wrong with it so far.
type document struct {
	source  *diag.Source
	root    *yaml.Node
	version int // as written
	index   int // in its file, from 0
	faults  diag.List
	notes   diag.List
	useless bool                // nothing can be read from it
	broken  map[*yaml.Node]bool // mappings that lost a faulty member: what they lack now is no fault of its own
}

// fault adds a fault at the place of a node.
func (d *document) fault(n *yaml.Node, what, hint string) {
	d.faults = append(d.faults, d.at(n, what, hint))
}

// note adds something that the user should know although the file works.
func (d *document) note(n *yaml.Node, what, hint string) {
	d.notes = append(d.notes, d.at(n, what, hint))
}

func (d *document) at(n *yaml.Node, what, hint string) *diag.Error {
	if n == nil {
		return d.source.Fault(0, 0, 0, what, hint)
	}
	width := 1
	if n.Kind == yaml.ScalarNode {
		first, _, _ := strings.Cut(n.Value, "\n")
		width = max(1, utf8.RuneCountInString(first))
		if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			width += 2
		}
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			width = 1
		}
	}
	return d.source.Fault(n.Line, n.Column, width, what, hint)
}

// markBroken remembers that a mapping lost a faulty member.
func (d *document) markBroken(n *yaml.Node) {
	if d.broken == nil {
		d.broken = map[*yaml.Node]bool{}
	}
	d.broken[n] = true
}

// lookup is the place that a path of keys and list positions leads to, as deep as it exists, and the value at its end,
// nil where the path does not exist.
func (d *document) lookup(path ...any) (place, end *yaml.Node) {
	n, place := d.root, d.root
	for _, step := range path {
		var next *yaml.Node
		switch s := step.(type) {
		case string:
			if next = get(n, s); next != nil {
				place = keyNode(n, s)
				if next.Kind == yaml.ScalarNode && next.Value != "" {
					place = next
				}
			}
		case int:
			if members := items(n); s >= 0 && s < len(members) {
				next = members[s]
				place = next
			}
		}
		if next == nil {
			return place, nil
		}
		n = next
	}
	return place, n
}

// clone copies a node, and what is known about it.
func (d *document) clone(n *yaml.Node) *yaml.Node {
	c := *n
	if d.broken[n] {
		d.markBroken(&c)
	}
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, m := range n.Content {
		c.Content[i] = d.clone(m)
	}
	return &c
}

// Position is the place of a value in the user's file: Position("deploy", "kubectl", "flags"). Where the file does not
// have it, it is the place of the closest block around it; a value of a profile or a patch stands in that profile.
func (c *Config) Position(path ...any) diag.Pos {
	return c.Fault("", "", path...).Pos
}

// Fault is an error that points at the place that Position names and quotes its line.
func (c *Config) Fault(what, hint string, path ...any) *diag.Error {
	if c.doc == nil {
		return &diag.Error{Pos: diag.Pos{File: c.File}, What: what, Hint: hint, Code: diag.CodeConfig}
	}
	place, _ := c.doc.lookup(path...)
	return c.doc.at(place, what, hint)
}

// Position is the place of a value of the artifact in the user's file, as Config.Position.
func (a *Artifact) Position(path ...any) diag.Pos { return a.Fault("", "", path...).Pos }

// Fault is an error about the artifact that quotes the line of the user's file that path leads to.
func (a *Artifact) Fault(what, hint string, path ...any) *diag.Error {
	if a.Config == nil {
		return &diag.Error{What: what, Hint: hint, Code: diag.CodeConfig}
	}
	for i, other := range a.Config.Build.Artifacts {
		if other == a {
			return a.Config.Fault(what, hint, append([]any{"build", "artifacts", i}, path...)...)
		}
	}
	return a.Config.Fault(what, hint, "build", "artifacts")
}

// Written is the apiVersion that the user's file has.
func (c *Config) Written() string {
	if c.doc == nil {
		return c.APIVersion
	}
	return prefix + theFormat().versions[c.doc.version]
}

// Has tells whether the document, with its active profiles, holds a value: Has("portForward").
func (c *Config) Has(path ...any) bool {
	if c.doc == nil {
		return false
	}
	_, end := c.doc.lookup(path...)
	return !isNull(end)
}
