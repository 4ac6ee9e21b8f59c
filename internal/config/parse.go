package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// The limits that keep a hostile file from eating the machine. Real files stay far below.
const (
	maxDepth = 100
	maxNodes = 200_000 // after aliases are expanded
	maxDocs  = 5_000
	maxKeys  = 10_000 // of one mapping: the decoder compares each with each
)

// parse turns the bytes of a file into documents: YAML with positions, no aliases, no helper keys. A fault of the whole
// file leaves no documents; the faults of a document are in it.
func parse(in input) ([]*document, diag.List) {
	data, bad := clean(in)
	if bad != nil {
		return nil, diag.List{bad}
	}
	src := diag.NewSource(in.name, data)
	if n := bytes.Count(data, []byte("\n---")); n >= maxDocs {
		return nil, diag.List{src.Fault(0, 0, 0, fmt.Sprintf("the file holds %d documents, and the limit is %d", n+1, maxDocs), `split it into files, and name them below "requires"`)}
	}
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
	if len(n.Content) > 2*maxKeys {
		d.refuse(n, fmt.Sprintf("a mapping has %d keys, and the limit is %d", len(n.Content)/2, maxKeys), "check that this is the right file")
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
		x.doc.refuse(n, fmt.Sprintf("the file holds more than %d values, aliases written out, or more than %d levels", maxNodes, maxDepth), "write the repeated parts out, or split the file into modules")
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

// maxSearch is how many lines a file may have for the place of a syntax error to be searched.
const maxSearch = 2000

// syntaxFault gives an error of the YAML parser a place, a line and a next step.
func syntaxFault(src *diag.Source, err error) *diag.Error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	// The parser names the line where the enclosing block began.
	if len(src.Lines) <= maxSearch {
		line = lastReadable(src.Lines) + 1
	}
	if line < 1 || line > len(src.Lines) {
		return src.Fault(line, 0, 0, "the YAML cannot be read: "+message, syntaxHint(message, ""))
	}
	text := src.Lines[line-1]
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
		return src.Fault(line, tab+1, 1, "a tab is used for indentation", "indent with spaces")
	}
	rest := strings.TrimRight(text[len(indent):], "\r")
	return src.Fault(line, len(indent)+1, len([]rune(rest)), "the YAML cannot be read here: "+message, syntaxHint(message, rest))
}

// lastReadable is how many lines from the top can be read as YAML: the next one is where the trouble starts. A quote
// or a bracket that is never closed is found where it opens.
func lastReadable(lines []string) int {
	reads := func(n int) bool {
		_, err := decodeAll([]byte(strings.Join(lines[:n], "\n")))
		return err == nil
	}
	// A cut inside a bracket over several lines fails too: a few lines more tell it from the real trouble.
	const more = 20
	low, high := 0, len(lines) // the first low lines can be read, the first high cannot
	for high-low > 1 {
		middle := (low + high) / 2
		n := middle
		for n < min(middle+more, high) && !reads(n) {
			n++
		}
		if n < min(middle+more, high) {
			low = n
		} else {
			high = middle
		}
	}
	return low
}

func syntaxHint(message, line string) string {
	value := line
	if _, after, ok := strings.Cut(line, ": "); ok {
		value = strings.TrimSpace(after)
	}
	switch {
	case strings.Contains(message, "unknown anchor"):
		return "define the anchor above its first use, in the same document"
	case strings.HasPrefix(line, "<<<<<<<") || strings.HasPrefix(line, "=======") || strings.HasPrefix(line, ">>>>>>>"):
		return "solve the merge conflict"
	case strings.HasPrefix(line, "{{"):
		return "render the file first, or remove this line: templates stand within values, in quotes"
	case strings.Contains(line, "{{"):
		return `put a value that holds "{{" in quotes`
	case strings.Contains(message, "mapping values are not allowed"):
		return `put a value that holds ": " in quotes, or check the indentation`
	case strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'"):
		return "close the quote"
	case strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{"):
		return "close the bracket"
	case value != "" && bytes.IndexByte([]byte("*&@%`!|>"), value[0]) >= 0:
		return "put the value in quotes"
	}
	return "check the indentation and the colon of this line"
}
