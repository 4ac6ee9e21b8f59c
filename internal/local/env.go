package local

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/skiff-dev/skiff/internal/kube"
)

// remember keeps what ConfigMaps and Secrets of the manifests hold.
func (p *planner) remember(o *kube.Object) {
	kind := o.GetKind()
	if kind != "ConfigMap" && kind != "Secret" {
		return
	}
	all := map[string]string{}
	plain, _, _ := unstructured.NestedStringMap(o.Object, "data")
	for k, v := range plain {
		if kind == "Secret" {
			v = decoded(v)
		}
		all[k] = v
	}
	for field, plain := range map[string]bool{"binaryData": false, "stringData": true} {
		more, _, _ := unstructured.NestedStringMap(o.Object, field)
		for k, v := range more {
			if !plain {
				v = decoded(v)
			}
			all[k] = v
		}
	}
	p.data[key(kind, namespaceOf(o), o.GetName())] = all
}

func key(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

func decoded(text string) string {
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return text
	}
	return string(data)
}

// environment is what the process sees: the machine's own few variables, the Dockerfile's, the Services', and the container's.
func (p *planner) environment(d *draft, c *container) {
	env := vars(p.Host.Env)
	maps.Copy(env, vars(c.image.Env))
	links := map[string]string{}
	if d.pod.EnableServiceLinks == nil || *d.pod.EnableServiceLinks {
		links = p.links()
	}
	set := map[string]string{} // by the container; only these may be named as $(NAME)
	for _, from := range c.EnvFrom {
		p.envFrom(d, c, from, set)
	}
	for _, v := range c.Env {
		if value, ok := p.envValue(d, c, v, set, links); ok {
			set[v.Name] = value
		}
	}
	maps.Copy(env, set)
	for name, value := range env {
		if slices.Contains(p.Host.Env, name+"="+value) {
			continue // of this machine already
		}
		env[name] = c.layout.Text(p.rewrite(c.renumber(name, value)))
	}
	if c.own.Port != 0 {
		env["PORT"] = strconv.Itoa(c.own.Port)
	}
	maps.Copy(env, c.own.Env)
	env["PWD"] = c.layout.Dir
	if path := p.tools(c); path != "" {
		env["PATH"] = path + string(filepath.ListSeparator) + env["PATH"]
	}
	maps.DeleteFunc(links, func(name, _ string) bool { _, own := env[name]; return own })
	c.process.Env, c.process.Links = list(env), list(links)
}

// list is an environment in a stable order.
func list(env map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}

// tools is the folders of the project's own programs, which come before the machine's: a virtual environment, installed node modules.
func (p *planner) tools(c *container) string {
	var found []string
	for _, base := range slices.Compact([]string{c.layout.Dir, c.image.Context}) {
		found = append(found, ownTools(p.Host, base)...)
	}
	return strings.Join(found, string(filepath.ListSeparator))
}

// ownTools are the folders of programs that are installed in a folder of sources.
func ownTools(h Host, base string) []string {
	var found []string
	for _, rel := range []string{".venv/bin", ".venv/Scripts", "venv/bin", "node_modules/.bin", "vendor/bin"} {
		if dir := filepath.Join(base, filepath.FromSlash(rel)); base != "" && h.IsDir(dir) {
			found = append(found, dir)
		}
	}
	return found
}

func (p *planner) envFrom(d *draft, c *container, from corev1.EnvFromSource, set map[string]string) {
	kind, name, optional := "", "", false
	switch {
	case from.ConfigMapRef != nil:
		kind, name, optional = "ConfigMap", from.ConfigMapRef.Name, isTrue(from.ConfigMapRef.Optional)
	case from.SecretRef != nil:
		kind, name, optional = "Secret", from.SecretRef.Name, isTrue(from.SecretRef.Optional)
	}
	data, ok := p.data[key(kind, d.unit.Namespace, name)]
	if !ok && !optional {
		p.missing(d, c, kind, name)
	}
	for k, v := range data {
		set[from.Prefix+k] = v
	}
}

func (p *planner) missing(d *draft, c *container, kind, name string) {
	p.find(Broken, d, c, "environment", fmt.Sprintf("add %s %s to the manifests, or give the variables in skiff.yaml", kind, name),
		"%s %q is not in the manifests", kind, name)
}

