package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// index is where a key stands in the content of a mapping, -1 where n is no mapping or lacks the key.
func index(n *yaml.Node, key string) int {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// get is the value of a key in a mapping, nil where n is no mapping or lacks the key.
func get(n *yaml.Node, key string) *yaml.Node {
	if i := index(n, key); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// keyNode is the key itself, for a position.
func keyNode(n *yaml.Node, key string) *yaml.Node {
	if i := index(n, key); i >= 0 {
		return n.Content[i]
	}
	return nil
}

// set gives a key of a mapping a value; a new key stands where the value stands.
func set(n *yaml.Node, key string, value *yaml.Node) {
	if i := index(n, key); i >= 0 {
		n.Content[i+1] = value
		return
	}
	n.Content = append(n.Content, text(key, value), value)
}

// cut removes a key and is its value, nil where there was none.
func cut(n *yaml.Node, key string) *yaml.Node {
	i := index(n, key)
	if i < 0 {
		return nil
	}
	v := n.Content[i+1]
	n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
	return v
}

// rename changes a key and keeps its place.
func rename(n *yaml.Node, from, to string) {
	if k := keyNode(n, from); k != nil {
		cut(n, to)
		k.Value = to
	}
}

// items is the members of a list, none where n is no list.
func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// find is every node at a path such as "build.artifacts[].docker".
func find(n *yaml.Node, path string) []*yaml.Node {
	nodes := []*yaml.Node{n}
	for _, step := range strings.Split(path, ".") {
		key, list := strings.CutSuffix(step, "[]")
		var next []*yaml.Node
		for _, n := range nodes {
			v := get(n, key)
			switch {
			case isNull(v):
			case list:
				next = append(next, items(v)...)
			default:
				next = append(next, v)
			}
		}
		nodes = next
	}
	return nodes
}

// one is the node at a path without lists, nil where there is none.
func one(n *yaml.Node, path string) *yaml.Node {
	if found := find(n, path); len(found) > 0 {
		return found[0]
	}
	return nil
}

// child is the mapping under a key; it is made, at the place of near, where it is missing or null.
func child(n *yaml.Node, key string, near *yaml.Node) *yaml.Node {
	v := get(n, key)
	if isNull(v) {
		v = mapping(near)
		set(n, key, v)
	}
	return v
}

// mapping, list and text make nodes that stand where near stands, so that a fault in them points there.
func mapping(near *yaml.Node) *yaml.Node { return placed(yaml.MappingNode, "!!map", "", near) }

func list(near *yaml.Node, members ...*yaml.Node) *yaml.Node {
	n := placed(yaml.SequenceNode, "!!seq", "", near)
	n.Content = members
	return n
}

func text(s string, near *yaml.Node) *yaml.Node { return placed(yaml.ScalarNode, "!!str", s, near) }

func truth(b bool, near *yaml.Node) *yaml.Node {
	if b {
		return placed(yaml.ScalarNode, "!!bool", "true", near)
	}
	return placed(yaml.ScalarNode, "!!bool", "false", near)
}

func placed(kind yaml.Kind, tag, value string, near *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: kind, Tag: tag, Value: value}
	if near != nil {
		n.Line, n.Column = near.Line, near.Column
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// isTrue tells whether a scalar reads as true in a field of type bool.
func isTrue(n *yaml.Node) bool {
	var b bool
	return n != nil && n.Kind == yaml.ScalarNode && n.Decode(&b) == nil && b
}

// value is the text of a scalar, "" for all else.
func value(n *yaml.Node) string {
	if isNull(n) || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// clone is a copy that shares nothing.
func clone(n *yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, m := range n.Content {
		c.Content[i] = clone(m)
	}
	return &c
}

// FlatMap is a map whose nested input is joined into dotted keys: {a: {b: 1}} is {"a.b": "1"}, a list item "a[0]".
type FlatMap map[string]string

var _ yaml.Unmarshaler = (*FlatMap)(nil)

// UnmarshalYAML flattens what is written below the key.
func (m *FlatMap) UnmarshalYAML(n *yaml.Node) error {
	*m = flatMap(n)
	return nil
}

func flatMap(n *yaml.Node) FlatMap {
	flat := mapping(n)
	flattenInto(flat, "", n)
	m := make(FlatMap, len(flat.Content)/2)
	for i := 0; i+1 < len(flat.Content); i += 2 {
		m[flat.Content[i].Value] = flat.Content[i+1].Value
	}
	return m
}

// flattenInto adds every scalar below n to a mapping; of two ways to write one key the last counts.
func flattenInto(flat *yaml.Node, key string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			flattenInto(flat, join(key, n.Content[i].Value), n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, member := range n.Content {
			flattenInto(flat, fmt.Sprintf("%s[%d]", key, i), member)
		}
	case yaml.ScalarNode:
		if key == "" {
			return
		}
		value := text(n.Value, n)
		if isNull(n) {
			value.Value = "<nil>"
		}
		cut(flat, key)
		flat.Content = append(flat.Content, text(key, n), value)
	}
}
