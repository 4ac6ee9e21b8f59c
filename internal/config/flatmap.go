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
	flat := FlatMap{}
	flat.add("", n)
	*m = flat
	return nil
}

func (m FlatMap) add(prefix string, n *yaml.Node) {
	switch n.Kind {
	case yaml.AliasNode:
		m.add(prefix, n.Alias)
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if prefix != "" {
				key = prefix + "." + key
			}
			m.add(key, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			m.add(fmt.Sprintf("%s[%d]", prefix, i), item)
		}
	case yaml.ScalarNode:
		if prefix == "" {
			return
		}
		if n.ShortTag() == "!!null" {
			m[prefix] = "<nil>"
			return
		}
		m[prefix] = n.Value
	}
}
