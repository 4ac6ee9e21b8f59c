// Package docker builds the images of Dockerfiles with a Docker engine: an artifact goes in, an image in the engine or in its
// registry comes out.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Engine is what the builder needs of the Docker engine.
type Engine interface {
	Build(ctx context.Context, o engine.BuildOptions, out func(line string)) (string, error)
	Push(ctx context.Context, ref string, out func(line string)) (string, error)
	Tag(ctx context.Context, source, target string) error
	Inspect(ctx context.Context, ref string) (engine.Image, error)
	Running(ctx context.Context, container string) (bool, error)
	Load(ctx context.Context, tar io.Reader) error
}

// Registry is what the builder needs of the registries.
type Registry interface {
	Index(ctx context.Context, ref string, parts []image.Part) (digest string, err error)
	Config(ctx context.Context, ref string) (*v1.Config, error)
	Insecure(ref string) bool
}

// Options is what the builder works with.
type Options struct {
	Engine    Engine
	BuildKit  BuildKit         // builds instead of the engine, where it can; nil: there is none
	Registry  Registry         // nil: images are made for one platform
	Guard     *proc.Guard      // for the docker command, where a project asks for it
	Templates config.Templates // what fills in templates; without an environment of its own it gets Environ
	Dir       string           // the working folder: a Dockerfile that is not in the context is looked for here
	Environ   []string         // "NAME=value", for build arguments and secrets
	Mode      string           // the command word ("dev"), for Dockerfiles with ARG SKAFFOLD_RUN_MODE
}

// Builder builds artifacts of the type docker.
type Builder struct {
	o   Options
	env map[string]string
}

var _ image.Builder = (*Builder)(nil)

// New is a Builder. Nothing is asked of the engine until an image is built.
func New(o Options) *Builder {
	return &Builder{o: o, env: environ(o.Environ)}
}

// Name is the type's name in the project file.
func (b *Builder) Name() string { return "docker" }

// Build makes the image in the engine and, where wanted, pushes it.
func (b *Builder) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	out = b.hiding(r, out)
	if b.o.BuildKit != nil && !wantsCLI(r.Artifact) {
		o, err := b.options(ctx, r)
		if err != nil {
			return image.Result{}, wrap(r, err)
		}
		if o.Builder != engine.Classic {
			res, err := b.buildRemote(ctx, r, o, out)
			return res, wrap(r, err)
		}
	}
	if len(r.Platforms()) > 1 {
		res, err := b.buildEach(ctx, r, out)
		return res, wrap(r, err)
	}
	res, err := b.buildOne(ctx, r, r.Ref, out)
	return res, wrap(r, err)
}

// buildOne makes the image of one platform under a reference of its own. Templates see that of the request, which the user knows.
func (b *Builder) buildOne(ctx context.Context, r image.Request, ref string, out func(line string)) (image.Result, error) {
	o, err := b.options(ctx, r)
	o.Tags = []string{ref}
	if err != nil {
		return image.Result{}, err
	}
	id, err := b.make(ctx, r, o, out)
	if err != nil {
		return image.Result{}, err
	}
	res := image.Result{Image: r.Artifact.Image, ID: id}
	if res.WorkDir, err = b.workDir(ctx, id); err != nil {
		return res, err
	}
	if !r.Push {
		res.Ref = image.ByID(ref, id)
		return res, b.o.Engine.Tag(ctx, id, res.Ref)
	}
	digest, err := b.o.Engine.Push(ctx, ref, out)
	if err != nil {
		return res, explainPush(ref, err)
	}
	res.Digest, res.Ref, res.Pushed = digest, image.Pinned(ref, digest), true
	return res, nil
}

// make makes the image in the engine: by its API, or by the docker command where the project asks for that.
func (b *Builder) make(ctx context.Context, r image.Request, o engine.BuildOptions, out func(line string)) (string, error) {
	if wantsCLI(r.Artifact) {
		return b.runCLI(ctx, r, o, out)
	}
	id, err := b.o.Engine.Build(ctx, o, out)
	return id, b.explain(r, o, err)
}

// wrap says which image an error is about.
func wrap(r image.Request, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", r.Artifact.Image, err))
}

