// Package bazel builds images with the user's bazel: a target that makes the archive of an image goes in, the image in its registry
// or in the engine comes out.
package bazel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Options is what the builder works with.
type Options struct {
	Registry *image.Registry
	Engine   image.Loader // for images that are not pushed
	Environ  []string     // NAME=value
	Guard    *proc.Guard
}

// Builder builds artifacts of the type bazel.
type Builder struct {
	o      Options
	listed image.Listed
}

var _ image.Builder = (*Builder)(nil)

// New is a Builder. Nothing is run before an artifact asks for it.
func New(o Options) *Builder { return &Builder{o: o} }

// Name is the type's name in the project file.
func (b *Builder) Name() string { return "bazel" }

// Check says whether bazel is there, and whether the target can be an image.
func (b *Builder) Check(a *config.Artifact) error {
	if !strings.HasSuffix(a.Bazel.Target, ".tar") {
		return a.Fault(fmt.Sprintf("bazel.target %q makes no archive of an image", a.Bazel.Target), `name the target whose name ends in ".tar", such as //web:image.tar`, "bazel", "target")
	}
	if _, err := proc.Look("bazel", a.Context, b.o.Environ); err != nil {
		return diag.WithCode(diag.CodeBuild, a.Fault(fmt.Sprintf("image %q is built with bazel, and there is no bazel on the PATH", a.Image), "install bazel, or bazelisk under the name bazel", "bazel"))
	}
	return nil
}

// Build builds the target and sends what it made.
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
	flags, err := b.flags(r)
	if err != nil {
		return image.Result{}, err
	}
	target := r.Artifact.Bazel.Target
	args := append(append([]string{"bazel", "build"}, flags...), target)
	err = b.o.Guard.Run(ctx, b.command(r.Artifact, args, nil), func(l proc.Line) { out(l.Text) })
	if exit := (proc.Exit{}); errors.As(err, &exit) {
		return image.Result{}, &diag.Error{What: fmt.Sprintf("bazel build %s failed: %s", target, exit), Err: err, Hint: "its words are above"}
	}
	if err != nil {
		return image.Result{}, err
	}
	file, err := b.archive(ctx, r.Artifact, flags)
	if err != nil {
		return image.Result{}, err
	}
	return b.send(ctx, r, file)
}

// send brings the archive where the image has to be.
func (b *Builder) send(ctx context.Context, r image.Request, file string) (image.Result, error) {
	img, err := tarball.ImageFromPath(file, nil)
	var config *v1.ConfigFile
	if err == nil {
		config, err = img.ConfigFile()
	}
	if err != nil {
		return image.Result{}, diag.Errorf("the target must make an archive of one image, as \"docker save\" writes it", "%s is no image: %w", file, err)
	}
	if !r.Push {
		return image.Load(ctx, b.o.Engine, r, img)
	}
	digest, err := b.o.Registry.Push(ctx, r.Ref, img)
	if err != nil {
		return image.Result{}, err
	}
	res := image.Result{Digest: digest, Ref: image.Pinned(r.Ref, digest), Pushed: true, WorkDir: config.Config.WorkingDir}
	if res.WorkDir == "" {
		res.WorkDir = "/"
	}
	return res, nil
}

// flags are the artifact's, with the label of the platform that is wanted.
func (b *Builder) flags(r image.Request) ([]string, error) {
	flags := slices.Clone(r.Artifact.Bazel.Args)
	wanted := r.Platforms()
	if len(wanted) > 1 {
		return nil, diag.Errorf("name one platform with --platform", "bazel builds for one platform at a time, and %s are wanted", r.Platform)
	}
	for _, p := range r.Artifact.Bazel.Platforms {
		if len(wanted) == 1 && p.Platform == wanted[0] {
			return append(flags, "--platforms="+p.Target), nil
		}
	}
	if len(wanted) == 1 && len(r.Artifact.Bazel.Platforms) > 0 {
		return nil, r.Artifact.Fault(fmt.Sprintf("there is no bazel platform for %s", wanted[0]), `add it to "bazel.platforms"`, "bazel", "platforms")
	}
	return flags, nil
}

