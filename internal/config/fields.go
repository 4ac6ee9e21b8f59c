package config

import (
	_ "embed" // fields.txt
	"strings"
	"sync"
)

//go:embed fields.txt
var fieldsText string

// format is what the file format allows: which field exists in which apiVersion, and its type there.
type format struct {
	versions []string       // without "skaffold/", oldest first
	order    map[string]int // version -> its position in versions
	root     *field
}

// field is one key of the format, at one place, over all versions.
type field struct {
	key  string
	ages []age // oldest first
	kids map[string]*field
}

// age is the versions, first to last, in which a field has one type.
type age struct {
	kind        kind
	first, last int
}

// kind is the type of a field as fields.txt writes it.
type kind string

// The kinds. A list of k is written "[]" + k.
const (
	isString    kind = "string"
	isBool      kind = "bool"
	isInt       kind = "int"
	isPort      kind = "int|string"
	isObject    kind = "object"
	isMap       kind = "map"       // any keys, scalar values
	isFlat      kind = "flat"      // any keys, nested values are flattened
	isFree      kind = "free"      // a mapping that nobody checks
	isAny       kind = "any"       // any YAML
	isRecursive kind = "recursive" // an object with the fields of the object that encloses its list
	isPipeline  kind = "pipeline"  // the same subtree as at the top level
)

// theFormat parses the table at first use: a command that loads no project does not pay for it.
var theFormat = sync.OnceValue(func() *format { return parseFormat(fieldsText) })

func parseFormat(text string) *format {
	f := &format{order: map[string]int{}, root: &field{}}
	open := []*field{f.root} // the enclosing field per level
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if list, ok := strings.CutPrefix(line, "versions "); ok {
			f.versions = strings.Fields(list)
			for i, v := range f.versions {
				f.order[v] = i
			}
			continue
		}
		key := strings.TrimLeft(line, " ")
		level := len(line) - len(key)
		key, rest, ok := strings.Cut(key, "\t")
		if !ok || level >= len(open) {
			continue
		}
		kid := &field{key: key}
		for rest != "" {
			var one string
			one, rest, _ = strings.Cut(rest, "\t")
			kid.ages = append(kid.ages, f.age(one))
		}
		parent := open[level]
		if parent.kids == nil {
			parent.kids = map[string]*field{}
		}
		parent.kids[key] = kid
		open = append(open[:level+1], kid)
	}
	return f
}

func (f *format) age(s string) age {
	k, span, _ := strings.Cut(s, " ")
	first, last, _ := strings.Cut(span, "..")
	a := age{kind(k), f.order[first], len(f.versions) - 1}
	if last != "" {
		a.last = f.order[last]
	}
	return a
}

// latest is the position of the newest version, the one that the structs describe.
func (f *format) latest() int { return len(f.versions) - 1 }

// at is the kind of the field in a version, "" where that version does not have it.
func (d *field) at(version int) kind {
	if d == nil {
		return ""
	}
	for _, a := range d.ages {
		if a.first <= version && version <= a.last {
			return a.kind
		}
	}
	return ""
}

const prefix = "skaffold/"

// Versions is every apiVersion that exists, oldest first.
func Versions() []string {
	all := make([]string, 0, len(theFormat().versions))
	for _, v := range theFormat().versions {
		all = append(all, prefix+v)
	}
	return all
}

// Latest is the apiVersion that the structs of this package describe.
func Latest() string { return prefix + theFormat().versions[theFormat().latest()] }
