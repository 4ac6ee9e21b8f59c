// Package golang builds the images of Go programs without an engine: a main package goes in, an image in its registry or in the
// engine comes out, laid out as ko does it.
package golang

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Options is what the builder works with.
type Options struct {
	Registry  *image.Registry
	Engine    image.Loader // for images that are not pushed
	Templates config.Templates
	Environ   []string // NAME=value, of the go command
	Mode      string   // the command word: "debug" compiles without optimizations
	Platforms []string // those that are asked for, when an artifact's files are listed; none: this machine's processor
	State     string   // a folder for what may be forgotten; empty: nothing is kept for the next run
	Guard     *proc.Guard
}

// Builder builds artifacts of the type ko.
type Builder struct {
	o     Options
	mu    sync.Mutex
	lists map[string]*listing    // by artifact
	bases map[string]*image.Base // by reference and platform, as they were seen last
	data  map[string]dataState   // kodata layers by folder
}

var (
	_ image.Builder = (*Builder)(nil)
	_ image.Based   = (*Builder)(nil)
)

// New is a Builder. Nothing is run before an image is built.
func New(o Options) *Builder {
	return &Builder{o: o, lists: map[string]*listing{}, bases: map[string]*image.Base{}, data: map[string]dataState{}}
}

// Name is the type's name in the project file.
func (b *Builder) Name() string { return "ko" }

// Check says whether the tool is there that artifacts need.
func (b *Builder) Check(a *config.Artifact) error {
	if _, err := proc.Look("go", a.Context, b.o.Environ); err != nil {
		return diag.WithCode(diag.CodeBuild, diag.Errorf("install Go from https://go.dev/dl, or add it to PATH", "image %q is built from Go sources, and there is no go command", a.Image))
	}
	return nil
}

// Destinations says where files of kodata are. Any other file asks for a build.
func (b *Builder) Destinations(a *config.Artifact, _ string) (func(rel string) []string, error) {
	b.mu.Lock()
	l := b.lists[a.Image]
	b.mu.Unlock()
	if l == nil || l.Main == "" {
		return nil, nil
	}
	return func(rel string) []string {
		below, ok := image.Below(filepath.Join(l.Main, "kodata"), filepath.Join(a.Context, filepath.FromSlash(rel)))
		if !ok {
			return nil
		}
		return []string{path.Join(dataFolder, below)}
	}, nil
}

// Build compiles the program for each platform and puts it on top of its base image.
func (b *Builder) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	res, err := b.build(ctx, r, out)
	if err != nil && ctx.Err() == nil {
		err = diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", r.Artifact.Image, err))
	}
	return res, err
}

func (b *Builder) build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	res := image.Result{Image: r.Artifact.Image}
	if err := b.Check(r.Artifact); err != nil {
		return res, err
	}
	rec, err := b.recipe(r)
	if err != nil {
		return res, err
	}
	platforms, err := b.platforms(r)
	if err != nil {
		return res, err
	}
	prog, err := b.program(ctx, r.Artifact, rec)
	if err != nil {
		return res, err
	}
	dir, err := os.MkdirTemp("", "skiff-go-")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir)
	images := make([]v1.Image, len(platforms))
	g, gctx := errgroup.WithContext(ctx)
	for i, p := range platforms {
		g.Go(func() (err error) {
			images[i], err = b.one(gctx, ctx, job{rec: rec, prog: prog, platform: p, ref: r.Ref, dir: dir, index: i, plain: r.Push && nearby(r.Ref)}, out)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return res, err
	}
	file, err := images[0].ConfigFile()
	if err != nil {
		return res, err
	}
	if res.WorkDir = file.Config.WorkingDir; res.WorkDir == "" {
		res.WorkDir = "/"
	}
	if r.Push {
		return b.push(ctx, r, platforms, images, res)
	}
	return image.Load(ctx, b.o.Engine, r, images[0])
}

// push sends the image, or the index of all images.
func (b *Builder) push(ctx context.Context, r image.Request, platforms []v1.Platform, images []v1.Image, res image.Result) (image.Result, error) {
	var what remote.Taggable = images[0]
	if len(images) > 1 {
		index := v1.ImageIndex(empty.Index)
		for i, img := range images {
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platforms[i]}})
		}
		what = index
	}
	digest, err := b.o.Registry.Push(ctx, r.Ref, what)
	if err != nil {
		return res, err
	}
	res.Digest, res.Ref, res.Pushed = digest, image.Pinned(r.Ref, digest), true
	return res, nil
}

// nearby says whether a registry is so near that compressing costs more time than it saves.
func nearby(ref string) bool {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return false
	}
	host, _, _ := strings.Cut(parsed.Context().RegistryStr(), ":")
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasPrefix(host, "127.")
}

// platforms are those that a request asks for; none is Linux on this machine's processor.
func (b *Builder) platforms(r image.Request) ([]v1.Platform, error) {
	asked := r.Platforms()
	if len(asked) == 0 || len(asked) == 1 && asked[0] == "all" {
		asked = []string{"linux/" + runtime.GOARCH}
	}
	if len(asked) > 1 && !r.Push {
		return nil, diag.Errorf("push it (--push), or name one platform with --platform", "an image for several platforms (%s) must be pushed", r.Platform)
	}
	var list []v1.Platform
	for _, text := range asked {
		p, err := v1.ParsePlatform(text)
		if err != nil || p.OS == "" || p.Architecture == "" {
			return nil, diag.Errorf("write it as linux/arm64", "%q is no platform", text)
		}
		list = append(list, *p)
	}
	return list, nil
}

// Settings are the recipe and what of the environment the go command obeys.
func (b *Builder) Settings(r image.Request) (any, error) {
	rec, err := b.recipe(r)
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for _, name := range obeyed {
		if v, ok := lookup(b.o.Environ, name); ok {
			env[name] = v
		}
	}
	return map[string]any{"ko": rec, "env": env, "go": b.toolchain(r.Artifact.Context)}, nil
}

// obeyed are the variables that change what is compiled.
var obeyed = []string{
	"GOFLAGS", "GOEXPERIMENT", "GOTOOLCHAIN", "GOAMD64", "GOARM", "GOARM64", "GOWORK", "CGO_ENABLED", "CGO_CFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS",
	"CC", "CXX", "SOURCE_DATE_EPOCH", "KO_DATA_DATE_EPOCH",
}

// toolchain tells one installed Go from another without running it.
func (b *Builder) toolchain(dir string) string {
	path, err := proc.Look("go", dir, b.o.Environ)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	// Every release comes with a file that names it; a wrapper of another kind is known by its own bytes' size and time.
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(path)), "VERSION")); err == nil {
		line, _, _ := strings.Cut(string(text), "\n")
		return line
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(path, info.Size(), info.ModTime().UnixNano())
}

// Bases is the base image.
func (b *Builder) Bases(r image.Request) ([]image.Origin, error) {
	rec, err := b.recipe(r)
	if err != nil || rec.Base == scratch {
		return nil, err
	}
	return []image.Origin{{Ref: rec.Base, Fresh: true}}, nil
}

// lookup is the value of a variable; of two with one name the last counts.
func lookup(environ []string, name string) (string, bool) {
	for i := len(environ) - 1; i >= 0; i-- {
		if rest, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return rest, true
		}
	}
	return "", false
}