// archive is the file that the target made.
func (b *Builder) archive(ctx context.Context, a *config.Artifact, flags []string) (string, error) {
	args := append([]string{"bazel", "cquery", a.Bazel.Target, "--output=files"}, flags...)
	files, err := b.ask(ctx, a, args)
	if err != nil {
		return "", err
	}
	root, err := b.ask(ctx, a, append([]string{"bazel", "info", "execution_root"}, flags...))
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if strings.HasSuffix(f, ".tar") {
			return filepath.Join(strings.Join(root, ""), filepath.FromSlash(f)), nil
		}
	}
	return "", diag.Errorf("run it by hand: "+strings.Join(args, " "), "%s makes no .tar file, only %s", a.Bazel.Target, strings.Join(files, ", "))
}

// ask is the lines that bazel prints.
func (b *Builder) ask(ctx context.Context, a *config.Artifact, args []string) ([]string, error) {
	var out bytes.Buffer
	var said []string
	err := b.o.Guard.Run(ctx, b.command(a, args, &out), func(l proc.Line) { said = append(said, l.Text) })
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		for _, l := range said {
			if strings.HasPrefix(l, "ERROR") {
				said = []string{l}
				break
			}
		}
		return nil, diag.Errorf("by hand: cd "+a.Context+" && "+strings.Join(args, " "), "bazel %s failed: %w: %s", args[1], err, strings.Join(said[max(0, len(said)-1):], ""))
	}
	return strings.Fields(out.String()), nil
}

func (b *Builder) command(a *config.Artifact, args []string, out *bytes.Buffer) proc.Command {
	c := proc.Command{Args: args, Dir: a.Context, Env: b.o.Environ}
	if out != nil {
		c.Stdout = out
	}
	return c
}

// Settings are the artifact's fields.
func (b *Builder) Settings(r image.Request) (any, error) { return r.Artifact.Bazel, nil }

// Inputs are the sources and the build files that bazel names. It is asked again when a build file changes.
func (b *Builder) Inputs(ctx context.Context, a *config.Artifact) (image.Inputs, error) {
	if err := b.Check(a); err != nil {
		return nil, err
	}
	root, err := workspace(a.Context)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", a.Image, err)
	}
	target := a.Bazel.Target
	args := []string{"bazel", "query", fmt.Sprintf("kind('source file', deps('%s')) union buildfiles(deps('%s'))", target, target), "--noimplicit_deps", "--order_output=no", "--output=label"}
	return b.listed.Get(ctx, a.Image, a.Context+"\x00"+target, func(ctx context.Context) (image.Inputs, []string, error) {
		labels, err := b.ask(ctx, a, args)
		if err != nil {
			return nil, nil, fmt.Errorf("image %q: %w", a.Image, err)
		}
		var files, defining []string
		for _, name := range []string{"WORKSPACE", "WORKSPACE.bazel", "MODULE.bazel", "MODULE.bazel.lock", ".bazelrc", ".bazelversion"} {
			defining = append(defining, filepath.Join(root, name))
		}
		for _, l := range labels {
			if rel, ok := source(l); ok {
				files = append(files, filepath.Join(root, filepath.FromSlash(rel)))
				if defines(rel) {
					defining = append(defining, files[len(files)-1])
				}
			}
		}
		return image.Fixed(append(files, defining...)), defining, nil
	})
}

// source is the path of a label in the workspace; labels of other repositories have none.
func source(label string) (string, bool) {
	label = strings.TrimPrefix(label, "@@")
	rest, ok := strings.CutPrefix(label, "//")
	if !ok || strings.HasPrefix(rest, "external:") || strings.HasPrefix(rest, "external/") {
		return "", false
	}
	folder, name, ok := strings.Cut(rest, ":")
	if !ok {
		return rest, true
	}
	return path.Join(folder, name), true
}

// defines says whether a file says how things are built.
func defines(rel string) bool {
	name := path.Base(rel)
	return name == "BUILD" || name == "BUILD.bazel" || strings.HasSuffix(name, ".bzl")
}

// workspace is the folder that bazel's labels start from.
func workspace(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		for _, name := range []string{"MODULE.bazel", "WORKSPACE", "WORKSPACE.bazel", "REPO.bazel"} {
			if _, err := os.Stat(filepath.Join(at, name)); err == nil {
				return at, nil
			}
		}
		if at == filepath.Dir(at) {
			return "", diag.Errorf(`correct "context" of the artifact`, "neither %s nor a folder above it is a workspace of bazel: there is no MODULE.bazel and no WORKSPACE", dir)
		}
	}
}
