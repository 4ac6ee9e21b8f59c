package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checker compares a document with the fields that one apiVersion has. What is wrong is reported and cut out, so that
// the rest of the document can be looked at as well.
type checker struct {
	doc     *document
	format  *format
	version int
	lax     bool // unknown fields pass, as after a patch
}

// checkRoot reports every unknown field and wrong type of the document.
func (c *checker) checkRoot() { c.object(c.doc.root, c.format.root, "", c.lax) }

// object checks the members of a mapping.
func (c *checker) object(n *yaml.Node, f *field, path string, lax bool) {
	kept := make([]*yaml.Node, 0, len(n.Content))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		kid := f.kids[key.Value]
		k := kid.at(c.version)
		at := join(path, key.Value)
		switch {
		case k == "" && lax:
			kept = append(kept, key, v)
		case k == "":
			c.unknown(key, f, path)
		case c.value(v, c.resolve(kid, k, f), k, at, lax):
			kept = append(kept, key, v)
		}
	}
	if len(kept) < len(n.Content) {
		c.doc.markBroken(n)
		n.Content = kept
	}
}

// resolve is the field whose members a value has: itself, or the one that it repeats.
func (c *checker) resolve(f *field, k kind, parent *field) *field {
	switch strings.TrimPrefix(string(k), "[]") {
	case string(isPipeline):
		return c.format.root.kids[f.key]
	case string(isRecursive):
		return c.format.root.kids["build"].kids["tagPolicy"].kids[f.key]
	}
	return f
}

// value checks one value and is false where it must go.
func (c *checker) value(n *yaml.Node, f *field, k kind, path string, lax bool) bool {
	if k == isPipeline {
		k = f.at(c.version)
	}
	if k == isRecursive {
		k = isObject
	}
	if isNull(n) || k == isAny || k == isFlat && n.Kind == yaml.MappingNode {
		return true
	}
	if member, list := strings.CutPrefix(string(k), "[]"); list {
		return c.list(n, f, kind(member), path, lax)
	}
	switch k {
	case isObject:
		if n.Kind != yaml.MappingNode {
			return c.wrong(n, path, "a mapping", c.mappingHint(n, f, last(path)))
		}
		c.object(n, f, path, lax || c.open(path))
	case isFree, isFlat:
		if n.Kind != yaml.MappingNode {
			return c.wrong(n, path, "a mapping", "write keys and values below it")
		}
	case isMap:
		return c.strings(n, path)
	default:
		return c.scalar(n, k, path)
	}
	return true
}

func (c *checker) mappingHint(n *yaml.Node, f *field, key string) string {
	if f.kids[n.Value].at(c.version) == isObject {
		return fmt.Sprintf("write \"%s: {%s: {}}\"", key, n.Value)
	}
	return fmt.Sprintf("write its settings below %q, indented, or {} for none", key)
}

// open tells whether Skaffold takes unknown keys at this place: it reads these blocks through Kubernetes' own decoder.
func (c *checker) open(path string) bool {
	return c.version >= c.format.order["v2beta11"] && (last(path) == "kaniko" || strings.HasSuffix(path, "build.cluster"))
}

func (c *checker) list(n *yaml.Node, f *field, member kind, path string, lax bool) bool {
	if n.Kind != yaml.SequenceNode {
		hint := fmt.Sprintf(`put "- " before it, on a line of its own below %q`, last(path))
		if n.Kind == yaml.ScalarNode {
			hint = fmt.Sprintf("write it as a list: %s: [%s]", last(path), quoteScalar(n))
		}
		return c.wrong(n, path, "a list", hint)
	}
	kept := make([]*yaml.Node, 0, len(n.Content))
	for i, m := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if isNull(m) && member != isString {
			dash := *m
			if dash.Value == "" && dash.Column > 1 {
				dash.Column--
			}
			c.doc.fault(&dash, fmt.Sprintf("%s is empty", at), `remove the "-", or write the item after it`)
			continue
		}
		if c.value(m, f, member, at, lax) {
			kept = append(kept, m)
		}
	}
	if len(kept) < len(n.Content) {
		c.doc.markBroken(n)
		n.Content = kept
	}
	return true
}

// strings checks a mapping of texts.
func (c *checker) strings(n *yaml.Node, path string) bool {
	if n.Kind != yaml.MappingNode {
		return c.wrong(n, path, "a mapping", `write "key: value" lines below it`)
	}
	ok := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		if v := n.Content[i+1]; v.Kind != yaml.ScalarNode {
			c.wrong(v, join(path, n.Content[i].Value), "text", "write one value on the line of the key")
			ok = false
		}
	}
	return ok
}

func (c *checker) scalar(n *yaml.Node, k kind, path string) bool {
	var b bool
	var i int
	var s string
	switch {
	case n.Kind != yaml.ScalarNode:
		return c.wrong(n, path, words(k), "write one value on the line of the key")
	case k == isBool && n.Decode(&b) != nil:
		return c.wrong(n, path, words(k), "write true or false, without quotes")
	case k == isInt && n.Decode(&i) != nil:
		return c.wrong(n, path, words(k), "write digits, without quotes")
	case (k == isString || k == isPort) && n.Decode(&s) != nil:
		return c.wrong(n, path, words(k), "write the text without a tag")
	}
	return true
}

func (c *checker) wrong(n *yaml.Node, path, want, hint string) bool {
	if !c.doc.broken[n] { // else its own fault is reported
		c.doc.fault(n, fmt.Sprintf("%s must be %s, not %s", path, want, describe(n)), hint)
	}
	return false
}

func words(k kind) string {
	switch k {
	case isBool:
		return "true or false"
	case isInt:
		return "a whole number"
	case isPort:
		return "a number or a name"
	}
	return "text"
}

func quoteScalar(n *yaml.Node) string {
	return fmt.Sprintf("%q", short(n.Value))
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func last(path string) string {
	path = path[strings.LastIndexByte(path, '.')+1:]
	key, _, _ := strings.Cut(path, "[")
	return key
}