// envValue is the value of one variable; false when it is not set.
func (p *planner) envValue(d *draft, c *container, v corev1.EnvVar, set, env map[string]string) (string, bool) {
	if v.ValueFrom == nil {
		return references(v.Value, set, env), true
	}
	switch from := v.ValueFrom; {
	case from.ConfigMapKeyRef != nil:
		r := from.ConfigMapKeyRef
		return p.keyOf(d, c, "ConfigMap", r.Name, r.Key, isTrue(r.Optional))
	case from.SecretKeyRef != nil:
		r := from.SecretKeyRef
		return p.keyOf(d, c, "Secret", r.Name, r.Key, isTrue(r.Optional))
	case from.FieldRef != nil:
		value, ok := p.field(d, from.FieldRef.FieldPath)
		if !ok {
			p.find(Differs, d, c, "environment", "", "%s is not set: %s means nothing here", v.Name, from.FieldRef.FieldPath)
		}
		return value, ok
	case from.ResourceFieldRef != nil:
		if q, ok := d.resource(c, from.ResourceFieldRef); ok {
			return q, true
		}
	}
	p.find(Differs, d, c, "environment", "", "%s is not set: its source is not supported here", v.Name)
	return "", false
}

func (p *planner) keyOf(d *draft, c *container, kind, name, k string, optional bool) (string, bool) {
	data, ok := p.data[key(kind, d.unit.Namespace, name)]
	if !ok {
		if !optional {
			p.missing(d, c, kind, name)
		}
		return "", false
	}
	value, ok := data[k]
	if !ok && !optional {
		p.find(Broken, d, c, "environment", fmt.Sprintf("add the key to %s %s", kind, name), "%s %q has no key %q", kind, name, k)
	}
	return value, ok
}

// field is the downward API, as far as it means something for a process.
func (p *planner) field(d *draft, path string) (string, bool) {
	if m := subscript(path, "metadata.labels"); m != "" {
		return d.labels[m], true
	}
	if m := subscript(path, "metadata.annotations"); m != "" {
		return d.notes[m], true
	}
	switch path {
	case "metadata.labels":
		return quoted(d.labels), true
	case "metadata.annotations":
		return quoted(d.notes), true
	}
	value, ok := map[string]string{
		"metadata.name": d.unit.Name, "metadata.namespace": d.unit.Namespace, "metadata.uid": "local-" + d.unit.Name,
		"spec.nodeName": p.Host.Name, "spec.serviceAccountName": orText(d.pod.ServiceAccountName, "default"),
		"status.podIP": "127.0.0.1", "status.podIPs": "127.0.0.1", "status.hostIP": "127.0.0.1", "status.hostIPs": "127.0.0.1",
	}[path]
	return value, ok
}

// quoted is all labels as the kubelet writes them into a file.
func quoted(labels map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		lines = append(lines, name+"="+strconv.Quote(labels[name]))
	}
	return strings.Join(lines, "\n")
}

func subscript(path, field string) string {
	rest, ok := strings.CutPrefix(path, field+"['")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(rest, "']")
}

// resource is a request or a limit of a container, c when none is named, in the unit that is asked for, rounded up.
func (d *draft) resource(c *container, want *corev1.ResourceFieldSelector) (string, bool) {
	for _, other := range d.containers {
		if want.ContainerName != "" && other.Name == want.ContainerName {
			c = other
		}
	}
	if c == nil {
		return "", false
	}
	list, kind, _ := strings.Cut(want.Resource, ".")
	from := c.Resources.Limits
	if list == "requests" {
		from = c.Resources.Requests
	}
	q, ok := from[corev1.ResourceName(kind)]
	if !ok {
		return "", false
	}
	unit := want.Divisor.MilliValue()
	if unit <= 0 {
		unit = 1000
	}
	return strconv.FormatInt((q.MilliValue()+unit-1)/unit, 10), true
}

// references puts in $(NAME); $$ is a dollar, and what is not known stays as it is.
func references(text string, sets ...map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		if text[i+1] == '$' {
			out.WriteByte('$')
			i++
			continue
		}
		end := strings.IndexByte(text[i:], ')')
		if text[i+1] != '(' || end < 0 {
			out.WriteByte('$')
			continue
		}
		name, found := text[i+2:i+end], false
		for _, set := range sets {
			if v, ok := set[name]; ok {
				out.WriteString(v)
				found = true
				break
			}
		}
		if !found {
			out.WriteString(text[i : i+end+1])
		}
		i += end
	}
	return out.String()
}

func vars(env []string) map[string]string {
	all := map[string]string{}
	for _, kv := range env {
		if name, value, ok := strings.Cut(kv, "="); ok {
			all[name] = value
		}
	}
	return all
}

func isTrue(b *bool) bool { return b != nil && *b }

func orText(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
