// Package tag names images that do not exist yet: a project's tag policies go in, a tag for each of its artifacts comes out.
package tag

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/tree"
)

// Latest is the tag of an artifact for which its policy finds none.
const Latest = "latest"

// valid is what a registry takes as a tag.
var valid = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// Options is what policies work with besides the project.
type Options struct {
	Tag     string           // --tag: it takes the place of every policy
	Environ []string         // "NAME=value"
	Now     func() time.Time // nil: time.Now
	Warn    func(text string)
	// Files are the inputs of one artifact, for the policy inputDigest; nil: that policy finds no tag.
	Files func(ctx context.Context, a *config.Artifact) ([]string, error)
	Index *tree.Index                                       // remembers what files hold; nil: each is read
	Run   func(name string, args ...string) (string, error) // what {{cmd "name"}} runs in an envTemplate; nil refuses it
}

// Tagger makes the tags of one project.
type Tagger struct {
	o        Options
	env      map[string]string
	policies map[*config.Config]policy
	byName   map[string]*config.Artifact
}

// policy is one way of making a tag. An error is no end: the artifact is tagged Latest, and the user is told.
type policy interface {
	tag(ctx context.Context, p *pass, a *config.Artifact) (string, error)
}

// pass is what is read once for all artifacts that are tagged together.
type pass struct {
	*Tagger
	now   time.Time
	repos *repos
}

// New checks the policies of all configs of the project.
func New(p *config.Project, o Options) (*Tagger, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Index == nil {
		index, err := tree.OpenIndex("")
		if err != nil {
			return nil, err
		}
		o.Index = index
	}
	t := &Tagger{o: o, env: environMap(o.Environ), policies: map[*config.Config]policy{}, byName: map[string]*config.Artifact{}}
	if o.Tag != "" && !valid.MatchString(o.Tag) {
		return nil, &diag.Error{What: fmt.Sprintf("--tag %q is no valid tag", o.Tag), Code: diag.CodeUsage,
			Hint: "use letters, digits, \"_\", \".\" and \"-\", at most 128 of them"}
	}
	for _, c := range p.Configs {
		made, err := newPolicy(c.Build.TagPolicy, o)
		if err != nil {
			return nil, &diag.Error{Pos: diag.Pos{File: c.File}, What: "build.tagPolicy: " + err.Error(), Code: diag.CodeConfig, Err: err}
		}
		t.policies[c] = made
	}
	for _, a := range p.Artifacts() {
		t.byName[a.Image] = a
	}
	return t, nil
}

// newPolicy is the policy that a config names; gitCommit where it names none.
func newPolicy(c config.TagPolicy, o Options) (policy, error) {
	switch {
	case c.GitCommit != nil:
		return newGit(c.GitCommit)
	case c.Sha256 != nil:
		return fixed(Latest), nil
	case c.EnvTemplate != nil:
		return newEnvTemplate(c.EnvTemplate, o)
	case c.DateTime != nil:
		return dateTime(*c.DateTime), nil
	case c.CustomTemplate != nil:
		return newCustomTemplate(c.CustomTemplate, o)
	case c.InputDigest != nil:
		return inputDigest{}, nil
	}
	return newGit(&config.GitTagger{})
}

// Tags are the tags of artifacts that are built together, in their order. What they have in common (the state of the git
// repository, the time) is read once.
func (t *Tagger) Tags(ctx context.Context, artifacts []*config.Artifact) ([]string, error) {
	ctx = tree.WithLook(ctx)
	p := &pass{Tagger: t, now: t.o.Now(), repos: newRepos(t.o.Environ)}
	tags, warnings := make([]string, len(artifacts)), make([]string, len(artifacts))
	var g errgroup.Group
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, a := range artifacts {
		g.Go(func() error {
			tags[i], warnings[i] = t.one(ctx, p, a)
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, text := range warnings {
		if text != "" {
			t.o.Warn(text)
		}
	}
	return tags, nil
}

// Tag is the tag of one artifact.
func (t *Tagger) Tag(ctx context.Context, a *config.Artifact) (string, error) {
	tags, err := t.Tags(ctx, []*config.Artifact{a})
	if err != nil {
		return "", err
	}
	return tags[0], nil
}

// one is the tag of an artifact, and what the user should know of it.
func (t *Tagger) one(ctx context.Context, p *pass, a *config.Artifact) (text, warning string) {
	if t.o.Tag != "" {
		return t.o.Tag, ""
	}
	made := t.policies[a.Config]
	if made == nil {
		made = gitPolicy{}
	}
	text, err := made.tag(ctx, p, a)
	if err == nil && !valid.MatchString(text) {
		err = fmt.Errorf("%q is no valid tag", text)
	}
	if err != nil {
		return Latest, fmt.Sprintf("image %s is tagged %q: %v", a.Image, Latest, err)
	}
	return text, ""
}

// fixed is the same tag at all times.
type fixed string

func (f fixed) tag(context.Context, *pass, *config.Artifact) (string, error) { return string(f), nil }

// dateTime is the time of the pass.
type dateTime config.DateTimeTagger

func (d dateTime) tag(_ context.Context, p *pass, _ *config.Artifact) (string, error) {
	layout, now := d.Format, p.now
	if layout == "" {
		layout = "2006-01-02_15-04-05.999_MST"
	}
	if d.Timezone != "" && d.Timezone != "Local" {
		zone, err := time.LoadLocation(d.Timezone)
		if err != nil {
			return "", fmt.Errorf("time zone %q: %w", d.Timezone, err)
		}
		now = now.In(zone)
	}
	return now.Format(layout), nil
}
