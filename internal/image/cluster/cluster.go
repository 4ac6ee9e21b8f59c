// Package cluster builds the images of kaniko artifacts in the cluster: an artifact goes in; a pod with BuildKit builds and pushes its
// image, and is gone afterwards.
package cluster

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
)

// DefaultImage is the builder of artifacts that name none: kaniko, which Skaffold takes, is archived.
const DefaultImage = "moby/buildkit:rootless"

// archived is what the loader fills in where a project names no image.
const archived = "gcr.io/kaniko-project/executor:latest"

// BuildKit makes an image.
type BuildKit interface {
	Build(ctx context.Context, o engine.BuildOptions, to engine.Output, out func(line string)) (engine.Solved, error)
}

// Options is what the builder works with.
type Options struct {
	Kube *kube.Cluster // nil: there is none
	// With is a builder of Dockerfiles that has a BuildKit do the work.
	With   func(kit BuildKit) image.Builder
	Getenv func(string) string
	Auth   *engine.Auth // credentials for the registries
}

// Builder builds kaniko artifacts.
type Builder struct{ o Options }

var (
	_ image.Builder = (*Builder)(nil)
	_ image.Checker = (*Builder)(nil)
)

// New is a Builder. Nothing is asked of the cluster until an image is built.
func New(o Options) *Builder { return &Builder{o} }

// Name is the type's name in the project file.
func (b *Builder) Name() string { return "kaniko" }

// Build makes the image in a pod, which pushes it.
func (b *Builder) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	if b.o.Kube == nil {
		return image.Result{}, b.Check(r.Artifact)
	}
	k := &pod{o: b.o, artifact: r.Artifact.Kaniko, place: place(r.Artifact), image: r.Artifact.Image}
	r.Artifact, r.Push = asDocker(r.Artifact), true
	return b.o.With(k).Build(ctx, r, out)
}

// Inputs are what the Dockerfile takes from its context.
func (b *Builder) Inputs(ctx context.Context, a *config.Artifact) (image.Inputs, error) {
	return b.o.With(nil).Inputs(ctx, asDocker(a))
}

// Settings are the artifact's fields, and the Dockerfile's arguments as they come out.
func (b *Builder) Settings(r image.Request) (any, error) {
	kaniko := *r.Artifact.Kaniko
	kaniko.BuildArgs = nil // as they come out, below
	r.Artifact = asDocker(r.Artifact)
	settings, err := b.o.With(nil).Settings(r)
	return map[string]any{"kaniko": kaniko, "dockerfile": settings}, err
}

// Destinations says where the steps put a file.
func (b *Builder) Destinations(a *config.Artifact, workDir string) (func(rel string) []string, error) {
	knows, ok := image.As[interface {
		Destinations(*config.Artifact, string) (func(rel string) []string, error)
	}](b.o.With(nil))
	if !ok {
		return nil, nil
	}
	return knows.Destinations(asDocker(a), workDir)
}

// asDocker is the artifact as a Dockerfile that BuildKit builds.
func asDocker(a *config.Artifact) *config.Artifact {
	k, d := a.Kaniko, *a
	d.Kaniko = nil
	d.Context = filepath.Join(a.Context, filepath.FromSlash(k.ContextSubPath))
	d.Docker = &config.DockerArtifact{Dockerfile: k.Dockerfile, Target: k.Target, BuildArgs: k.BuildArgs}
	if k.Cache != nil && k.Cache.Repo != "" {
		d.Docker.CacheFrom = []string{"type=registry,ref=" + k.Cache.Repo}
	}
	return &d
}

// place is where the module builds.
func place(a *config.Artifact) *config.ClusterBuild {
	if a.Config == nil || a.Config.Build.Cluster == nil {
		return &config.ClusterBuild{Namespace: "default", Timeout: "20m"}
	}
	return a.Config.Build.Cluster
}

// builderImage is the image that the pod runs.
func builderImage(k *config.KanikoArtifact) string {
	if k.Image == "" || k.Image == archived {
		return DefaultImage
	}
	return k.Image
}

var isBuildKit = regexp.MustCompile(`(?i)buildkit`)

// Check refuses what BuildKit cannot do of kaniko's settings, before anything is built.
func (b *Builder) Check(a *config.Artifact) error {
	refuse := func(hint, format string, args ...any) error {
		return diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", a.Image, diag.Errorf(hint, format, args...)))
	}
	if b.o.Kube == nil {
		return refuse("name one with --kube-context, or build with \"local: {}\"", "it is built in a cluster, and there is none")
	}
	k := a.Kaniko
	if img := builderImage(k); !isBuildKit.MatchString(path.Base(strings.SplitN(img, "@", 2)[0])) {
		return refuse("remove kaniko.image to build with "+DefaultImage+", or name another image of BuildKit",
			"kaniko.image %s is no BuildKit: kaniko itself is archived, and skiff does not run it", img)
	}
	for field, set := range map[string]bool{
		"tarPath": k.TarPath != "", "ociLayoutPath": k.OCILayoutPath != "", "imageNameWithDigestFile": k.ImageNameWithDigestFile != "",
		"registryCertificate": len(k.RegistryCertificate) > 0, "cache.hostPath": k.Cache != nil && k.Cache.HostPath != "",
	} {
		if set {
			return refuse("remove it", "kaniko.%s means nothing to BuildKit", field)
		}
	}
	if d := place(a).DockerConfig; d != nil && d.Path == "" {
		return refuse("write dockerConfig.path, or leave it out: the credentials of this machine are used",
			"build.cluster.dockerConfig without a path: skiff hands credentials to the build itself, and reads no secret of the cluster")
	}
	if _, err := patience(place(a)); err != nil {
		return refuse("write it as 20m", "build.cluster.timeout: %w", err)
	}
	return nil
}
