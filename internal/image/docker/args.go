package docker

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// runMode is an ARG that Dockerfiles declare to know the command that builds them.
const runMode = "SKAFFOLD_RUN_MODE"

// args are the build arguments of a request: those of the file with their templates put in, a name without a value from the
// environment, the required images by their aliases, and the run mode where it is declared.
func (b *Builder) args(r image.Request, known string, rec *recipe) (map[string]*string, error) {
	args := map[string]*string{}
	if rec.declares(runMode) && b.o.Mode != "" {
		args[runMode] = &b.o.Mode
	}
	for alias, need := range r.Needs {
		ref := need.Ref
		args[alias] = &ref
	}
	vars := b.variables(known)
	for _, name := range sorted(r.Artifact.Docker.BuildArgs) {
		value := r.Artifact.Docker.BuildArgs[name]
		if value == nil {
			if v, ok := b.env[name]; ok {
				value = &v
			}
			args[name] = value
			continue
		}
		text, err := expand(name, *value, vars)
		if err != nil {
			return nil, err
		}
		args[name] = &text
	}
	return args, nil
}

// variables are what templates may name: the environment and the parts of the reference.
func (b *Builder) variables(ref string) map[string]string {
	vars := make(map[string]string, len(b.env)+3)
	for k, v := range b.env {
		vars[k] = v
	}
	name, tag := ref, "latest"
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		name, tag = ref[:i], ref[i+1:]
	}
	// A name without a slash has neither, as projects know it.
	repo, base := "", ""
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		repo, base = name[:i], name[i+1:]
	}
	vars["IMAGE_REPO"], vars["IMAGE_NAME"], vars["IMAGE_TAG"] = repo, base, tag
	return vars
}

// expand is a value with its {{…}} put in; an unknown variable reads "<no value>".
func expand(name, value string, vars map[string]string) (string, error) {
	if !strings.Contains(value, "{{") {
		return value, nil
	}
	t, err := template.New(name).Funcs(template.FuncMap{"default": orDefault}).Parse(value)
	if err != nil {
		return "", diag.Errorf("", "build argument %q: template %q: %w", name, value, err)
	}
	var out strings.Builder
	if err := t.Execute(&out, anyMap(vars)); err != nil {
		return "", diag.Errorf("", "build argument %q: template %q: %w", name, value, err)
	}
	return out.String(), nil
}

// anyMap makes an unknown name print "<no value>", which a map of strings would print as nothing.
func anyMap(vars map[string]string) map[string]any {
	m := make(map[string]any, len(vars))
	for k, v := range vars {
		m[k] = v
	}
	return m
}

func orDefault(fallback, value any) any {
	if value == nil || value == "" {
		return fallback
	}
	return value
}

// secrets are read when the build starts, so that one that is missing is told before anything runs.
func (b *Builder) secrets(list []*config.DockerSecret) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, s := range list {
		switch {
		case s.Env != "":
			v, ok := b.env[s.Env]
			if !ok {
				return nil, diag.Errorf("export "+s.Env+"=…", "secret %q: the variable %s is not set", s.ID, s.Env)
			}
			found[s.ID] = []byte(v)
		case s.Src != "":
			data, err := os.ReadFile(b.path(s.Src))
			if err != nil {
				return nil, diag.Errorf("correct \"src\" of the secret", "secret %q: %w", s.ID, err)
			}
			found[s.ID] = data
		default:
			// As with docker build --secret id=X: the variable of that name.
			if v, ok := b.env[s.ID]; ok {
				found[s.ID] = []byte(v)
				continue
			}
			return nil, diag.Errorf("give the secret a \"src\" or an \"env\"", "secret %q has no source", s.ID)
		}
	}
	return found, nil
}

// path is a path of the project file: "~/" is the home folder, a relative one starts at the working folder.
func (b *Builder) path(p string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return filepath.Join(b.env["HOME"], rest)
	}
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(b.o.Dir, p)
}

// agents reads "default", "id" or "id=socket-or-key,…".
func agents(text string) []engine.SSH {
	if text == "" {
		return nil
	}
	id, paths, _ := strings.Cut(text, "=")
	s := engine.SSH{ID: id}
	if paths != "" {
		s.Paths = strings.Split(paths, ",")
	}
	return []engine.SSH{s}
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
