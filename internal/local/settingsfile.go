package local

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/skiff-dev/skiff/internal/diag"
)

// SettingsName is the file beside the project file that holds what only skiff understands.
const SettingsName = "skiff.yaml"

// SettingsSchema is the name of the format, as apiVersion states it.
const SettingsSchema = "skiff/v1"

// settingsFile is the whole of skiff.yaml.
type settingsFile struct {
	APIVersion string   `yaml:"apiVersion"`
	Local      Settings `yaml:"local"`
}

// ReadSettings reads skiff.yaml; a file that is not there says nothing. The error is a diag.List of all its faults.
func ReadSettings(file string) (Settings, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, nil
	}
	if err != nil {
		return Settings{}, err
	}
	return ParseSettings(file, data)
}

// ParseSettings is the settings in the text of a skiff.yaml; file is for messages.
func ParseSettings(file string, data []byte) (Settings, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return Settings{}, diag.List{{Pos: diag.Pos{File: file}, What: strings.TrimPrefix(err.Error(), "yaml: "), Code: diag.CodeConfig}}
	}
	if len(root.Content) == 0 {
		return Settings{}, nil
	}
	c := &checker{file: file, lines: strings.Split(string(data), "\n")}
	var all settingsFile
	c.check(root.Content[0], reflect.TypeOf(all))
	if len(c.faults) == 0 {
		if err := root.Decode(&all); err != nil {
			c.faults = append(c.faults, &diag.Error{Pos: diag.Pos{File: file}, What: err.Error(), Code: diag.CodeConfig})
		}
	}
	if len(c.faults) == 0 {
		c.meaning(root.Content[0], &all.Local)
	}
	if v := all.APIVersion; len(c.faults) == 0 && v != "" && v != SettingsSchema {
		c.faults = append(c.faults, &diag.Error{Pos: diag.Pos{File: file, Line: 1}, What: fmt.Sprintf("unknown apiVersion %q", v), Hint: "write apiVersion: " + SettingsSchema, Code: diag.CodeConfig})
	}
	c.faults.Sort()
	return all.Local, c.faults.Err()
}

// checker compares a YAML tree with the type that it is read into, and keeps every fault with its place.
type checker struct {
	file   string
	lines  []string
	faults diag.List
}

func (c *checker) fault(n *yaml.Node, hint, format string, args ...any) {
	e := &diag.Error{Pos: diag.Pos{File: c.file, Line: n.Line, Column: n.Column}, What: fmt.Sprintf(format, args...), Hint: hint, Code: diag.CodeConfig, Width: max(1, len(n.Value))}
	if n.Line > 0 && n.Line <= len(c.lines) {
		e.Line = c.lines[n.Line-1]
	}
	c.faults = append(c.faults, e)
}

func (c *checker) check(n *yaml.Node, t reflect.Type) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!null" {
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		c.check(n, t.Elem())
	case reflect.Struct:
		c.object(n, t)
	case reflect.Map:
		if c.kind(n, yaml.MappingNode, "a mapping") {
			var seen []string
			for i := 0; i+1 < len(n.Content); i += 2 {
				if name := n.Content[i].Value; slices.Contains(seen, name) {
					c.fault(n.Content[i], "remove one of them", "%q stands here twice", name)
				}
				seen = append(seen, n.Content[i].Value)
				c.check(n.Content[i+1], t.Elem())
			}
		}
	case reflect.Slice:
		if c.kind(n, yaml.SequenceNode, "a list") {
			for _, item := range n.Content {
				c.check(item, t.Elem())
			}
		}
	case reflect.Bool:
		c.scalar(n, "!!bool", "true or false")
	case reflect.Int:
		c.scalar(n, "!!int", "a number")
	default:
		if c.scalar(n, "", "a text"); t == reflect.TypeFor[Run]() && n.Value != string(Once) {
			c.fault(n, "", "%q is not known here; write %s", n.Value, Once)
		}
	}
}

