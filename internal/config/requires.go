package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/skiff-dev/skiff/internal/diag"
)

// request is a wish for configs of a file, by the command line or by another config.
type request struct {
	configs  []string // by name; none means all
	profiles []string // as after -p
	needed   bool     // kept whatever --module says
	by       *Config  // the config that requires them, nil for the command line
	index    int      // of the entry in its list
}

// place is a document of a file.
type place struct {
	path  string
	index int
}

// visit is a config that was reached, and how.
type visit struct {
	config   *Config
	profiles []string // sorted
	needed   bool
}

// visit adds the configs that a request asks for, each after those that it requires itself.
func (l *loader) visit(ctx context.Context, f *file, r request) {
	for _, d := range f.docs {
		name := value(one(d.root, "metadata.name"))
		if ctx.Err() != nil || len(r.configs) > 0 && !slices.Contains(r.configs, name) {
			continue
		}
		at := place{f.path, d.index}
		v := l.seen[at]
		needed := r.needed || slices.Contains(l.options.Modules, name)
		if v == nil {
			act := l.active(d, r.profiles)
			v = &visit{profiles: slices.Sorted(slices.Values(act.names)), needed: needed}
			l.seen[at] = v
			v.config = l.compose(d, f, act)
			l.named(v.config)
		} else {
			l.sameProfiles(d, r, v)
			if v.needed || !needed {
				continue
			}
			v.needed = true
		}
		if v.config == nil {
			continue
		}
		if r.by != nil {
			r.by.Needs = append(r.by.Needs, v.config)
		}
		for i := range v.config.Requires {
			l.require(ctx, v, i, needed)
		}
		if needed {
			l.project.Configs = append(l.project.Configs, v.config)
		}
	}
}

// sameProfiles refuses a config that two others require with different profiles: it exists only once.
func (l *loader) sameProfiles(d *document, r request, v *visit) {
	names := slices.Sorted(slices.Values(l.active(d, r.profiles).names))
	if slices.Equal(names, v.profiles) || r.by == nil {
		return
	}
	l.faults = append(l.faults, r.by.Fault(fmt.Sprintf("a config of %s is required with profiles [%s] here and with [%s] elsewhere", d.source.Name, strings.Join(names, ", "), strings.Join(v.profiles, ", ")),
		`give both the same "activeProfiles"`, "requires", r.index))
}

// named refuses a name that a config of another file has.
func (l *loader) named(c *Config) {
	if c == nil || c.Metadata.Name == "" {
		return
	}
	if other := l.names[c.Metadata.Name]; other != nil && other.File != c.File {
		l.faults = append(l.faults, c.Fault(fmt.Sprintf("config name %q is also used in %s", c.Metadata.Name, other.doc.source.Name), "give one of the two another name", "metadata", "name"))
		return
	}
	l.names[c.Metadata.Name] = c
}

// require follows one entry of a config's "requires".
func (l *loader) require(ctx context.Context, v *visit, index int, needed bool) {
	c, r := v.config, v.config.Requires[index]
	f := l.target(ctx, c, r, index)
	if f == nil {
		return
	}
	l.visit(ctx, f, request{configs: r.Configs, profiles: l.passed(r, v.profiles), needed: needed, by: c, index: index})
}

// passed is the profiles that a requirement switches on, and then those of the command line.
func (l *loader) passed(r *Requirement, active []string) []string {
	var names []string
	for _, p := range r.ActiveProfiles {
		on := len(p.ActivatedBy) == 0
		for _, by := range p.ActivatedBy {
			on = on || slices.Contains(active, by)
		}
		if on {
			names = append(names, p.Name)
		}
	}
	if l.options.NoPropagateProfiles {
		return names
	}
	return append(names, l.options.Profiles...)
}

