package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// edge is one "needs", with the place that says so.
type edge struct {
	to   string
	path []any
}

// need is a node of a graph that must not have a cycle.
type need struct {
	config *Config
	name   string
	edges  []edge
}

// requires checks what artifacts need of each other, over all configs.
func (v *validator) requires() {
	var nodes []need
	for _, c := range v.configs {
		for i, a := range c.Build.Artifacts {
			n := need{config: c, name: a.Image}
			seen := map[string]bool{}
			for j, r := range a.Requires {
				path := []any{"build", "artifacts", i, "requires", j}
				n.edges = append(n.edges, edge{r.Image, append(path[:len(path):len(path)], "image")})
				if seen[r.Alias] {
					v.add(c, fmt.Sprintf("image %q requires alias %q twice", a.Image, r.Alias), `give each its own "alias"`, append(path, "alias")...)
				}
				seen[r.Alias] = true
				if (a.Docker != nil || a.Custom != nil) && r.Alias != "" && !isVariable(r.Alias) {
					v.add(c, fmt.Sprintf("alias %q is no variable name, and %s passes it as one", r.Alias, a.Type()), fmt.Sprintf("add \"alias: %s\"", variable(r.Alias)), append(path, "alias")...)
				}
			}
			nodes = append(nodes, n)
		}
	}
	v.graph(nodes, "image")
}

// releases checks what helm releases need of each other.
func (v *validator) releases(c *Config) {
	if c.Deploy.Helm == nil || len(c.Deploy.Helm.Releases) < 2 {
		return
	}
	var nodes []need
	seen := map[string]bool{}
	for i, r := range c.Deploy.Helm.Releases {
		path := []any{"deploy", "helm", "releases", i}
		if r.Name != "" && seen[r.Name] {
			v.add(c, fmt.Sprintf("helm release %q is defined twice", r.Name), "give one of the two another name", append(path, "name")...)
		}
		seen[r.Name] = true
		n := need{config: c, name: r.Name}
		for j, d := range r.DependsOn {
			n.edges = append(n.edges, edge{d, append(path[:len(path):len(path)], "dependsOn", j)})
		}
		nodes = append(nodes, n)
	}
	v.graph(nodes, "helm release")
}

// graph reports edges that lead nowhere, and the first cycle.
func (v *validator) graph(nodes []need, word string) {
	byName := make(map[string]*need, len(nodes))
	var names []string
	for i := range nodes {
		byName[nodes[i].name] = &nodes[i]
		names = append(names, nodes[i].name)
	}
	for _, n := range nodes {
		for _, e := range n.edges {
			if e.to == "" || byName[e.to] != nil || v.incomplete {
				continue
			}
			hint := "choose from: " + strings.Join(names, ", ")
			if best := diag.Nearest(e.to, names); best != "" {
				hint = fmt.Sprintf("did you mean %q?", best)
			}
			v.add(n.config, fmt.Sprintf("%s %q needs %q, which is not there", word, n.name, e.to), hint, e.path...)
		}
	}
	done := map[string]bool{}
	for _, n := range nodes {
		if v.cycle(byName, n.name, nil, done, word) {
			return
		}
	}
}

func (v *validator) cycle(byName map[string]*need, name string, road []string, done map[string]bool, word string) bool {
	n := byName[name]
	if n == nil || done[name] {
		return false
	}
	road = append(road, name)
	for _, e := range n.edges {
		for i, earlier := range road {
			if earlier == e.to {
				v.add(n.config, fmt.Sprintf("%s %q needs itself: %s", word, e.to, strings.Join(append(road[i:len(road):len(road)], e.to), " -> ")), "remove one of these needs", e.path...)
				return true
			}
		}
		if v.cycle(byName, e.to, road, done, word) {
			return true
		}
	}
	done[name] = true
	return false
}

func isVariable(s string) bool { return regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`).MatchString(s) }

// variable is the name that an image could have as a variable.
func variable(s string) string {
	s = regexp.MustCompile(`[^A-Z0-9_]`).ReplaceAllString(strings.ToUpper(s[strings.LastIndexByte(s, '/')+1:]), "_")
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return "_" + s
	}
	return s
}
