// Package buildpacks builds images without a Dockerfile, by Cloud Native Buildpacks: sources and a builder image go in, the image that
// the builder's lifecycle made in the engine comes out, pushed where that is wanted.
package buildpacks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	pack "github.com/buildpacks/pack/pkg/client"
	packimage "github.com/buildpacks/pack/pkg/image"
	"github.com/buildpacks/pack/pkg/logging"
	"github.com/buildpacks/pack/pkg/project"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// Engine is what the builder needs of the Docker engine.
type Engine interface {
	image.Keeper
	Push(ctx context.Context, ref string, out func(line string)) (string, error)
}

// Options is what the builder works with.
type Options struct {
	Engine    Engine
	Docker    pack.DockerClient // of the same engine
	Keychain  authn.Keychain    // for builder and run images; nil: the docker configuration's
	Host      string            // of the engine, where it is not the usual socket
	Templates config.Templates

	// Pack runs the build; nil: the pack library.
	Pack func(ctx context.Context, log logging.Logger, o pack.BuildOptions) error
}

// Builder builds artifacts of the type buildpacks.
type Builder struct {
	o      Options
	mu     sync.Mutex
	synced map[string][]rule // by artifact, as the last image says
}

var _ image.Builder = (*Builder)(nil)

// New is a Builder. Nothing is asked of the engine until an image is built.
func New(o Options) *Builder {
	b := &Builder{o: o, synced: map[string][]rule{}}
	if b.o.Pack == nil {
		b.o.Pack = b.pack
	}
	return b
}

// Name is the type's name in the project file.
func (b *Builder) Name() string { return "buildpacks" }

// Check refuses what only pack's command line knows.
func (b *Builder) Check(a *config.Artifact) error {
	if len(a.Buildpacks.BuildArgs) > 0 {
		return a.Fault(fmt.Sprintf("image %q: buildpacks.buildArgs are for the pack command, and skiff builds without it", a.Image),
			"write them as fields of buildpacks (env, volumes, runImage, …) or in project.toml, or build with a custom buildCommand", "buildpacks", "buildArgs")
	}
	return nil
}

// Build lets the builder's lifecycle make the image, gives it its name and, where wanted, pushes it.
func (b *Builder) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	res, err := b.build(ctx, r, out)
	res.Image = r.Artifact.Image
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if err != nil {
		err = diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", r.Artifact.Image, err))
	}
	return res, err
}

func (b *Builder) build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	if err := b.Check(r.Artifact); err != nil {
		return image.Result{}, err
	}
	if len(r.Platforms()) > 1 {
		return image.Result{}, diag.Errorf("name one platform with --platform", "buildpacks build for one platform at a time, and %s are wanted", r.Platform)
	}
	w := &lineWriter{out: out}
	log := logging.NewLogWithWriters(w, w)
	o, err := b.options(r, log)
	if err != nil {
		return image.Result{}, err
	}
	err = b.o.Pack(ctx, log, o)
	w.flush()
	if err != nil {
		return image.Result{}, &diag.Error{What: "buildpacks: " + err.Error(), Err: err, Hint: hint(err)}
	}
	// The next build finds its layers by the name that does not change.
	if err := b.o.Engine.Tag(ctx, o.Image, r.Ref); err != nil {
		return image.Result{}, err
	}
	res, err := image.Arrival{Engine: b.o.Engine}.Find(ctx, image.Request{Artifact: r.Artifact, Ref: r.Ref}, "the lifecycle")
	if err != nil {
		return res, err
	}
	b.readSync(ctx, r)
	if !r.Push {
		return res, nil
	}
	digest, err := b.o.Engine.Push(ctx, r.Ref, out)
	if err != nil {
		return res, err
	}
	res.Digest, res.Ref, res.Pushed = digest, image.Pinned(r.Ref, digest), true
	return res, nil
}

// hint is the next step for what goes wrong most often.
func hint(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "failed to fetch builder image"), strings.Contains(text, "builder image"):
		return `correct "buildpacks.builder"; "docker pull" says whether the image can be had`
	case strings.Contains(text, "run image"), strings.Contains(text, "run-image"):
		return `correct "buildpacks.runImage"; "docker pull" says whether the image can be had`
	}
	return "the lifecycle's words are above"
}

// pack runs the library.
func (b *Builder) pack(ctx context.Context, log logging.Logger, o pack.BuildOptions) error {
	options := []pack.Option{pack.WithLogger(log), pack.WithDockerClient(b.o.Docker)}
	if b.o.Keychain != nil {
		options = append(options, pack.WithKeychain(b.o.Keychain))
	}
	c, err := pack.NewClient(options...)
	if err != nil {
		return err
	}
	return c.Build(ctx, o)
}

