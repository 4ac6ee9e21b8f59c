package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// profiles applies the profiles that are active to a document of the latest version, one after the other.
func (l *loader) profiles(d *document) {
	profiles := items(get(d.root, "profiles"))
	byName := map[string]*yaml.Node{} // of two with one name the last counts
	for _, p := range profiles {
		byName[value(get(p, "name"))] = p
	}
	active, byContext := l.activated(d, profiles)
	for _, name := range l.options.Profiles {
		if off, ok := strings.CutPrefix(name, "-"); ok {
			active = slices.DeleteFunc(active, func(a string) bool { return a == off })
		} else if byName[name] != nil && !slices.Contains(active, name) {
			active = append(active, name)
		}
	}
	for _, name := range active {
		d.apply(byName[name])
	}
	if len(active) > 0 {
		(&checker{doc: d, format: l.format, version: l.format.latest(), lax: true}).checkRoot()
	}
	l.sameContext(d, active, byContext)
}

// activated is the names of the profiles that switch themselves on, and of those the ones that a kube context did.
func (l *loader) activated(d *document, profiles []*yaml.Node) (active, byContext []string) {
	for _, p := range profiles {
		conditions := items(get(p, "activation"))
		all := isTrue(get(p, "requiresAllActivations"))
		held, context := 0, false
		for _, a := range conditions {
			if l.holds(d, a) {
				held++
				context = context || value(get(a, "kubeContext")) != ""
			}
		}
		if !l.options.ProfileAutoActivation || held == 0 || all && held < len(conditions) {
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
		ok = ok && matches(want, l.options.Command)
	}
	if env := get(a, "env"); value(env) != "" {
		ok = l.envHolds(d, env) && ok
	}
	if want := value(get(a, "kubeContext")); want != "" && ok {
		ok = matches(want, l.kubeContext())
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
	return matches(want, is)
}

func (l *loader) kubeContext() string {
	if l.options.KubeContext == nil {
		return ""
	}
	return l.options.KubeContext()
}

// matches compares as Skaffold does: equal text or an unanchored regular expression; a leading "!" turns it round.
func matches(pattern, text string) bool {
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
func (l *loader) sameContext(d *document, active, byContext []string) {
	byContext = slices.DeleteFunc(byContext, func(name string) bool { return !slices.Contains(active, name) })
	n := one(d.root, "deploy.kubeContext")
	if len(byContext) == 0 || l.options.KubeContextGiven || value(n) == "" || n.Value == l.kubeContext() {
		return
	}
	d.fault(n, fmt.Sprintf("profile %q is switched on by kube context %q, but deploy.kubeContext is %q", byContext[0], l.kubeContext(), n.Value),
		fmt.Sprintf(`pass "--kube-context %s", or switch the profile off with "-p -%s"`, n.Value, byContext[0]))
}

// unknownProfiles refuses names after -p that no document knows: a typing slip must not run the wrong thing.
func (l *loader) unknownProfiles(file string, configs []*Config) {
	var known []string
	for _, c := range configs {
		for _, p := range c.Profiles {
			known = append(known, p.Name)
		}
	}
	for _, name := range l.options.Profiles {
		name = strings.TrimPrefix(name, "-")
		if slices.Contains(known, name) {
			continue
		}
		hint := fmt.Sprintf("%s has no profiles; leave -p out", file)
		if best := nearest(name, known); best != "" {
			hint = fmt.Sprintf("did you mean %q?", best)
		} else if len(known) > 0 {
			hint = "it has: " + strings.Join(known, ", ")
		}
		l.faults = append(l.faults, &diag.Error{What: fmt.Sprintf("no profile %q in %s", name, file), Hint: hint, Code: diag.CodeConfig})
	}
}