func (b *Builder) workDir(ctx context.Context, id string) (string, error) {
	im, err := b.o.Engine.Inspect(ctx, id)
	if err != nil {
		return "", err
	}
	return orRoot(im.Config.WorkingDir), nil
}

// options are the engine's options for a request.
func (b *Builder) options(ctx context.Context, r image.Request) (engine.BuildOptions, error) {
	d := r.Artifact.Docker
	if info, err := os.Stat(r.Artifact.Context); err != nil || !info.IsDir() {
		return engine.BuildOptions{}, diag.Errorf("correct \"context\" of the artifact", "build context %s is no folder", r.Artifact.Context)
	}
	file := b.dockerfile(r.Artifact)
	if _, err := os.Stat(file); err != nil {
		return engine.BuildOptions{}, diag.Errorf("correct \"docker.dockerfile\" of the artifact", "there is no Dockerfile at %s", b.shown(file))
	}
	rec, _ := readRecipe(file, nil) // one that we cannot parse may have a frontend of its own; the engine is the judge
	args, err := b.args(r, rec)
	if err != nil {
		return engine.BuildOptions{}, err
	}
	secrets, err := b.secrets(d.Secrets)
	if err != nil {
		return engine.BuildOptions{}, err
	}
	o := engine.BuildOptions{
		Context: r.Artifact.Context, Dockerfile: file, Tags: []string{r.Ref}, Target: d.Target, Args: args,
		Platform: r.Platform, Network: d.Network, AddHost: d.AddHost, CacheFrom: d.CacheFrom,
		NoCache: d.NoCache, Pull: d.PullParent, Squash: d.Squash, Secrets: secrets, SSH: agents(d.SSH), Builder: kind(r.Artifact),
	}
	o.Archive = archive{context: o.Context, dockerfile: file}.open
	if err := b.network(ctx, r.Ref, &o); err != nil {
		return o, err
	}
	return o, caches(&o, r.Artifact.Image, r.Ref, b.o.BuildKit != nil)
}

// kind is the builder that the project file asks for.
func kind(a *config.Artifact) engine.Kind {
	if a.Config == nil || a.Config.Build.Local == nil || a.Config.Build.Local.UseBuildkit == nil {
		return engine.Best
	}
	if *a.Config.Build.Local.UseBuildkit {
		return engine.BuildKit
	}
	return engine.Classic
}

// Settings are the artifact's fields and its build arguments as they come out.
func (b *Builder) Settings(r image.Request) (any, error) {
	rec, _ := readRecipe(b.dockerfile(r.Artifact), nil)
	r.Needs = nil // counted by what they hold, not by how they are tagged
	args, err := b.args(r, rec)
	if err != nil {
		return nil, err
	}
	d := *r.Artifact.Docker
	d.BuildArgs = nil // as they come out, below
	return map[string]any{"docker": d, "args": args, "kind": kind(r.Artifact)}, nil
}

// Inputs are the Dockerfile, its ignore file, and what its COPY and ADD steps can match in the context.
func (b *Builder) Inputs(_ context.Context, a *config.Artifact) (image.Inputs, error) {
	args, err := b.args(image.Request{Artifact: a, Ref: a.Image}, nil)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", a.Image, err)
	}
	return readInputs(a.Context, b.dockerfile(a), a.Docker.Target, args)
}

// dockerfile is the absolute path of an artifact's Dockerfile: in its context, or else in the working folder.
func (b *Builder) dockerfile(a *config.Artifact) string {
	name := a.Docker.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	inContext := filepath.Join(a.Context, name)
	if _, err := os.Stat(inContext); err == nil {
		return inContext
	}
	if here := filepath.Join(b.o.Dir, name); b.o.Dir != "" && exists(here) {
		return here
	}
	return inContext
}

// shown is a path as messages have it: relative to the working folder where it lies in it.
func (b *Builder) shown(file string) string {
	rel, err := filepath.Rel(b.o.Dir, file)
	if b.o.Dir == "" || err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return file
	}
	return rel
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func environ(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, kv := range list {
		if name, value, ok := strings.Cut(kv, "="); ok {
			env[name] = value
		}
	}
	return env
}
