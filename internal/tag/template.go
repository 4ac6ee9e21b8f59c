package tag

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/skiff-dev/skiff/internal/config"
)

// envTemplate is a template over the environment.
type envTemplate struct{ t *template.Template }

func newEnvTemplate(c *config.EnvTemplateTagger, o Options) (policy, error) {
	t, err := template.New("envTemplate").Funcs(config.Templates{Run: o.Run}.Functions()).Parse(c.Template)
	if err != nil {
		return nil, fmt.Errorf("envTemplate: %w", err)
	}
	return envTemplate{t.Option("missingkey=default")}, nil
}

func (e envTemplate) tag(_ context.Context, p *pass, a *config.Artifact) (string, error) {
	vars := make(map[string]any, len(p.env)+1)
	for k, v := range p.env {
		vars[k] = v
	}
	vars["IMAGE_NAME"] = a.Image
	var out strings.Builder
	if err := e.t.Execute(&out, vars); err != nil {
		return "", fmt.Errorf("envTemplate: %w", err)
	}
	text := out.String()
	if strings.Contains(text, "<no value>") {
		return "", fmt.Errorf("envTemplate %q names a variable that is not set", e.t.Root.String())
	}
	// Templates of the first apiVersions made the whole reference.
	return strings.TrimPrefix(text, a.Image+":"), nil
}

// customTemplate puts tags of several policies together.
type customTemplate struct {
	t     *template.Template
	parts map[string]policy
}

func newCustomTemplate(c *config.CustomTemplateTagger, o Options) (policy, error) {
	t, err := template.New("customTemplate").Option("missingkey=error").Parse(c.Template)
	if err != nil {
		return nil, fmt.Errorf("customTemplate: %w", err)
	}
	parts := map[string]policy{
		"GIT": gitPolicy{}, "DATE": dateTime{}, "SHA": fixed(Latest), "INPUT_DIGEST": inputDigest{},
	}
	seen := map[string]bool{}
	for _, component := range c.Components {
		switch {
		case seen[component.Name]:
			return nil, fmt.Errorf("customTemplate: component %q is given twice", component.Name)
		case component.CustomTemplate != nil:
			return nil, fmt.Errorf("customTemplate: component %q is a customTemplate itself", component.Name)
		case component.TagPolicy == (config.TagPolicy{}):
			return nil, fmt.Errorf("customTemplate: component %q has no policy", component.Name)
		}
		seen[component.Name] = true
		if parts[component.Name], err = newPolicy(component.TagPolicy, o); err != nil {
			return nil, err
		}
	}
	return customTemplate{t, parts}, nil
}

func (c customTemplate) tag(ctx context.Context, p *pass, a *config.Artifact) (string, error) {
	values := map[string]string{}
	for _, name := range fields(c.t.Root) {
		part, ok := c.parts[name]
		if !ok {
			return "", fmt.Errorf("customTemplate: there is no component %q", name)
		}
		value, err := part.tag(ctx, p, a)
		if err != nil {
			return "", fmt.Errorf("component %s: %w", name, err)
		}
		values[name] = value
	}
	var out strings.Builder
	if err := c.t.Execute(&out, values); err != nil {
		return "", fmt.Errorf("customTemplate: %w", err)
	}
	return out.String(), nil
}

// fields are the names that a template uses, so that only those are made.
func fields(n parse.Node) []string {
	var names []string
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, inner := range n.Nodes {
			names = append(names, fields(inner)...)
		}
	case *parse.ActionNode:
		names = fields(n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, cmd := range n.Cmds {
			for _, arg := range cmd.Args {
				names = append(names, fields(arg)...)
			}
		}
	case *parse.IfNode:
		names = slices.Concat(fields(n.Pipe), fields(n.List), fields(n.ElseList))
	case *parse.WithNode:
		names = slices.Concat(fields(n.Pipe), fields(n.List), fields(n.ElseList))
	case *parse.FieldNode:
		names = n.Ident[:1]
	}
	return names
}

var errNoFiles = errors.New("inputDigest: the artifact's files are not known here")

func environMap(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, kv := range list {
		if name, value, ok := strings.Cut(kv, "="); ok {
			env[name] = value
		}
	}
	return env
}
