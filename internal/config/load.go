package config

import (
	"context"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

type document struct{ root *yaml.Node }

func load(_ context.Context, o Options) (*Project, error) {
	file := filepath.Join(o.Dir, "skaffold.yaml")
	if o.File != "" {
		file = o.File
		if !filepath.IsAbs(file) {
			file = filepath.Join(o.Dir, file)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &Config{File: file, Dir: o.Dir}
	if err := yaml.Unmarshal(data, c); err != nil {
		return nil, err
	}
	for _, a := range c.Build.Artifacts {
		a.Config = c
		if a.Context == "" {
			a.Context = o.Dir
		}
	}
	return &Project{File: file, Dir: o.Dir, Files: []string{file}, Configs: []*Config{c}}, nil
}
