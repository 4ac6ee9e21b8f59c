package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	syaml "sigs.k8s.io/yaml"
)

// ReadObjects reads a manifest: any number of documents, YAML or JSON; lists are opened. The error is a diag.List of all
// faults, each with its line. A file whose text ends early because of a syntax error gives the faults up to there.
func ReadObjects(file string, data []byte) ([]*Object, error) {
	r := &reader{file: file, data: data}
	decoder := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if objects, ok := r.json(); ok {
				return objects, r.faults.Err()
			}
			r.syntax(err)
			break
		}
		if len(doc.Content) > 0 {
			r.document(doc.Content[0])
		}
	}
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	return r.objects, nil
}

type reader struct {
	file    string
	data    []byte
	lines   []string // split when first needed
	objects []*Object
	faults  diag.List
}

func (r *reader) document(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	c := &converter{reader: r}
	v := c.value(n)
	if c.failed {
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		r.fault(n, "this document is not an object", "a manifest has apiVersion, kind and metadata")
		return
	}
	r.add(n, m)
}

// add takes one object, or those of a list; n may be nil when positions are not known.
func (r *reader) add(n *yaml.Node, m map[string]any) {
	kind, _ := m["kind"].(string)
	if items, ok := m["items"].([]any); ok && strings.HasSuffix(kind, "List") {
		nodes := itemNodes(n)
		for i, item := range items {
			at := n
			if i < len(nodes) {
				at = nodes[i]
			}
			if item, ok := item.(map[string]any); ok {
				r.add(at, item)
				continue
			}
			r.fault(at, "this item of a list is not an object", "each item has apiVersion, kind and metadata")
		}
		return
	}
	if what, hint := missing(m); what != "" {
		r.fault(n, what, hint)
		return
	}
	o := &Object{Unstructured: unstructured.Unstructured{Object: m}, File: r.file, Line: 1}
	if n != nil {
		o.Line = n.Line
	}
	r.objects = append(r.objects, o)
}

func missing(m map[string]any) (what, hint string) {
	kind, _ := m["kind"].(string)
	version, _ := m["apiVersion"].(string)
	name, _ := at(m, "metadata", "name").(string)
	generated, _ := at(m, "metadata", "generateName").(string)
	switch {
	case kind == "" && version == "":
		return "this document has no apiVersion and no kind", "if it is no Kubernetes object, keep it out of the manifests"
	case version == "":
		return fmt.Sprintf("this %s has no apiVersion", kind), "add apiVersion, for example: apiVersion: v1"
	case kind == "":
		return "this object has no kind", "add kind, for example: kind: Pod"
	case name != "":
		return "", ""
	case notText(at(m, "metadata", "name")):
		return fmt.Sprintf("metadata.name of this %s is no text but %v", kind, at(m, "metadata", "name")), "quote the name: YAML reads y, no, on and 12 as other things"
	case generated != "":
		return fmt.Sprintf("this %s has generateName and no name", kind), "give it a metadata.name: an object without a fixed name cannot be applied again"
	}
	return fmt.Sprintf("this %s has no metadata.name", kind), "add a name under metadata"
}

func notText(v any) bool {
	_, ok := v.(string)
	return !ok && v != nil
}

// itemNodes finds the nodes of a list's items, for their lines.
func itemNodes(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "items" && n.Content[i+1].Kind == yaml.SequenceNode {
			return n.Content[i+1].Content
		}
	}
	return nil
}

// json reads what is valid JSON and yet no YAML: surrogate pairs in strings, for one.
func (r *reader) json() ([]*Object, bool) {
	trimmed := bytes.TrimSpace(r.data)
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, false
	}
	before := r.objects
	r.objects, r.faults = nil, nil
	decoder := json.NewDecoder(bytes.NewReader(trimmed))
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return r.objects, true
		}
		var m map[string]any
		if err != nil || unmarshal(raw, &m) != nil {
			r.objects = before
			return nil, false
		}
		r.add(nil, m)
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (r *reader) syntax(err error) {
	line, what := r.locate(err)
	hint := "mend the YAML at or above this line"
	if strings.Contains(what, "found character that cannot start any token") && strings.HasPrefix(strings.TrimLeft(r.line(line), " "), "\t") {
		hint = "indent with blanks, YAML allows no tabs"
	}
	if strings.Contains(r.line(line), "{{") {
		hint = "this looks like a template; helm charts belong under manifests.helm"
	}
	r.faults = append(r.faults, &diag.Error{
		Pos: diag.Pos{File: r.file, Line: line}, What: what, Line: r.line(line), Hint: hint, Code: diag.CodeDeploy, Err: err,
	})
}

// locate finds the line to mend. The parser of the newer library names the start of what was not finished, and counts its
// lines from 0 or 1 as it comes; the older one names the place where it gave up.
func (r *reader) locate(err error) (line int, what string) {
	what = err.Error()
	if m := yamlLine.FindStringSubmatch(what); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = m[2]
	}
	r.line(0)
	for start := 0; start < len(r.lines); {
		end := start + 1
		for end < len(r.lines) && !strings.HasPrefix(r.lines[end], "---") {
			end++
		}
		var v any
		err := syaml.Unmarshal([]byte(strings.Join(r.lines[start:end], "\n")), &v)
		if err != nil {
			if m := yamlLine.FindStringSubmatch(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")); m != nil && m[1] != "" {
				n, _ := strconv.Atoi(m[1])
				return start + n, m[2]
			}
		}
		start = end
	}
	return line, what
}

func (r *reader) fault(n *yaml.Node, what, hint string) {
	pos := diag.Pos{File: r.file}
	if n != nil {
		pos.Line, pos.Column = n.Line, n.Column
	}
	r.faults = append(r.faults, &diag.Error{Pos: pos, What: what, Line: r.line(pos.Line), Hint: hint, Code: diag.CodeDeploy})
}

func (r *reader) line(n int) string {
	if r.lines == nil {
		r.lines = strings.Split(string(r.data), "\n")
	}
	if n < 1 || n > len(r.lines) {
		return ""
	}
	return strings.TrimRight(r.lines[n-1], "\r")
}

// WriteObjects writes the objects as YAML with sorted keys and "---" between: the same objects give the same bytes.
func WriteObjects(w io.Writer, objects []*Object) error {
	for i, o := range objects {
		text, err := syaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("write %s: %w", o.ID(), err)
		}
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}
