// Package settings reads and changes what a user has set once for all projects: the file ~/.skaffold/config goes in, and what holds
// for one kube context comes out.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// Values is what a user has set once for all projects, as it counts for one kube context. The file is Skaffold's own,
// ~/.skaffold/config.
type Values struct {
	DefaultRepo          string   `yaml:"default-repo,omitempty"`           // registry that takes the images
	MultiLevelRepo       *bool    `yaml:"multi-level-repo,omitempty"`       // whether that registry takes names with slashes
	LocalCluster         *bool    `yaml:"local-cluster,omitempty"`          // whether the cluster sees the engine's images
	InsecureRegistries   []string `yaml:"insecure-registries,omitempty"`    // registries that are spoken to without TLS
	DebugHelpersRegistry string   `yaml:"debug-helpers-registry,omitempty"` // where the images of the debug helpers are
	KindDisableLoad      *bool    `yaml:"kind-disable-load,omitempty"`      // push for kind instead of loading into it
	K3dDisableLoad       *bool    `yaml:"k3d-disable-load,omitempty"`       // push for k3d instead of loading into it
}

// File is the file of the user's settings, open for reading and changing.
type File struct {
	path string
	doc  yaml.Node // the document, so that comments and keys of others stay
}

// kind is the type of a key.
type kind int

const (
	isString kind = iota
	isBool
	isList
)

// kinds is every key of the file that can be set, with its type.
func kinds() map[string]kind {
	return map[string]kind{
		"default-repo": isString, "multi-level-repo": isBool, "local-cluster": isBool, "insecure-registries": isList,
		"debug-helpers-registry": isString, "kind-disable-load": isBool, "k3d-disable-load": isBool,
		"cache-artifacts": isBool, "update-check": isBool, "collect-metrics": isBool,
		"survey.disable-prompt": isBool, "survey.last-taken": isString, "survey.last-prompted": isString,
	}
}

// Open reads the file of the user's settings. One that does not exist is empty.
func Open(path string) (*File, error) {
	f := &File{path: path}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	if err := yaml.Unmarshal(data, &f.doc); err != nil {
		return nil, diag.Errorf("correct the file, or remove it", "%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(f.doc.Content) == 0 || isNull(f.doc.Content[0]) {
		f.doc.Kind, f.doc.Content = yaml.DocumentNode, []*yaml.Node{mapping()}
	}
	if root := f.root(); root.Kind != yaml.MappingNode {
		return nil, diag.Errorf("correct the file, or remove it", "%s:%d: it must be a mapping", path, root.Line)
	}
	return f, nil
}

func (f *File) root() *yaml.Node { return f.doc.Content[0] }

// For is what holds for a kube context: the last entry whose kube-context matches, and below it the global values; lists
// are joined.
func (f *File) For(kubeContext string) (Values, error) {
	all := mapping()
	lay := func(block *yaml.Node) {
		for i := 0; block != nil && i+1 < len(block.Content); i += 2 {
			switch have := get(all, block.Content[i].Value); {
			case isNull(have):
				set(all, block.Content[i].Value, copied(block.Content[i+1]))
			case have.Kind == yaml.SequenceNode:
				have.Content = append(have.Content, items(block.Content[i+1])...)
			}
		}
	}
	for _, entry := range slices.Backward(items(get(f.root(), "kubeContexts"))) {
		if config.Matches(value(get(entry, "kube-context")), kubeContext) {
			lay(entry)
			break
		}
	}
	lay(get(f.root(), "global"))
	var s Values
	if err := all.Decode(&s); err != nil {
		return Values{}, diag.Errorf("correct the value, or remove its line", "%s: %s", f.path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return s, nil
}

// Set gives a key a value for a kube context, "" for the global ones. A list gets the value added, and is emptied by "".
func (f *File) Set(kubeContext, key, text string) error {
	k, ok := kinds()[key]
	if !ok {
		return unknown(key)
	}
	n := &yaml.Node{}
	n.SetString(text)
	block, last := f.block(kubeContext, key, true)
	switch k {
	case isBool:
		if _, err := strconv.ParseBool(text); err != nil {
			return diag.Errorf("write true or false", "%s cannot be %q", key, text)
		}
		n.Tag, n.Style = "!!bool", 0
	case isList:
		members := get(block, last)
		if members == nil || members.Kind != yaml.SequenceNode || text == "" {
			members = list()
		}
		has := slices.ContainsFunc(members.Content, func(m *yaml.Node) bool { return m.Value == text })
		if text != "" && !has {
			members.Content = append(members.Content, n)
		}
		n = members
	}
	set(block, last, n)
	return nil
}

// Unset removes a key for a kube context, "" for the global ones.
func (f *File) Unset(kubeContext, key string) error {
	if _, ok := kinds()[key]; !ok {
		return unknown(key)
	}
	if block, last := f.block(kubeContext, key, false); block != nil {
		cut(block, last)
	}
	return nil
}

func unknown(key string) error {
	hint := "choose from: " + strings.Join(slices.Sorted(maps.Keys(kinds())), ", ")
	if best := diag.Nearest(key, slices.Sorted(maps.Keys(kinds()))); best != "" {
		hint = fmt.Sprintf("did you mean %q?", best)
	}
	return diag.Errorf(hint, "no setting is called %q", key)
}

// block is the mapping that holds a key, and the key there; it is made where it is wanted.
func (f *File) block(kubeContext, key string, make bool) (*yaml.Node, string) {
	n := f.entry(kubeContext, make)
	outer, inner, nested := strings.Cut(key, ".")
	switch {
	case n == nil || !nested:
		return n, key
	case make:
		return child(n, outer), inner
	}
	return get(n, outer), inner
}

// entry is what the file holds for a kube context, "" for the global values.
func (f *File) entry(kubeContext string, make bool) *yaml.Node {
	root := f.root()
	if kubeContext == "" {
		if make {
			return child(root, "global")
		}
		return get(root, "global")
	}
	entries := get(root, "kubeContexts")
	for _, e := range items(entries) {
		if value(get(e, "kube-context")) == kubeContext {
			return e
		}
	}
	if !make {
		return nil
	}
	if isNull(entries) {
		entries = list()
		set(root, "kubeContexts", entries)
	}
	e := mapping()
	set(e, "kube-context", text(kubeContext))
	entries.Content = append(entries.Content, e)
	entries.Style = 0
	return e
}

// YAML is what the file holds for a kube context, "" for the global values; nothing where it holds nothing.
func (f *File) YAML(kubeContext string) ([]byte, error) {
	n := f.entry(kubeContext, false)
	if isNull(n) {
		return nil, nil
	}
	return encode(n)
}

// All is the whole file.
func (f *File) All() ([]byte, error) {
	if len(f.root().Content) == 0 {
		return nil, nil
	}
	return encode(&f.doc)
}