func (c *checker) kind(n *yaml.Node, kind yaml.Kind, word string) bool {
	if n.Kind != kind {
		c.fault(n, "", "%s is expected here", word)
	}
	return n.Kind == kind
}

func (c *checker) scalar(n *yaml.Node, tag, word string) {
	if n.Kind != yaml.ScalarNode || tag != "" && n.Tag != tag {
		c.fault(n, "", "%s is expected here", word)
	}
}

// object checks the fields of a mapping: each is known, and stands there once.
func (c *checker) object(n *yaml.Node, t reflect.Type) {
	if !c.kind(n, yaml.MappingNode, "a mapping") {
		return
	}
	fields := fieldsOf(t)
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		field, known := fields[key.Value]
		switch {
		case !known:
			c.fault(key, "known here: "+strings.Join(names(fields), ", "), "unknown field %q", key.Value)
			continue
		case slices.Contains(seen, key.Value):
			c.fault(key, "remove one of them", "field %q stands here twice", key.Value)
		}
		seen = append(seen, key.Value)
		c.check(n.Content[i+1], field)
	}
}

// meaning checks what the types do not say, and remembers where things stand.
func (c *checker) meaning(root *yaml.Node, s *Settings) {
	s.Places = map[string]diag.Pos{}
	each(child(root, "local"), "services", func(key, value *yaml.Node) {
		s.Places["services."+key.Value] = diag.Pos{File: c.file, Line: key.Line, Column: key.Column}
		c.port(value, s.Services[key.Value].Port)
	})
	each(child(root, "local"), "external", func(key, value *yaml.Node) {
		s.Places["external."+key.Value] = diag.Pos{File: c.file, Line: key.Line, Column: key.Column}
		e := s.External[key.Value]
		if c.port(value, e.Port); (e.Command == "") == (e.Address == "") {
			c.fault(key, "write {command: …} where skiff starts it, or {address: HOST:PORT} where one runs", "%s needs a command or an address, and not both", key.Value)
		}
		if _, port, err := net.SplitHostPort(e.Address); e.Address != "" && (err != nil || !isPort(port)) {
			c.fault(child(value, "address"), "write HOST:PORT", "%q is no address", e.Address)
		}
	})
}

func (c *checker) port(n *yaml.Node, port int) {
	if at := child(n, "port"); at != nil && (port < 1 || port > 65535) {
		c.fault(at, "", "%s is no port", at.Value)
	}
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n > 0 && n < 65536
}

// each calls fn for the entries of a mapping in a mapping.
func each(n *yaml.Node, name string, fn func(key, value *yaml.Node)) {
	if n = child(n, name); n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		fn(n.Content[i], resolve(n.Content[i+1]))
	}
}

// child is a value of a mapping, or nil.
func child(n *yaml.Node, name string) *yaml.Node {
	if n = resolve(n); n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return resolve(n.Content[i+1])
		}
	}
	return nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// fieldsOf is the YAML names of a struct's fields and their types.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "-" && name != "" {
			all[name] = t.Field(i).Type
		}
	}
	return all
}

func names(fields map[string]reflect.Type) []string {
	var all []string
	for name := range fields {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Schema is the JSON schema of skiff.yaml, made from the types that it is read into.
func Schema() map[string]any {
	s := schemaOf(reflect.TypeOf(settingsFile{}))
	s["properties"].(map[string]any)["apiVersion"] = map[string]any{"const": SettingsSchema}
	s["$schema"], s["title"] = "http://json-schema.org/draft-07/schema#", SettingsSchema
	return s
}

func schemaOf(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Struct:
		properties := map[string]any{}
		for name, field := range fieldsOf(t) {
			properties[name] = schemaOf(field)
		}
		object := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
		if t == reflect.TypeFor[External]() {
			object["oneOf"] = []any{map[string]any{"required": []any{"command"}}, map[string]any{"required": []any{"address"}}}
		}
		return object
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	}
	if t == reflect.TypeFor[Run]() {
		return map[string]any{"const": string(Once)}
	}
	return map[string]any{"type": []any{"string", "number", "boolean"}} // a number without quotes is a text, too
}