// options are the library's for a request.
func (b *Builder) options(r image.Request, log logging.Logger) (pack.BuildOptions, error) {
	a := r.Artifact.Buildpacks
	repo, _ := image.SplitRef(r.Ref)
	o := pack.BuildOptions{
		AppPath: r.Artifact.Context, RelativeBaseDir: r.Artifact.Context, ProjectDescriptorBaseDir: r.Artifact.Context,
		Image: repo + ":latest", Builder: ours(r, a.Builder), RunImage: ours(r, a.RunImage),
		Buildpacks: a.Buildpacks, ClearCache: a.ClearCache, PullPolicy: packimage.PullIfNotPresent, Platform: r.Platform,
		TrustBuilder: func(string) bool { return a.TrustBuilder }, DockerHost: b.o.Host,
	}
	var err error
	if o.Env, err = b.env(r.Artifact); err != nil {
		return o, err
	}
	for _, v := range a.Volumes {
		mount := v.Host + ":" + v.Target
		if v.Options != "" {
			mount += ":" + v.Options
		}
		o.ContainerConfig.Volumes = append(o.ContainerConfig.Volumes, mount)
	}
	file := descriptor(r.Artifact)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return o, nil
	}
	if o.ProjectDescriptor, err = project.ReadProjectDescriptor(file, log); err != nil {
		return o, diag.Errorf("see https://buildpacks.io/docs/reference/config/project-descriptor", "%s: %w", file, err)
	}
	return o, nil
}

// ours is the reference of an image that the project builds, by its alias; any other is taken as it is.
func ours(r image.Request, name string) string {
	if need, ok := r.Needs[name]; ok {
		return need.Ref
	}
	return name
}

// env is what the artifact sets for the build, templates filled in. A builder that can sync is told so.
func (b *Builder) env(a *config.Artifact) (map[string]string, error) {
	env := map[string]string{}
	if automatic(a) {
		env["GOOGLE_DEVMODE"] = "1"
	}
	for _, kv := range a.Buildpacks.Env {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, a.Fault(fmt.Sprintf("buildpacks.env: %q is no setting", kv), "write NAME=value", "buildpacks", "env")
		}
		text, err := b.o.Templates.Fill(value, nil)
		if err != nil {
			return nil, diag.Errorf(`correct "buildpacks.env"`, "%w", err)
		}
		env[name] = text
	}
	return env, nil
}

// automatic says whether the image itself says what is synced.
func automatic(a *config.Artifact) bool {
	return a.Sync != nil && a.Sync.Auto != nil && *a.Sync.Auto && len(a.Sync.Manual) == 0
}

// descriptor is the place of the project descriptor.
func descriptor(a *config.Artifact) string {
	name := a.Buildpacks.ProjectDescriptor
	if name == "" {
		name = "project.toml"
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.Context, filepath.FromSlash(name))
}

// Settings are the artifact's fields, with the settings of the build as they come out.
func (b *Builder) Settings(r image.Request) (any, error) {
	env, err := b.env(r.Artifact)
	return map[string]any{"buildpacks": r.Artifact.Buildpacks, "env": env}, err
}

// Bases are the builder and the run image, as far as the project names them and does not build them.
func (b *Builder) Bases(r image.Request) ([]image.Origin, error) {
	var list []image.Origin
	for _, ref := range []string{r.Artifact.Buildpacks.Builder, r.Artifact.Buildpacks.RunImage} {
		if _, built := r.Needs[ref]; ref != "" && !built {
			list = append(list, image.Origin{Ref: ref})
		}
	}
	return list, nil
}

// Inputs are the files that the artifact's dependencies name.
func (b *Builder) Inputs(_ context.Context, a *config.Artifact) (image.Inputs, error) {
	paths, ignore := []string{"."}, []string(nil)
	if d := a.Buildpacks.Dependencies; d != nil {
		if ignore = d.Ignore; len(d.Paths) > 0 {
			paths = d.Paths
		}
	}
	in, err := image.Globs(a.Context, paths, ignore, descriptor(a))
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", a.Image, err)
	}
	return in, nil
}

// inspect is the engine's view of an image.
func (b *Builder) inspect(ctx context.Context, ref string) (engine.Config, error) {
	found, err := b.o.Engine.Inspect(ctx, ref)
	return found.Config, err
}
