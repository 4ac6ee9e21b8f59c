package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Load reads the project file and every file that it requires. The error is a diag.List with every fault of those
// files, in the order of the files.
func Load(ctx context.Context, o Options) (*Project, error) {
	in, err := read(ctx, o)
	if err != nil {
		return nil, asList(err)
	}
	l := &loader{options: o, format: theFormat(), files: map[string]*file{}, seen: map[place]*visit{}, names: map[string]*Config{}, clones: map[string]func() (string, error){}}
	base := cmp.Or(o.Base, o.Dir)
	l.project = &Project{File: in.path, Dir: base}
	root := l.open(in, base)
	l.visit(ctx, root, request{profiles: o.Profiles, needed: len(o.Modules) == 0})
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load %s: %w", in.name, err)
	}
	l.finish(root)
	if l.faults = unique(l.faults); len(l.faults) > 0 {
		return nil, l.faults
	}
	return l.project, nil
}

// loader is one Load at work.
type loader struct {
	options Options
	format  *format
	project *Project
	files   map[string]*file
	seen    map[place]*visit
	names   map[string]*Config // by metadata.name
	faults  diag.List
	clones  map[string]func() (string, error) // the folder of a repository, by its address and ref

	incomplete bool // a file or a document could not be had: what seems to be missing may stand there
}

// file is a project file whose documents have the latest version.
type file struct {
	name, path, dir string
	docs            []*document
	broken          bool // a document of it cannot be used
	remote          bool // it comes from a repository that was fetched
}

// open parses a file, checks its documents against their versions and brings them to the latest.
func (l *loader) open(in input, dir string) *file {
	f := &file{name: in.name, path: in.path, dir: dir}
	l.files[in.path] = f
	if in.path != "-" && !isURL(in.path) {
		l.project.Files = append(l.project.Files, in.path)
	}
	docs, faults := parse(in)
	for _, d := range docs {
		if !d.useless {
			l.identify(d)
		}
		if d.useless {
			faults = append(faults, d.faults...)
			f.broken = true
		}
	}
	l.faults = append(l.faults, faults...)
	if f.broken = f.broken || len(docs) == 0; f.broken {
		l.incomplete = true
	}
	docs = slices.DeleteFunc(docs, func(d *document) bool { return d.useless })
	for _, d := range docs {
		(&checker{doc: d, format: l.format, version: d.version}).checkRoot()
		d.migrate(l.format.latest())
		d.flatten()
		d.kubeKeys()
	}
	f.docs = docs
	l.sameNames(f)
	return f
}

// identify finds the apiVersion of a document.
func (l *loader) identify(d *document) {
	n := get(d.root, "apiVersion")
	if value(n) == "" {
		d.refuse(d.root, "apiVersion is missing", `write "apiVersion: `+Latest()+`" as the first line`)
		return
	}
	version, hint := l.versionOf(n.Value)
	if d.version = version; hint != "" {
		d.refuse(n, fmt.Sprintf("apiVersion %q is not known", short(n.Value)), hint)
	}
}

// versionOf is the position of an apiVersion, or a hint where there is no such version.
func (l *loader) versionOf(text string) (version int, hint string) {
	name, ok := strings.CutPrefix(text, prefix)
	if version, known := l.format.order[name]; ok && known {
		return version, ""
	}
	if _, known := l.format.order[text]; known {
		return 0, fmt.Sprintf("write %q", prefix+text)
	}
	if !strings.HasPrefix(text, "skaff") && strings.Contains(text, "v1") {
		return 0, fmt.Sprintf(`a project file has "apiVersion: %s"; if this is a manifest of Kubernetes, name it below "manifests.rawYaml" of one`, Latest())
	}
	newest := slices.Clone(l.format.versions)
	slices.Reverse(newest)
	if best := diag.Nearest(name, newest); best != "" {
		return 0, fmt.Sprintf("did you mean %q? the latest is %q", prefix+best, Latest())
	}
	return 0, fmt.Sprintf(`the latest is "%s"; skiff schema list names all of them`, Latest())
}

// sameNames refuses two documents of a file with one name: "requires" could not tell them apart.
func (l *loader) sameNames(f *file) {
	first := map[string]bool{}
	for _, d := range f.docs {
		n := one(d.root, "metadata.name")
		if name := value(n); name != "" && first[name] {
			d.fault(n, fmt.Sprintf("two configs of this file are named %q", name), "give one of the two another name")
		}
		first[value(n)] = true
	}
}

// compose makes a config of a document of the latest version: profiles, values, defaults, paths.
func (l *loader) compose(d *document, f *file, active active) *Config {
	l.apply(d, active)
	c := &Config{File: f.path, Dir: f.dir, Index: d.index, Remote: f.remote, doc: d}
	if err := d.root.Decode(c); err != nil {
		d.fault(d.root, "the document cannot be read: "+strings.TrimPrefix(err.Error(), "yaml: "), "correct the value at that line")
		return nil
	}
	l.defaults(c)
	if !l.options.RelativePaths || f.path != l.project.File {
		c.absolute()
	}
	for _, a := range c.Build.Artifacts {
		a.Config = c
	}
	return c
}

// finish does what needs every config: what only a config that stands alone gets, and the rules.
func (l *loader) finish(root *file) {
	for _, path := range sortedKeys(l.files) {
		for _, d := range l.files[path].docs {
			l.faults = append(l.faults, d.faults...)
			l.project.Notes = append(l.project.Notes, d.notes...)
		}
	}
	l.project.Notes.Sort()
	l.unknownProfiles(root.name)
	configs := l.project.Configs
	if len(configs) == 1 {
		configs[0].standAlone()
	}
	if len(configs) == 0 && len(l.faults) == 0 && len(l.options.Modules) > 0 {
		l.faults = append(l.faults, l.noModule())
	}
	if l.options.Command == "diagnose" || l.options.Command == "inspect" {
		return
	}
	v := &validator{configs: configs, command: l.options.Command, incomplete: l.incomplete}
	v.all()
	l.faults = append(l.faults, v.faults...)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// asList makes every error that a user can act on a diag.List, as callers expect it.
func asList(err error) error {
	var e *diag.Error
	if errors.As(err, &e) {
		return diag.List{e}
	}
	return diag.WithCode(diag.CodeConfig, err)
}

// unique sorts the faults and drops repeated ones: an anchor that is used twice holds its fault once, whatever path the
// message names.
func unique(l diag.List) diag.List {
	l.Sort()
	return slices.CompactFunc(l, func(a, b *diag.Error) bool {
		return a.Pos == b.Pos && (a.What == b.What || a.Pos.Column > 0 && a.Hint == b.Hint)
	})
}

// shownPath is a path as messages name it: relative where it lies below the working folder or beside it.
func (l *loader) shownPath(path string) string {
	if rel, err := filepath.Rel(l.options.Dir, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}
