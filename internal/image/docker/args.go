package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// runMode is an ARG that Dockerfiles declare to know the command that builds them.
const runMode = "SKAFFOLD_RUN_MODE"

// args are the build arguments of a request: those of the file with their templates put in, a name without a value from the
// environment, the required images by their aliases, and the run mode where it is declared.
func (b *Builder) args(r image.Request, rec *recipe) (map[string]*string, error) {
	args := map[string]*string{}
	if rec.declares(runMode) && b.o.Mode != "" {
		args[runMode] = &b.o.Mode
	}
	for alias, need := range r.Needs {
		ref := need.Ref
		args[alias] = &ref
	}
	for _, name := range sorted(r.Artifact.Docker.BuildArgs) {
		value := r.Artifact.Docker.BuildArgs[name]
		if value == nil {
			if v, ok := b.env[name]; ok {
				value = &v
			}
			args[name] = value
			continue
		}
		text, err := b.expand(fmt.Sprintf("build argument %q", name), *value, r.Ref)
		if err != nil {
			return nil, err
		}
		args[name] = &text
	}
	return args, nil
}

// variables are the parts of a reference that templates may name. A name without a slash has neither repository nor name, as
// projects know it.
func variables(ref string) map[string]string {
	name, tag := ref, "latest"
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		name, tag = ref[:i], ref[i+1:]
	}
	repo, base := "", ""
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		repo, base = name[:i], name[i+1:]
	}
	return map[string]string{"IMAGE_REPO": repo, "IMAGE_NAME": base, "IMAGE_TAG": tag}
}

// expand is a value with its {{…}} put in; an unknown variable reads "<no value>". The error names the template, never a value.
func (b *Builder) expand(what, value, ref string) (string, error) {
	t := b.o.Templates
	if t.Environ == nil {
		t.Environ = b.o.Environ
	}
	text, err := t.Fill(value, variables(ref))
	if err != nil {
		return "", diag.Errorf("", "%s: %w", what, err)
	}
	return text, nil
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
