package config

import (
	"errors"
	"fmt"
	"strings"
	texttemplate "text/template"

	"github.com/Masterminds/sprig/v3"
)

// Templates fills in the templates of a project's fields: Go's text/template over the environment, with the functions of
// sprig, and with cmd, which runs a program. The zero value knows no variables.
type Templates struct {
	Environ []string                                          // NAME=value; of two with one name the last counts
	Run     func(name string, args ...string) (string, error) // what {{cmd "name" "argument"}} runs; nil refuses it
}

// unset is what an unknown variable becomes.
const unset = "<no value>"

// Fill gives the text with its templates filled in. extra wins over the environment. A variable that is not set becomes
// "<no value>", as in Skaffold.
func (t Templates) Fill(text string, extra map[string]string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	parsed, err := texttemplate.New("field").Funcs(t.functions()).Parse(text)
	if err != nil {
		return "", fmt.Errorf("template %q: %s", text, strings.TrimPrefix(err.Error(), "template: field:1: "))
	}
	vars := make(map[string]any, len(t.Environ)+len(extra))
	for _, v := range t.Environ {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	for name, value := range extra {
		vars[name] = value
	}
	var out strings.Builder
	if err := parsed.Execute(&out, vars); err != nil {
		return "", fmt.Errorf("template %q: %s", text, strings.TrimPrefix(err.Error(), "template: field:1:"))
	}
	return out.String(), nil
}

// FillAll is Fill, but a variable that is not set is an error.
func (t Templates) FillAll(text string, extra map[string]string) (string, error) {
	out, err := t.Fill(text, extra)
	if err == nil && strings.Contains(out, unset) {
		return "", fmt.Errorf("template %q names a variable that is not set", text)
	}
	return out, err
}

// functions are sprig's, without those that reach outside of the template, and cmd.
func (t Templates) functions() texttemplate.FuncMap {
	all := texttemplate.FuncMap(sprig.TxtFuncMap())
	all["cmd"] = func(name string, args ...string) (string, error) {
		if t.Run == nil {
			return "", errors.New("cmd is not available here")
		}
		out, err := t.Run(name, args...)
		return strings.TrimSpace(out), err
	}
	return all
}

// Fill fills in the templates of every field that Skaffold's format marks as one, as `diagnose --enable-templating` shows
// them. A text that needs a variable which only a build knows stays as it is.
func (c *Config) Fill(t Templates) error {
	f := filler{Templates: t}
	for _, a := range c.Build.Artifacts {
		f.artifact(a)
	}
	f.tagPolicy(c.Build.TagPolicy)
	if k := c.Manifests.Kustomize; k != nil {
		f.texts(k.Paths)
	}
	if h := c.Manifests.Helm; h != nil {
		f.releases(h.Releases)
	}
	if h := c.Deploy.Helm; h != nil {
		f.releases(h.Releases)
	}
	if k := c.Deploy.Kubectl; k != nil && k.DefaultNamespace != nil {
		f.text(k.DefaultNamespace)
	}
	for _, p := range c.PortForward {
		f.text(&p.ResourceName)
		f.text(&p.Namespace)
	}
	return errors.Join(f.errs...)
}

// filler is one Fill at work.
type filler struct {
	Templates
	errs []error
}

func (f *filler) text(s *string) {
	out, err := f.Templates.Fill(*s, nil)
	switch {
	case err != nil:
		f.errs = append(f.errs, err)
	case !strings.Contains(out, unset):
		*s = out
	}
}

func (f *filler) texts(list []string) {
	for i := range list {
		f.text(&list[i])
	}
}

func (f *filler) values(m map[string]string) {
	for key, value := range m {
		f.text(&value)
		m[key] = value
	}
}

func (f *filler) artifact(a *Artifact) {
	if d := a.Docker; d != nil {
		for _, value := range d.BuildArgs {
			if value != nil {
				f.text(value)
			}
		}
	}
	if k := a.Ko; k != nil {
		f.texts(k.Env)
		f.texts(k.Flags)
		f.texts(k.Ldflags)
		f.values(k.Labels)
	}
}

func (f *filler) tagPolicy(p TagPolicy) {
	if p.EnvTemplate != nil {
		f.text(&p.EnvTemplate.Template)
	}
	if p.CustomTemplate != nil {
		for _, c := range p.CustomTemplate.Components {
			f.tagPolicy(c.TagPolicy)
		}
	}
}

func (f *filler) releases(releases []*HelmRelease) {
	for _, r := range releases {
		f.text(&r.Name)
		f.text(&r.ChartPath)
		f.text(&r.Namespace)
		f.text(&r.Version)
		f.texts(r.ValuesFiles)
		f.values(r.SetValues)
		f.values(r.SetValueTemplates)
	}
}
