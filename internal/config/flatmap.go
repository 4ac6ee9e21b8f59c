package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

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
