package config

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// Fixed is a project file and its text at another apiVersion.
type Fixed struct {
	File  string    // absolute path, "-" for standard input
	Old   []byte    // as the file is
	New   []byte    // as it should be; nil where every document has the version already
	Notes diag.List // what had to be left out, and what changed its meaning
}

// Fix upgrades a project file to an apiVersion, "" for the latest, and keeps its comments and the order of its keys. Of the
// options only those count that say which file it is. Nothing is written.
func Fix(ctx context.Context, o Options, version string) (*Fixed, error) {
	in, err := read(ctx, o)
	if err != nil {
		return nil, asList(err)
	}
	l := &loader{options: o, format: theFormat(), files: map[string]*file{}, project: &Project{}}
	to, err := l.wanted(version)
	if err != nil {
		return nil, err
	}
	fixed := &Fixed{File: in.path, Old: in.data}
	in.data = marked(in.data)
	docs, faults := parse(in)
	for _, d := range docs {
		if !d.useless {
			l.identify(d)
		}
		if d.version > to && !d.useless {
			d.refuse(get(d.root, "apiVersion"), fmt.Sprintf("the file has a newer version than %s", prefix+l.format.versions[to]), "skiff only upgrades; pass a newer --version, or leave it out")
		}
		faults = append(faults, d.faults...)
	}
	if len(faults) > 0 {
		return nil, unique(faults)
	}
	err = l.fix(fixed, docs, to)
	return fixed, err
}

// wanted is the version that the user names, "" for the latest.
func (l *loader) wanted(version string) (int, error) {
	to, hint := l.versionOf(prefix + strings.TrimPrefix(cmp.Or(version, Latest()), prefix))
	if hint != "" {
		return 0, configError(fmt.Sprintf("apiVersion %q is not known", short(version)), hint)
	}
	return to, nil
}

// fix upgrades the documents, checks the result as far as the file alone tells, and writes it down.
func (l *loader) fix(fixed *Fixed, docs []*document, to int) (err error) {
	var faults diag.List
	v := &validator{command: "fix"}
	older := false
	nodes := make([]*yaml.Node, len(docs))
	for i, d := range docs {
		(&checker{doc: d, format: l.format, version: d.version}).checkRoot()
		older = older || d.version < to
		before := remember(d.root)
		d.migrate(to)
		if faults = append(faults, d.faults...); len(d.faults) > 0 {
			continue
		}
		fixed.Notes = append(fixed.Notes, d.notes...)
		if to < l.format.latest() {
			(&checker{doc: &document{source: d.source, root: d.root}, format: l.format, version: to}).checkRoot()
			nodes[i] = d.root
		} else if nodes[i] = d.canonical(); nodes[i] != nil {
			v.configs = append(v.configs, l.compose(d, &file{path: fixed.File, dir: filepath.Dir(fixed.File)}, active{}))
		}
		faults = append(faults, d.faults...)
		before.rescue(nodes[i])
	}
	if len(faults) == 0 && len(v.configs) == len(docs) {
		v.all()
		faults = append(faults, v.faults...)
	}
	if len(faults) > 0 {
		return unique(faults)
	}
	if !older {
		return nil
	}
	fixed.New, err = written(nodes)
	return err
}

// canonical is the document of the latest version with the values that the format has for it, in the user's order.
func (d *document) canonical() *yaml.Node {
	d.flatten()
	d.kubeKeys()
	var c Config
	if err := d.root.Decode(&c); err != nil {
		d.fault(d.root, "the document cannot be read: "+strings.TrimPrefix(err.Error(), "yaml: "), "correct the value at that line")
		return nil
	}
	return d.with(&c)
}

// with is the document with the values of a config.
func (d *document) with(c *Config) *yaml.Node {
	var want yaml.Node
	if err := want.Encode(c); err != nil {
		d.fault(d.root, "the document cannot be written: "+err.Error(), "report this as a defect of skiff")
		return nil
	}
	return reconcile(clone(d.root), &want)
}

// reconcile gives n the value of want and keeps its comments, its style and the order of its keys.
func reconcile(n, want *yaml.Node) *yaml.Node {
	if n.Kind != want.Kind {
		return withComments(want, n)
	}
	switch n.Kind {
	case yaml.MappingNode:
		reconcileKeys(n, want)
	case yaml.SequenceNode:
		for i, m := range want.Content {
			if i < len(n.Content) {
				m = reconcile(n.Content[i], m)
			}
			want.Content[i] = m
		}
		n.Content = want.Content
	case yaml.ScalarNode:
		var is, should any
		if n.Decode(&is) != nil || want.Decode(&should) != nil || is != should {
			return withComments(want, n)
		}
	}
	return n
}

func reconcileKeys(n, want *yaml.Node) {
	var kept []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if v := get(want, n.Content[i].Value); v != nil {
			kept = append(kept, n.Content[i], reconcile(n.Content[i+1], v))
		}
	}
	n.Content = kept
	for i := 0; i+1 < len(want.Content); i += 2 {
		if keyNode(n, want.Content[i].Value) == nil {
			n.Content = append(n.Content, want.Content[i], want.Content[i+1])
		}
	}
}

func withComments(n, from *yaml.Node) *yaml.Node {
	n.HeadComment, n.LineComment, n.FootComment = from.HeadComment, from.LineComment, from.FootComment
	n.Line, n.Column = from.Line, from.Column
	return n
}

// written is the text of documents.
func written(nodes []*yaml.Node) ([]byte, error) {
	documents := make([]any, len(nodes))
	for i, n := range nodes {
		documents[i] = &yaml.Node{Kind: yaml.DocumentNode, HeadComment: n.HeadComment, FootComment: n.FootComment, Content: []*yaml.Node{n}}
		n.HeadComment, n.FootComment = "", ""
	}
	text, err := encode(compact(nodes), documents...)
	return unmarked(text), err
}

// compact tells whether the user writes the dashes of a list below the first letter of its key.
func compact(nodes []*yaml.Node) bool {
	for _, n := range nodes {
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if v.Kind == yaml.SequenceNode && v.Style&yaml.FlowStyle == 0 && len(v.Content) > 0 && k.Line > 0 && v.Line > k.Line && v.Column == k.Column {
				return true
			}
		}
		if compact(n.Content) {
			return true
		}
	}
	return false
}