// target is the file that a requirement names, nil where it cannot be had; the reason is reported.
func (l *loader) target(ctx context.Context, c *Config, r *Requirement, index int) *file {
	var path, dir string // dir: of the repository
	key := "path"
	switch {
	case r.Git != nil:
		key = "git"
		var err error
		if dir, err = l.repository(ctx, r.Git); err != nil {
			fault := diag.All(err)[0]
			return l.refuse(c, fault.What, fault.Hint, index, key)
		}
		if r.Git.Path != "" && !filepath.IsLocal(filepath.FromSlash(r.Git.Path)) {
			return l.refuse(c, fmt.Sprintf("the path %q leads out of the repository", r.Git.Path), "correct the path; it starts from the top of the repository", index, key)
		}
		path = fileIn(filepath.Join(dir, r.Git.Path))
	case r.GoogleCloudStorage != nil:
		return l.refuse(c, `"requires" by googleCloudStorage is not supported: skiff reads no buckets`,
			fmt.Sprintf("copy the files beside the project (gcloud storage cp -r %s .) and name them with \"path\", or keep them in git", r.GoogleCloudStorage.Source), index, "googleCloudStorage")
	case r.GoogleCloudBuildRepoV2 != nil:
		return l.refuse(c, `"requires" by googleCloudBuildRepoV2 is not supported: skiff does not ask Cloud Build`,
			`name the repository itself: "git: {repo: https://…}"`, index, "googleCloudBuildRepoV2")
	case strings.Contains(r.Path, "://") && !isURL(r.Path):
		return l.refuse(c, `"requires" by `+r.Path[:strings.Index(r.Path, "://")]+` is not supported`, `name a file of this machine, an https address, or a repository with "git"`, index, key)
	case r.Path == "":
		return l.files[c.File]
	default:
		path = c.requiredPath(index)
	}
	if f := l.files[path]; f != nil {
		return f
	}
	in, err := l.readRequired(ctx, path)
	var known *diag.Error
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.Git != nil:
		return l.refuse(c, fmt.Sprintf("%s has no %s", r.Git.Repo, filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator)))), `correct "path"; it starts from the top of the repository`, index, key)
	case errors.Is(err, fs.ErrNotExist):
		return l.refuse(c, fmt.Sprintf("the required file %s does not exist", l.shownPath(path)), "correct the path; it starts from the folder of this file", index, key)
	case errors.As(err, &known):
		return l.refuse(c, known.What, known.Hint, index, key)
	case err != nil:
		return l.refuse(c, err.Error(), "check that the file can be read", index, key)
	}
	if f := l.files[in.path]; f != nil {
		return f
	}
	dir = l.options.Dir // of a URL
	if !isURL(in.path) {
		in.name, dir = l.shownPath(in.path), filepath.Dir(in.path)
	}
	f := l.open(in, dir)
	f.remote = r.Git != nil || c.Remote
	return f
}

// refuse reports why an entry of "requires" cannot be followed. What it would have brought is missing from here on.
func (l *loader) refuse(c *Config, what, hint string, index int, key string) *file {
	l.incomplete = true
	l.faults = append(l.faults, c.Fault(what, hint, "requires", index, key))
	return nil
}

// requiredPath is the file that the path of an entry leads to. It starts from the folder of the config's own file,
// where Path, as all paths of a config, starts from the working folder.
func (c *Config) requiredPath(index int) string {
	path := c.Requires[index].Path
	if entries := items(get(c.doc.root, "requires")); index < len(entries) {
		path = value(get(entries[index], "path"))
	}
	if isURL(path) {
		return path
	}
	base := c.Dir
	if c.File != "-" && !isURL(c.File) {
		base = filepath.Dir(c.File)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(base, path)
	}
	return fileIn(path)
}

// fileIn is the project file of a folder, or the file itself.
func fileIn(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, "skaffold.yaml")
	}
	return path
}

// readRequired reads a file that is required; skaffold.yml stands in for skaffold.yaml here as well.
func (l *loader) readRequired(ctx context.Context, path string) (input, error) {
	if isURL(path) {
		return download(ctx, l.options, path)
	}
	in, err := readFile("", path)
	if errors.Is(err, fs.ErrNotExist) && filepath.Base(path) == "skaffold.yaml" {
		if yml, ymlErr := readFile("", strings.TrimSuffix(path, "yaml")+"yml"); ymlErr == nil {
			return yml, nil
		}
	}
	return in, err
}

// noModule is the error of a --module that no config has the name of.
func (l *loader) noModule() *diag.Error {
	names := sortedKeys(l.names)
	what := fmt.Sprintf("no module is named %q", strings.Join(l.options.Modules, ","))
	if len(names) == 0 {
		return configError(what, `no config has a name; add "metadata: {name: …}", or leave --module out`)
	}
	if len(l.options.Modules) == 1 {
		if best := diag.Nearest(l.options.Modules[0], names); best != "" {
			return configError(what, fmt.Sprintf("did you mean %q?", best))
		}
	}
	return configError(what, "choose from: "+strings.Join(names, ", "))
}

// repository is the folder with a fetched repository. Each is fetched once.
func (l *loader) repository(ctx context.Context, g *GitSource) (string, error) {
	switch {
	case g.Repo == "":
		return "", configError(`"requires" by git needs the address of a repository`, `add "repo: …"`)
	case l.options.Fetch == nil:
		return "", configError(`"requires" by git is not supported here`, `clone it beside this project and name it with "path"`)
	}
	key := g.Repo + "\x00" + g.Ref
	if l.clones[key] == nil {
		l.clones[key] = sync.OnceValues(func() (string, error) { return l.options.Fetch(ctx, g) })
	}
	return l.clones[key]()
}
