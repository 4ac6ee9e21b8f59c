// Package config turns a project's skaffold.yaml, of any apiVersion, into one checked value of the latest shape.
package config

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/skiff-dev/skiff/internal/diag"
	"go.yaml.in/yaml/v3"
)

// Options says which file to load and what decides about its profiles. The zero value loads ./skaffold.yaml.
type Options struct {
	File                  string                                                          // -f: a path, a URL, "-" for Stdin; "" is skaffold.yaml, else skaffold.yml
	Dir                   string                                                          // the working folder, absolute
	Base                  string                                                          // what relative paths of the file start from, absolute; "" is Dir
	Stdin                 io.Reader                                                       // what -f - reads
	Command               string                                                          // "dev", "build", …: profiles can be activated by it
	Profiles              []string                                                        // -p, in order; "-x" switches x off
	ProfileAutoActivation bool                                                            // profiles may activate themselves
	NoPropagateProfiles   bool                                                            // --propagate-profiles=false: required configs do not see -p
	Modules               []string                                                        // -m: only these and what they require
	KubeContext           func() string                                                   // the current kube context; asked only when a profile depends on it
	KubeContextGiven      bool                                                            // that context comes from --kube-context
	KubeNamespace         func() string                                                   // the namespace of that context; asked only for in-cluster builds
	Fetch                 func(ctx context.Context, g *GitSource) (dir string, err error) // gets a repository that a config requires; nil refuses it
	Download              func(ctx context.Context, url string) ([]byte, error)           // gets a project file by its URL; nil refuses it
	RelativePaths         bool                                                            // the paths of the file itself stay as they are written
	Getenv                func(string) (string, bool)                                     // nil: no variable is set
}

// Project is everything that a command works on: the configs of the file, ready for use.
type Project struct {
	File    string    // absolute path of the file, "-" for standard input
	Dir     string    // absolute folder that relative paths start from
	Files   []string  // every file that was read, absolute
	Configs []*Config // in the order of their work
	Notes   diag.List // what had to be left out of an old file, and what changed its meaning; nothing to fail for
}

// Artifacts is the artifacts of all configs, in order.
func (p *Project) Artifacts() []*Artifact {
	var all []*Artifact
	for _, c := range p.Configs {
		all = append(all, c.Build.Artifacts...)
	}
	return all
}

// YAML is the effective configuration as `diagnose --yaml-only` prints it.
func (p *Project) YAML() ([]byte, error) {
	var all []any
	for _, c := range p.Configs {
		shown := *c
		if c.implied.rawYaml {
			shown.Manifests.RawYaml = nil
		}
		if c.implied.kubectl {
			shown.Deploy.Kubectl = nil
		}
		shown.Requires, shown.Profiles = nil, nil
		all = append(all, &shown)
	}
	return encode(false, all...)
}

// encode is the documents of a stream; compact writes the dashes of a list below the first letter of its key.
func encode(compact bool, documents ...any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if compact {
		e.CompactSeqIndent()
	}
	for _, d := range documents {
		if err := e.Encode(d); err != nil {
			return nil, fmt.Errorf("write the document: %w", err)
		}
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return b.Bytes(), nil
}
