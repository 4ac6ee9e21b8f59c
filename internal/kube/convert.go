package kube

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"

	"go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// maxNodes stops a document whose aliases unfold without end. No object may be larger than some MB anyway.
const maxNodes = 1 << 20

// converter makes JSON values of YAML nodes as kubectl reads them, by YAML 1.1: `on` and `yes` are true, `0644` is octal,
// a key is always text, a date stays text.
type converter struct {
	reader *reader
	failed bool
	nodes  int
}

func (c *converter) fail(n *yaml.Node, what, hint string) any {
	c.failed = true
	c.reader.fault(n, what, hint)
	return nil
}

func (c *converter) value(n *yaml.Node) any {
	if c.nodes++; c.nodes > maxNodes {
		if c.nodes == maxNodes+1 {
			c.fail(n, "this document is too large, or its aliases unfold too far", "write it without aliases")
		}
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.value(n.Alias)
	case yaml.MappingNode:
		return c.mapping(n)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			list = append(list, c.value(item))
		}
		return list
	}
	return c.scalar(n)
}

func (c *converter) mapping(n *yaml.Node) any {
	m := make(map[string]any, len(n.Content)/2)
	first := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.ShortTag() == "!!merge" {
			merged = append(merged, v)
			continue
		}
		if k.Kind != yaml.ScalarNode {
			c.fail(k, "a key must be text", "quote it")
			continue
		}
		name := keyOf(c.scalar(k))
		if line, ok := first[name]; ok {
			c.fail(k, fmt.Sprintf("key %q is given twice, first in line %d", name, line), "remove one of the two")
			continue
		}
		first[name] = k.Line
		m[name] = c.value(v)
	}
	for _, v := range merged {
		c.merge(m, v)
	}
	return m
}

// merge puts in what `<<` names; what stands in the mapping itself wins, and among several the first.
func (c *converter) merge(m map[string]any, v *yaml.Node) {
	if v.Kind == yaml.AliasNode {
		v = v.Alias
	}
	if v.Kind == yaml.SequenceNode {
		for _, item := range v.Content {
			c.merge(m, item)
		}
		return
	}
	from, ok := c.value(v).(map[string]any)
	if !ok {
		c.fail(v, "<< needs a mapping", "name an anchor of a mapping")
		return
	}
	for k, v := range from {
		if _, ok := m[k]; !ok {
			m[k] = v
		}
	}
}

// yaml11 holds the words that YAML 1.1 takes for true and false beyond those of 1.2.
var yaml11 = map[string]bool{
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

func (c *converter) scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int":
		return c.integer(n)
	case "!!float":
		var f float64
		if n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
		return c.fail(n, fmt.Sprintf("%s is no number that JSON has", n.Value), "quote it if it is text")
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(n.Value)
		if err != nil {
			return c.fail(n, "this is not base64", "mend the text after !!binary")
		}
		return string(data)
	case "!!str":
		if n.Style == 0 {
			if b, ok := yaml11[n.Value]; ok {
				return b
			}
		}
	}
	return n.Value
}

func (c *converter) integer(n *yaml.Node) any {
	var i int64
	if n.Decode(&i) == nil {
		return i
	}
	var f float64
	if n.Decode(&f) == nil {
		return f
	}
	return c.fail(n, fmt.Sprintf("%s is no number that fits", n.Value), "quote it if it is text")
}

func keyOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// unmarshal keeps whole numbers whole, as the API machinery wants them.
func unmarshal(data []byte, m *map[string]any) error { return utiljson.Unmarshal(data, m) }
