package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// The limits that keep a hostile file from eating the machine. Real files stay far below.
const (
	maxDepth = 100
	maxNodes = 200_000 // after aliases are expanded
)

// parse turns the bytes of a file into documents: YAML with positions, no aliases, no helper keys. A fault of the whole
// file leaves no documents; the faults of a document are in it.
func parse(in input) ([]*document, diag.List) {
	data, bad := clean(in)
	if bad != nil {
		return nil, diag.List{bad}
	}
	src := newSource(in.name, data)
	nodes, err := decodeAll(data)
	if err != nil {
		return nil, diag.List{syntaxFault(src, err)}
	}
	if len(nodes) == 0 {
		return nil, diag.List{{Pos: diag.Pos{File: in.name}, What: "the file holds nothing but comments", Hint: "write one; skiff explain lists the fields", Code: diag.CodeConfig}}
	}
	docs := make([]*document, len(nodes))
	for i, n := range nodes {
		docs[i] = &document{source: src, root: n, index: i}
		docs[i].tidy()
	}
	return docs, nil
}

func decodeAll(data []byte) ([]*yaml.Node, error) {
	var nodes []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		root := &n
		if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
			root = n.Content[0]
			root.HeadComment, root.FootComment = joined(n.HeadComment, root.HeadComment), joined(root.FootComment, n.FootComment)
		}
		nodes = append(nodes, root)
	}
}

// tidy checks what holds for every mapping, drops helper keys and puts the target in the place of every alias.
func (d *document) tidy() {
	if isNull(d.root) {
		d.refuse(d.root, fmt.Sprintf("document %d of the file is empty", d.index+1), `remove the "---" that opens it`)
		return
	}
	if d.root.Kind != yaml.MappingNode {
		d.refuse(d.root, fmt.Sprintf("the document must be a mapping, not %s", describe(d.root)), `start with "apiVersion: `+Latest()+`"`)
		return
	}
	if d.keys(d.root, 0); d.useless {
		return
	}
	kept := d.root.Content[:0:0]
	remark := "" // what the user wrote above a helper key stays above the next one
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		k := d.root.Content[i]
		if k.HeadComment = joined(remark, k.HeadComment); strings.HasPrefix(k.Value, ".") {
			remark = k.HeadComment
			continue
		}
		kept, remark = append(kept, k, d.root.Content[i+1]), ""
	}
	d.root.Content = kept
	x := expander{doc: d}
	d.root = x.expand(d.root, 0)
}

// refuse adds a fault after which there is nothing more to say about the document.
func (d *document) refuse(n *yaml.Node, what, hint string) {
	d.useless = true
	d.fault(n, what, hint)
}

// keys refuses keys that are written twice, keys that are no text, and nesting without end. What it refuses it drops.
func (d *document) keys(n *yaml.Node, depth int) {
	if depth > maxDepth {
		d.refuse(n, fmt.Sprintf("the file is nested deeper than %d levels", maxDepth), "check the indentation and the brackets above this line")
		return
	}
	if n.Kind != yaml.MappingNode {
		for _, m := range n.Content {
			d.keys(m, depth+1)
		}
		return
	}
	kept := make([]*yaml.Node, 0, len(n.Content))
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			hint := "write a plain word before the colon"
			if k.Kind == yaml.MappingNode && k.Style&yaml.FlowStyle != 0 {
				hint = `put a value that begins with "{{" in quotes`
			}
			d.fault(k, fmt.Sprintf("a key must be text, not %s", describe(k)), hint)
			continue
		}
		if first, twice := seen[k.Value]; twice {
			d.fault(k, fmt.Sprintf("key %q is written twice: first at line %d, column %d", k.Value, first.Line, first.Column), "keep one of the two")
			continue
		}
		seen[k.Value] = k
		d.keys(n.Content[i+1], depth+1)
		kept = append(kept, k, n.Content[i+1])
	}
	if len(kept) < len(n.Content) {
		d.markBroken(n)
		n.Content = kept
	}
}

// expander replaces aliases and merge keys by what they stand for, up to a limit.
type expander struct {
	doc   *document
	nodes int
	full  bool
}

func (x *expander) expand(n *yaml.Node, depth int) *yaml.Node {
	x.nodes++
	if x.full {
		return n
	}
	if x.nodes > maxNodes || depth > maxDepth {
		x.full = true
		x.doc.refuse(n, fmt.Sprintf("the aliases of the file stand for more than %d values or %d levels", maxNodes, maxDepth), "write the repeated parts out, or split the file into modules")
		return n
	}
	if n.Kind == yaml.AliasNode {
		return x.expand(n.Alias, depth+1)
	}
	c := *n
	c.Anchor = ""
	if x.doc.broken[n] {
		x.doc.markBroken(&c)
	}
	c.Content = make([]*yaml.Node, 0, len(n.Content))
	if n.Kind != yaml.MappingNode {
		for _, m := range n.Content {
			c.Content = append(c.Content, x.expand(m, depth+1))
		}
		return &c
	}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.ShortTag() == "!!merge" {
			merges = append(merges, v)
			continue
		}
		key := *k
		key.Anchor = ""
		c.Content = append(c.Content, &key, x.expand(v, depth+1))
	}
	for _, v := range merges {
		x.merge(&c, x.expand(v, depth+1))
	}
	return &c
}

// merge adds the keys of a "<<" value that the mapping does not have itself.
func (x *expander) merge(n, from *yaml.Node) {
	switch from.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(from.Content); i += 2 {
			if keyNode(n, from.Content[i].Value) == nil {
				n.Content = append(n.Content, from.Content[i], from.Content[i+1])
			}
		}
	case yaml.SequenceNode:
		for _, m := range from.Content {
			if m.Kind != yaml.MappingNode {
				x.doc.fault(m, fmt.Sprintf(`"<<" takes mappings, not %s`, describe(m)), "name an anchor that stands before a mapping")
				continue
			}
			x.merge(n, m)
		}
	default:
		x.doc.fault(from, fmt.Sprintf(`"<<" takes a mapping, not %s`, describe(from)), "name an anchor that stands before a mapping")
	}
}

// describe is the type of a node in words, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false (" + n.Value + ")"
	case "!!int", "!!float":
		return "the number " + n.Value
	}
	return "the text " + strconv.Quote(short(n.Value))
}

func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:37]) + "..."
	}
	return s
}
