// Package custom builds images with the user's own command: an artifact goes in, the image that the command made and put where it
// was asked to comes out.
package custom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Options is what the builder works with.
type Options struct {
	Registry  *image.Registry
	Engine    image.Keeper // for images that are not pushed
	Templates config.Templates
	Environ   []string // NAME=value
	Dir       string   // the working folder, in which a command that lists dependencies runs
	SkipTests bool     // the command shall not test what it builds

	KubeContext, Namespace string // of the cluster that is built in; only where the project builds in one

	// Docker reads the Dockerfile that an artifact's dependencies name.
	Docker Dockerfile
	Guard  *proc.Guard
}

// Dockerfile is what is asked of the builder of Dockerfiles.
type Dockerfile interface {
	Inputs(ctx context.Context, a *config.Artifact) (image.Inputs, error)
	Destinations(a *config.Artifact, workDir string) (func(rel string) []string, error)
}

// Builder builds artifacts of the type custom.
type Builder struct{ o Options }

var _ image.Builder = (*Builder)(nil)

// New is a Builder.
func New(o Options) *Builder { return &Builder{o} }

// Name is the type's name in the project file.
func (b *Builder) Name() string { return "custom" }

// Check says whether the artifact has a command.
func (b *Builder) Check(a *config.Artifact) error {
	if strings.TrimSpace(a.Custom.BuildCommand) == "" {
		return a.Fault(fmt.Sprintf("image %q has no command that builds it", a.Image), `add "buildCommand"; it gets the image's name in $IMAGE`, "custom")
	}
	return nil
}

// Build runs the command and proves the image where it has to be.
func (b *Builder) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	res := image.Result{Image: r.Artifact.Image}
	err := b.Check(r.Artifact)
	if err == nil {
		err = b.run(ctx, r, out)
	}
	if err == nil {
		res, err = image.Arrival{Registry: b.o.Registry, Engine: b.o.Engine}.Find(ctx, r, "the build command")
	}
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if err != nil {
		err = diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", r.Artifact.Image, err))
	}
	return res, err
}

func (b *Builder) run(ctx context.Context, r image.Request, out func(line string)) error {
	command, err := b.o.Templates.Fill(r.Artifact.Custom.BuildCommand, nil)
	if err != nil {
		return diag.Errorf(`correct "buildCommand"`, "%w", err)
	}
	err = b.o.Guard.Run(ctx, proc.Command{Args: shell(command), Dir: r.Artifact.Context, Env: b.environ(r)}, func(l proc.Line) { out(l.Text) })
	var exit proc.Exit
	if errors.As(err, &exit) {
		return &diag.Error{
			What: fmt.Sprintf("the build command %q failed: %s", short(command), exit), Err: err,
			Hint: fmt.Sprintf("its words are above; it ran in %s", r.Artifact.Context),
		}
	}
	return err
}

// shell is how this system runs a command line.
func shell(command string) []string {
	if runtime.GOOS == "windows" {
		return []string{"cmd.exe", "/C", command}
	}
	return []string{"sh", "-c", command}
}

func short(command string) string {
	command = strings.Join(strings.Fields(command), " ")
	if len(command) > 60 {
		return command[:57] + "..."
	}
	return command
}

