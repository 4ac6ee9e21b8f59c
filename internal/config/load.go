package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Load reads the project file. The error is a diag.List with every fault of the file, in the order of the file.
func Load(ctx context.Context, o Options) (*Project, error) {
	l := &loader{options: o, format: theFormat()}
	in, err := read(o)
	if err != nil {
		return nil, asList(err)
	}
	l.project = &Project{File: in.path, Dir: o.Dir}
	if in.path != "-" {
		l.project.Files = []string{in.path}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.file(in)
	l.finish()
	if l.faults = unique(l.faults); len(l.faults) > 0 {
		return nil, l.faults
	}
	return l.project, nil
}

// asList makes every error that a user can act on a diag.List, as callers expect it.
func asList(err error) error {
	var e *diag.Error
	if errors.As(err, &e) {
		return diag.List{e}
	}
	return diag.WithCode(diag.CodeConfig, err)
}

// unique sorts the faults and drops repeated ones: an anchor that is used twice holds its fault once.
func unique(l diag.List) diag.List {
	l.Sort()
	return slices.CompactFunc(l, func(a, b *diag.Error) bool {
		return a.Pos == b.Pos && (a.What == b.What || a.Pos.Line > 0 && firstWords(a.What) == firstWords(b.What))
	})
}

// firstWords is a message up to the path in it, which differs between the uses of one anchor.
func firstWords(s string) string {
	if head, _, ok := strings.Cut(s, " in build."); ok {
		return head
	}
	if head, tail, ok := strings.Cut(s, " must be "); ok {
		return last(head) + tail
	}
	return s
}

// loader is one Load at work.
type loader struct {
	options Options
	format  *format
	project *Project
	faults  diag.List
}

// file reads the documents of one file and adds each as a config.
func (l *loader) file(in input) {
	docs, faults := parse(in)
	if len(faults) == 0 {
		for _, d := range docs {
			l.identify(d)
			faults = append(faults, d.faults...)
		}
	}
	if l.faults = append(l.faults, faults...); len(faults) > 0 {
		return
	}
	var configs []*Config
	for _, d := range docs {
		(&checker{doc: d, format: l.format, version: d.version}).checkRoot()
		d.migrate()
		if c := l.compose(d, in); c != nil {
			configs = append(configs, c)
		}
	}
	l.project.Configs = append(l.project.Configs, configs...)
	if len(configs) == len(docs) {
		l.unknownProfiles(in.name, configs)
	}
	for _, d := range docs {
		l.faults = append(l.faults, d.faults...)
		l.project.Notes = append(l.project.Notes, d.notes...)
	}
}

// identify finds the apiVersion of a document.
func (l *loader) identify(d *document) {
	n := get(d.root, "apiVersion")
	if isNull(n) || value(n) == "" {
		d.fault(d.root, "apiVersion is missing", `write "apiVersion: `+Latest()+`" as the first line`)
		return
	}
	name, ok := strings.CutPrefix(n.Value, prefix)
	version, known := l.format.order[name]
	if ok && known {
		d.version = version
		return
	}
	hint := `the latest is "` + Latest() + `"`
	if _, known := l.format.order[n.Value]; known {
		hint = fmt.Sprintf("write %q", prefix+n.Value)
	} else if best := nearest(name, l.format.versions); best != "" {
		hint = fmt.Sprintf("did you mean %q? the latest is %q", prefix+best, Latest())
	}
	d.fault(n, fmt.Sprintf("apiVersion %q is not known", short(n.Value)), hint)
}

// compose makes a config of a document of the latest version: profiles, values, defaults, paths.
func (l *loader) compose(d *document, in input) *Config {
	l.profiles(d)
	c := &Config{File: in.path, Dir: l.options.Dir, Index: d.index, doc: d}
	if in.path == "-" {
		c.File = "-"
	}
	if err := d.root.Decode(c); err != nil {
		d.fault(d.root, "the document cannot be read: "+strings.TrimPrefix(err.Error(), "yaml: "), "correct the value at that line")
		return nil
	}
	l.requirements(c)
	l.defaults(c)
	c.absolute()
	for _, a := range c.Build.Artifacts {
		a.Config = c
	}
	return c
}

// requirements refuses what is not supported yet, at its place: a module that is silently missing would be worse.
func (l *loader) requirements(c *Config) {
	if len(c.Requires) > 0 {
		l.faults = append(l.faults, c.Fault(`"requires" is not supported yet`, "merge the required files into this one, as documents between --- lines", "requires"))
	}
	if len(l.options.Modules) > 0 && c.Index == 0 {
		l.faults = append(l.faults, configError(`"--module" is not supported yet`, "leave it out, or name the file of the module with -f"))
	}
}

// finish does what needs every config: what only a config that stands alone gets, and the rules.
func (l *loader) finish() {
	configs := l.project.Configs
	if len(configs) == 1 {
		configs[0].standAlone()
	}
	if l.options.Command == "diagnose" || l.options.Command == "inspect" {
		return
	}
	v := &validator{configs: configs, command: l.options.Command}
	v.all()
	l.faults = append(l.faults, v.faults...)
}

func nearest(word string, words []string) string {
	best, distance := "", 1+min(2, len(word)/4)
	for _, w := range words {
		if d := edits(strings.ToLower(word), strings.ToLower(w)); d < distance || d == distance && best == "" {
			best, distance = w, d
		}
	}
	return best
}
