package config

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Schema is the JSON Schema (draft-07) of an apiVersion, for editors. It takes every file that the version allows.
func Schema(version string) ([]byte, error) {
	l := &loader{format: theFormat()}
	at, err := l.wanted(version)
	if err != nil {
		return nil, err
	}
	s := &schemer{format: l.format, version: at, definitions: map[string]schema{}}
	root := s.object(s.format.root, "", false)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "skaffold.yaml, " + prefix + s.format.versions[at]
	root["required"] = []string{"apiVersion", "kind"}
	root["patternProperties"] = schema{`^\.`: schema{"description": "A helper key: it only holds anchors."}}
	properties := root["properties"].(schema)
	properties["apiVersion"] = schema{"const": prefix + s.format.versions[at]}
	properties["kind"] = schema{"type": "string", "default": "Config"}
	root["definitions"] = s.definitions
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(data, '\n'), nil
}

// schema is a JSON Schema, or a part of one.
type schema map[string]any

// schemer makes the schema of one version.
type schemer struct {
	format      *format
	version     int
	definitions map[string]schema // what stands at more than one place
}

// object is a mapping with the fields that the version has; lax where unknown ones pass.
func (s *schemer) object(f *field, path string, lax bool) schema {
	lax = lax || (&checker{format: s.format, version: s.version}).open(path)
	properties := schema{}
	for key, kid := range f.kids {
		if k := kid.at(s.version); k != "" {
			properties[key] = s.value(kid, k, join(path, key), lax)
			if meaning := docOf(join(path, key)).meaning; meaning != "" && kid.at(s.format.latest()) != "" {
				properties[key].(schema)["description"] = meaning
			}
		}
	}
	o := schema{"type": nullable("object"), "properties": properties}
	if !lax {
		o["additionalProperties"] = false
	}
	if path == "" {
		o["type"] = "object"
	}
	return o
}

// value is what a field of a kind takes.
func (s *schemer) value(f *field, k kind, path string, lax bool) schema {
	if member, list := strings.CutPrefix(string(k), "[]"); list {
		return schema{"type": nullable("array"), "items": s.value(f, kind(member), path, lax)}
	}
	switch k {
	case isPipeline:
		f = s.format.root.kids[f.key]
		return s.value(f, f.at(s.version), f.key, false)
	case isRecursive:
		f = s.format.root.kids["build"].kids["tagPolicy"].kids[f.key]
		return s.value(f, f.at(s.version), "build.tagPolicy."+f.key, false)
	case isObject:
		if s.repeats(path) {
			return s.shared(f, path)
		}
		return s.object(f, path, lax)
	case isMap:
		return schema{"type": nullable("object"), "additionalProperties": scalar("string", "number", "boolean")}
	case isFree, isFlat:
		return schema{"type": nullable("object")}
	case isBool:
		return scalar("boolean")
	case isInt:
		return scalar("integer")
	case isPort:
		return scalar("integer", "string")
	case isString:
		// An unquoted number is text as well.
		return scalar("string", "number", "boolean")
	}
	return schema{}
}

// repeats tells whether a block stands at a second place: in a profile, or in itself.
func (s *schemer) repeats(path string) bool {
	return path == "build.tagPolicy.customTemplate" || s.format.root.kids["profiles"].kids[path].at(s.version) == isPipeline
}

// shared refers to the definition of a block, which is made at its first use.
func (s *schemer) shared(f *field, path string) schema {
	if _, made := s.definitions[path]; !made {
		s.definitions[path] = nil // it may hold itself
		s.definitions[path] = s.object(f, path, false)
	}
	return schema{"$ref": "#/definitions/" + path}
}

func scalar(types ...string) schema { return schema{"type": append(types, "null")} }

func nullable(kind string) []string { return []string{kind, "null"} }