// environ is what the command may know. A variable of the same name that the user has exported for something else does not hide it.
func (b *Builder) environ(r image.Request) []string {
	repo, tag := image.SplitRef(r.Ref)
	env := append(slices.Clone(b.o.Environ),
		"IMAGE="+r.Ref, "PUSH_IMAGE="+strconv.FormatBool(r.Push), "IMAGE_REPO="+repo, "IMAGE_TAG="+tag,
		"BUILD_CONTEXT="+r.Artifact.Context, "PLATFORMS="+r.Platform, "SKIP_TEST="+strconv.FormatBool(b.o.SkipTests),
	)
	aliases := make([]string, 0, len(r.Needs))
	for alias := range r.Needs {
		aliases = append(aliases, alias)
	}
	slices.Sort(aliases)
	for _, alias := range aliases {
		env = append(env, alias+"="+r.Needs[alias].Ref)
	}
	if c := r.Artifact.Config; c != nil && c.Build.Cluster != nil {
		in := c.Build.Cluster
		namespace := in.Namespace
		if namespace == "" {
			namespace = b.o.Namespace
		}
		env = append(env, "KUBE_CONTEXT="+b.o.KubeContext, "NAMESPACE="+namespace, "PULL_SECRET_NAME="+in.PullSecretName, "TIMEOUT="+in.Timeout)
		if in.DockerConfig != nil {
			env = append(env, "DOCKER_CONFIG_SECRET_NAME="+in.DockerConfig.SecretName)
		}
	}
	return env
}

// Settings are the command and what it is told about where to build for.
func (b *Builder) Settings(r image.Request) (any, error) {
	command, err := b.o.Templates.Fill(r.Artifact.Custom.BuildCommand, nil)
	return map[string]any{"command": command, "skipTests": b.o.SkipTests}, err
}

// Inputs are the files that the artifact's dependencies name.
func (b *Builder) Inputs(ctx context.Context, a *config.Artifact) (image.Inputs, error) {
	d := a.Custom.Dependencies
	switch {
	case d == nil:
		return image.Globs(a.Context, []string{"."}, nil)
	case d.Dockerfile != nil:
		return b.o.Docker.Inputs(ctx, asDocker(a))
	case d.Command != "":
		files, err := b.listed(ctx, a)
		if err != nil {
			return nil, fmt.Errorf("image %q: %w", a.Image, err)
		}
		return image.Fixed(files), nil
	}
	in, err := image.Globs(a.Context, d.Paths, d.Ignore)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", a.Image, err)
	}
	return in, nil
}

// listed asks the command that prints a list of dependencies.
func (b *Builder) listed(ctx context.Context, a *config.Artifact) ([]string, error) {
	text := a.Custom.Dependencies.Command
	var said []string
	var out bytes.Buffer
	c := proc.Command{Args: strings.Fields(text), Dir: b.o.Dir, Env: b.o.Environ, Stdout: &out}
	err := b.o.Guard.Run(ctx, c, func(l proc.Line) { said = append(said, l.Text) })
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		if n := len(said); n > 0 {
			err = fmt.Errorf("%w: %s", err, said[n-1])
		}
		return nil, diag.Errorf("run it by hand: "+text, "the command that lists dependencies failed: %w", err)
	}
	var files []string
	if err := json.Unmarshal(out.Bytes(), &files); err != nil {
		return nil, diag.Errorf(`it prints a JSON list of paths, such as ["main.c", "lib/a.h"]`, "what %q printed is no list of files: %w", text, err)
	}
	for i, f := range files {
		if !filepath.IsAbs(f) {
			files[i] = filepath.Join(a.Context, filepath.FromSlash(f))
		}
	}
	return files, nil
}

// asDocker is the artifact as if its Dockerfile were built.
func asDocker(a *config.Artifact) *config.Artifact {
	d := a.Custom.Dependencies.Dockerfile
	return &config.Artifact{Image: a.Image, Context: a.Context, Config: a.Config, Docker: &config.DockerArtifact{Dockerfile: d.Path, BuildArgs: d.BuildArgs}}
}

// Destinations says where the Dockerfile puts a file, if the artifact's dependencies name one.
func (b *Builder) Destinations(a *config.Artifact, workDir string) (func(rel string) []string, error) {
	if d := a.Custom.Dependencies; d == nil || d.Dockerfile == nil {
		return nil, diag.Errorf(`add "dependencies.dockerfile", or write the rules as "manual"`, "image %q: what is synced where cannot be inferred without a Dockerfile", a.Image)
	}
	return b.o.Docker.Destinations(asDocker(a), workDir)
}
