package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Edit changes project files in place: change is called for every config that the options select, as its file has it
// (the latest version, without profiles and defaults), and tells whether it changed it. Such a document is written with
// its comments; every other one stays as it is. inFile is whether the config stands in the file of the options itself.
func Edit(ctx context.Context, o Options, change func(c *Config, inFile bool) (bool, error)) error {
	o.Command = "inspect"
	p, err := Load(ctx, o)
	if err != nil {
		return err
	}
	if p.File == "-" || isURL(p.File) {
		return configError(p.File+" cannot be changed", "name a file of this machine with -f")
	}
	wanted := map[place]bool{}
	for _, c := range p.Configs {
		wanted[place{c.File, c.Index}] = !c.Remote
	}
	var texts [][]byte
	for _, path := range p.Files {
		text, err := edited(path, wanted, func(c *Config) (bool, error) { return change(c, path == p.File) })
		if err != nil {
			return err
		}
		texts = append(texts, text)
	}
	for i, path := range p.Files { // only now: a fault leaves every file alone
		if texts[i] == nil {
			continue
		}
		if err := os.WriteFile(path, texts[i], 0o644); err != nil {
			return fmt.Errorf("change the project: %w", err)
		}
	}
	return nil
}

// edited is the new text of a file, nil where nothing of it changes.
func edited(path string, wanted map[place]bool, change func(*Config) (bool, error)) ([]byte, error) {
	in, err := readFile("", path)
	if err != nil {
		return nil, err
	}
	in.data = marked(in.data)
	before, _ := parse(in)
	l := &loader{format: theFormat(), files: map[string]*file{}, project: &Project{}}
	nodes, any := make([]*yaml.Node, len(before)), false
	for i, d := range before {
		nodes[i] = d.root
	}
	for _, d := range l.open(in, "").docs {
		if !wanted[place{path, d.index}] {
			continue
		}
		c := &Config{File: path, Index: d.index, doc: d}
		if err := d.root.Decode(c); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		changed, err := change(c)
		if err != nil {
			return nil, err
		}
		if !changed {
			continue
		}
		comments := remember(before[d.index].root)
		if nodes[d.index] = d.with(c); nodes[d.index] == nil {
			return nil, errors.Join(d.faults.Err())
		}
		comments.rescue(nodes[d.index])
		any = true
	}
	if !any {
		return nil, nil
	}
	return written(nodes)
}

// ReadRequirements reads a list of entries for "requires", as JSON or YAML.
func ReadRequirements(name string, data []byte) ([]*Requirement, error) {
	var list []*Requirement
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil {
		return nil, configError(name+": "+strings.TrimPrefix(err.Error(), "yaml: "), `write a list such as [{"path": "../other"}]`)
	}
	return list, nil
}
