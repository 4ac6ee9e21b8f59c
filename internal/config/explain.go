package config

import (
	"cmp"
	_ "embed" // docs.txt
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/skiff-dev/skiff/internal/diag"
)

//go:embed docs.txt
var docsText string

// Field is what there is to know about a field of the project file.
type Field struct {
	Path      string   // as in build.artifacts[].image
	Type      string   // in words
	Since     string   // the first apiVersion that has it
	Until     string   // the last one, "" where the latest has it
	Meaning   string   // what it does
	Default   string   // what holds where it is not written
	Values    string   // what can be written, where not everything can
	Templates string   // what templates in it can name, "" where it has none
	Example   string   // how it is written, "" for most
	Required  bool     // a block that lacks it is refused
	OneOf     []string // fields of which only one can be written
	Fields    []*Field // what a block holds
}

// doc is a line of docs.txt with its example.
type doc struct{ meaning, fallback, values, templates, example string }

// theDocs is docs.txt by the end of a field's path. It is parsed at first use.
var theDocs = sync.OnceValue(func() map[string]doc {
	docs := map[string]doc{}
	last := ""
	for line := range strings.Lines(docsText) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		if example, ok := strings.CutPrefix(line, "  "); ok {
			d := docs[last]
			d.example += example + "\n"
			docs[last] = d
			continue
		}
		parts := append(strings.Split(line, "|"), "", "", "", "")
		last = parts[0]
		docs[last] = doc{parts[1], parts[2], parts[3], parts[4], ""}
	}
	return docs
})

// docOf is the line with the longest end that fits a path.
func docOf(path string) doc {
	for end := path; ; {
		if d, ok := theDocs()[end]; ok {
			return d
		}
		_, rest, more := strings.Cut(end, ".")
		if !more {
			return doc{}
		}
		end = rest
	}
}

// Explain is what there is to know about a field, by its path: "build.artifacts.sync", "" for the whole file. Positions
// and brackets in the path do not matter.
func Explain(path string) (*Field, error) {
	at := &Field{Type: "block", Meaning: "The project file.", Since: prefix + theFormat().versions[0]}
	f, t, plain := theFormat().root, reflect.TypeFor[Config](), ""
	for step := range strings.SplitSeq(path, ".") {
		if step, _, _ = strings.Cut(step, "["); step == "" {
			continue
		}
		kid := f.kids[step]
		if kid == nil {
			return nil, unknownField(f, at.Path, step)
		}
		at = explained(kid, t, join(plain, step), join(at.Path, step))
		f, t, plain = (&checker{format: theFormat()}).resolve(kid, kid.ages[len(kid.ages)-1].kind, f), typeOf(t, step), join(plain, step)
		if kid.at(theFormat().latest()) == isPipeline {
			plain = step
		}
	}
	for _, key := range keysOf(f, t) {
		at.Fields = append(at.Fields, explained(f.kids[key], t, join(plain, key), join(at.Path, key)))
	}
	return at, nil
}

func unknownField(f *field, path, step string) error {
	keys := sortedKeys(f.kids)
	hint := "it has: " + strings.Join(keys, ", ")
	if best := diag.Nearest(step, keys); best != "" {
		hint = fmt.Sprintf("did you mean %q?", join(strings.ReplaceAll(path, "[]", ""), best))
	}
	return configError(fmt.Sprintf("%s has no field %q", cmp.Or(path, "the project file"), step), hint)
}

// explained is a field without what it holds. parent is the type of the block around it, plain its path for docs.txt.
func explained(f *field, parent reflect.Type, plain, shown string) *Field {
	format, d := theFormat(), docOf(plain)
	k := f.ages[len(f.ages)-1].kind
	if k == isPipeline {
		k = format.root.kids[f.key].ages[len(format.root.kids[f.key].ages)-1].kind
	}
	out := &Field{
		Path: shown, Type: typeWords(k), Since: prefix + format.versions[f.ages[0].first],
		Meaning: d.meaning, Default: d.fallback, Values: d.values, Templates: d.templates, Example: d.example,
	}
	if strings.HasPrefix(string(k), "[]") {
		out.Path += "[]"
	}
	if end := f.ages[len(f.ages)-1].last; end < format.latest() {
		// The end of its path may fit a field of today that means something else.
		*out = Field{Path: out.Path, Type: out.Type, Since: out.Since, Until: prefix + format.versions[end], Meaning: "A field of older versions. skiff fix writes what has taken its place."}
	}
	if parent != nil {
		rule := shapes()[parent.Name()]
		out.Required = slices.Contains(rule.required, f.key)
		if slices.Contains(rule.oneOf, f.key) {
			out.OneOf = rule.oneOf
		}
	}
	return out
}

func typeWords(k kind) string {
	if member, list := strings.CutPrefix(string(k), "[]"); list {
		switch kind(member) {
		case isString:
			return "list of texts"
		case isFree:
			return "list of Kubernetes blocks"
		}
		return "list of blocks"
	}
	switch k {
	case isString:
		return "text"
	case isBool, isInt, isPort:
		return words(k)
	case isMap:
		return "texts by name"
	case isFlat:
		return "texts by name, nested ones joined with dots"
	case isAny:
		return "any value"
	}
	return "block"
}

// yamlFields calls fn for every key of a block's Go type.
func yamlFields(t reflect.Type, fn func(key string, t reflect.Type)) {
	for i := 0; t != nil && i < t.NumField(); i++ {
		f := t.Field(i)
		if key, options, _ := strings.Cut(f.Tag.Get("yaml"), ","); options == "inline" {
			yamlFields(f.Type, fn)
		} else if key != "-" && key != "" {
			fn(key, f.Type)
		}
	}
}

// typeOf is the Go type of the block that a key of a type holds, nil where it holds none.
func typeOf(t reflect.Type, key string) (found reflect.Type) {
	yamlFields(t, func(k string, t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if k == key && t.Kind() == reflect.Struct {
			found = t
		}
	})
	return found
}

// keysOf is the fields of the latest version that a block holds, in the order of its type; those of an older block by name.
func keysOf(f *field, t reflect.Type) []string {
	if t == nil {
		return sortedKeys(f.kids)
	}
	var keys []string
	yamlFields(t, func(key string, _ reflect.Type) {
		if f.kids[key].at(theFormat().latest()) != "" {
			keys = append(keys, key)
		}
	})
	return keys
}
