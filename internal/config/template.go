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
	parsed, err := texttemplate.New("field").Funcs(t.Functions()).Parse(text)
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

// Functions are sprig's, without those that reach outside of the template, and cmd.
func (t Templates) Functions() texttemplate.FuncMap {
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

// templated are the fields that Skaffold's format marks as templates.
const templated = `build.artifacts.docker.buildArgs build.artifacts.ko.env build.artifacts.ko.flags build.artifacts.ko.labels build.artifacts.ko.ldflags
build.tagPolicy.envTemplate.template build.tagPolicy.customTemplate.components.envTemplate.template manifests.kustomize.paths
deploy.kubectl.defaultNamespace portForward.resourceName portForward.namespace`

// templatedRelease are those of a release of helm.
const templatedRelease = "name chartPath namespace version valuesFiles setValues setValueTemplates"

// Fill fills in the templates of every field that Skaffold's format marks as one, as `diagnose --enable-templating` shows
// them. A text that needs a variable which only a build knows stays as it is.
func (c *Config) Fill(t Templates) error {
	fields := strings.Fields(templated)
	for _, field := range strings.Fields(templatedRelease) {
		fields = append(fields, "manifests.helm.releases."+field, "deploy.helm.releases."+field)
	}
	var errs []error
	for _, field := range fields {
		rewrite(c, field, func(text string) string {
			out, err := t.Fill(text, nil)
			if errs = append(errs, err); err != nil || strings.Contains(out, unset) {
				return text
			}
			return out
		})
	}
	return errors.Join(errs...)
}
