package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// active is the profiles of one document that are switched on, in the order in which they apply.
type active struct {
	names     []string
	byContext []string // those that a kube context switched on
}

// active finds the profiles of a document that switch themselves on, and then goes through the given names.
func (l *loader) active(d *document, given []string) active {
	profiles := items(get(d.root, "profiles"))
	var a active
	a.names, a.byContext = l.activated(d, profiles)
	for _, name := range given {
		if off, ok := strings.CutPrefix(name, "-"); ok {
			a.names = slices.DeleteFunc(a.names, func(n string) bool { return n == off })
		} else if !slices.Contains(a.names, name) && profileNamed(profiles, name) != nil {
			a.names = append(a.names, name)
		}
	}
	return a
}

// profileNamed is the profile with a name; of two with one name the last counts.
func profileNamed(profiles []*yaml.Node, name string) *yaml.Node {
	for _, p := range slices.Backward(profiles) {
		if value(get(p, "name")) == name {
			return p
		}
	}
	return nil
}

// apply merges the active profiles into a document of the latest version, one after the other.
func (l *loader) apply(d *document, a active) {
	profiles := items(get(d.root, "profiles"))
	for _, name := range a.names {
		if p := profileNamed(profiles, name); p != nil {
			d.apply(p)
		}
	}
	if len(a.names) > 0 {
		(&checker{doc: d, format: l.format, version: l.format.latest(), lax: true}).checkRoot()
	}
	l.sameContext(d, a)
}

// activated is the names of the profiles that switch themselves on, and of those the ones that a kube context did.
func (l *loader) activated(d *document, profiles []*yaml.Node) (active, byContext []string) {
	for _, p := range profiles {
		if !l.options.ProfileAutoActivation {
			continue
		}
		conditions := items(get(p, "activation"))
		all := isTrue(get(p, "requiresAllActivations"))
		held, context := 0, false
		for _, a := range conditions {
			if l.holds(d, a) {
				held++
				context = context || value(get(a, "kubeContext")) != ""
			}
		}
		if held == 0 || all && held < len(conditions) {
			continue
		}
		name := value(get(p, "name"))
		active = append(active, name)
		if context {
			byContext = append(byContext, name)
		}
	}
	return active, byContext
}

// holds tells whether every condition that an activation names is met; one that names none is.
func (l *loader) holds(d *document, a *yaml.Node) bool {
	ok := true
	if want := value(get(a, "command")); want != "" {
		ok = ok && Matches(want, l.options.Command)
	}
	if env := get(a, "env"); value(env) != "" {
		ok = l.envHolds(d, env) && ok
	}
	if want := value(get(a, "kubeContext")); want != "" && ok {
		ok = Matches(want, l.kubeContext())
	}
	return ok
}

func (l *loader) envHolds(d *document, env *yaml.Node) bool {
	key, want, ok := strings.Cut(env.Value, "=")
	if !ok {
		d.fault(env, fmt.Sprintf("activation by env needs NAME=VALUE, not %q", short(env.Value)), fmt.Sprintf("write %s=PATTERN; %s= means unset or empty", env.Value, env.Value))
		return false
	}
	var is string
	if l.options.Getenv != nil {
		is, _ = l.options.Getenv(key)
	}
	if want == "" {
		return is == ""
	}
	return Matches(want, is)
}

func (l *loader) kubeContext() string {
	if l.options.KubeContext == nil {
		return ""
	}
	return l.options.KubeContext()
}

// Matches compares as Skaffold does: equal text or an unanchored regular expression; a leading "!" turns it round.
func Matches(pattern, text string) bool {
	if rest, not := strings.CutPrefix(pattern, "!"); not {
		return !matchesPlain(rest, text)
	}
	return matchesPlain(pattern, text)
}

func matchesPlain(pattern, text string) bool {
	if pattern == text {
		return true
	}
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(text)
}

// sameContext refuses a profile that one kube context switches on and that then deploys to another.
func (l *loader) sameContext(d *document, a active) {
	by := slices.IndexFunc(a.byContext, func(name string) bool { return slices.Contains(a.names, name) })
	n := one(d.root, "deploy.kubeContext")
	if by < 0 || l.options.KubeContextGiven || value(n) == "" || n.Value == l.kubeContext() {
		return
	}
	d.fault(n, fmt.Sprintf("profile %q is switched on by kube context %q, but deploy.kubeContext is %q", a.byContext[by], l.kubeContext(), n.Value),
		fmt.Sprintf(`pass "--kube-context %s", or switch the profile off with "-p -%s"`, n.Value, a.byContext[by]))
}

// unknownProfiles refuses names after -p that no document knows: a typing slip must not run the wrong thing.
func (l *loader) unknownProfiles(name string) {
	if l.incomplete {
		return // the profile may well be in what could not be read
	}
	var known []string
	for _, path := range sortedKeys(l.files) {
		for _, d := range l.files[path].docs {
			for _, p := range items(get(d.root, "profiles")) {
				known = append(known, value(get(p, "name")))
			}
		}
	}
	for _, wanted := range l.options.Profiles {
		wanted = strings.TrimPrefix(wanted, "-")
		if slices.Contains(known, wanted) {
			continue
		}
		hint := fmt.Sprintf("%s has no profiles; leave -p out", name)
		if best := diag.Nearest(wanted, known); best != "" {
			hint = fmt.Sprintf("did you mean %q?", best)
		} else if len(known) > 0 {
			hint = "it has: " + strings.Join(known, ", ")
		}
		l.faults = append(l.faults, &diag.Error{What: fmt.Sprintf("no profile %q in %s", wanted, name), Hint: hint, Code: diag.CodeConfig})
	}
}

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
