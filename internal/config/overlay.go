package config

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// apply merges a profile into the document and then runs its patches.
func (d *document) apply(profile *yaml.Node) {
	d.overlay(reflect.TypeFor[Pipeline](), d.root, profile)
	for _, p := range items(get(profile, "patches")) {
		if isNull(p) {
			continue
		}
		d.patch(p, value(get(profile, "name")))
	}
}

// overlay puts what a profile sets over the base, by the rules that the Go type of each field stands for: a plain
// block is merged field by field, a pointer or a list that is written replaces the whole, and an empty value is as
// good as none.
func (d *document) overlay(t reflect.Type, base, over *yaml.Node) {
	skip := d.chooseOne(t, base, over)
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.Anonymous {
			d.overlay(f.Type, base, over)
			continue
		}
		v := get(over, key)
		if key == "" || isNull(v) || slices.Contains(skip, key) {
			continue
		}
		if f.Type.Kind() == reflect.Struct {
			d.overlay(f.Type, child(base, key, keyNode(over, key)), v)
		} else if isSet(f.Type, v) {
			d.replace(base, over, key)
		}
	}
}

// isSet tells whether a value counts as written.
func isSet(t reflect.Type, v *yaml.Node) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return true
	case reflect.Slice, reflect.Map:
		return len(v.Content) > 0
	}
	p := reflect.New(t)
	return v.Decode(p.Interface()) == nil && !p.Elem().IsZero()
}

// replace copies a key of the profile into the base; faults in it then point into the profile.
func (d *document) replace(base, over *yaml.Node, key string) {
	k := *keyNode(over, key)
	cut(base, key)
	base.Content = append(base.Content, &k, d.clone(get(over, key)))
}

// chooseOne replaces the member of a group that the base has by the first one that the profile has. It is the keys
// that are dealt with.
func (d *document) chooseOne(t reflect.Type, base, over *yaml.Node) []string {
	if t != reflect.TypeFor[BuildConfig]() && t != reflect.TypeFor[TagPolicy]() {
		return nil
	}
	group := shapes()[t.Name()].oneOf
	for _, key := range group {
		if isNull(get(over, key)) {
			continue
		}
		for _, other := range group {
			cut(base, other)
		}
		d.replace(base, over, key)
		break
	}
	return group
}
