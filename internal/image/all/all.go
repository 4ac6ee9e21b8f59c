// Package all is the table from the kind of an artifact to the Builder that makes its image.
package all

import (
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/image/assemble"
	"github.com/skiff-dev/skiff/internal/image/docker"
)

// Options is what the builders work with.
type Options struct {
	Docker   docker.Options
	Assemble assemble.Options // without a Registry every image is built in full
}

// Builders is the table. Artifacts of a kind that this version does not build are refused by name.
func Builders(o Options) image.Builders {
	var d image.Builder = docker.New(o.Docker)
	if o.Assemble.Registry != nil {
		d = assemble.New(docker.New(o.Docker), o.Assemble)
	}
	return func(a *config.Artifact) (image.Builder, error) {
		if kind := Kind(a); kind != "docker" {
			return nil, unsupported(a, kind)
		}
		if where := elsewhere(a); where != "" {
			return nil, unsupported(a, where)
		}
		return d, nil
	}
}

// Kind is the kind of an artifact, by its name in the project file.
func Kind(a *config.Artifact) string {
	switch {
	case a.Custom != nil:
		return "custom"
	case a.Kaniko != nil:
		return "kaniko"
	case a.Bazel != nil:
		return "bazel"
	case a.Jib != nil:
		return "jib"
	case a.Ko != nil:
		return "ko"
	case a.Buildpacks != nil:
		return "buildpacks"
	case a.Docker != nil:
		return "docker"
	}
	return "unknown"
}

// elsewhere is the place that the project builds at, if it is not this machine.
func elsewhere(a *config.Artifact) string {
	switch {
	case a.Config == nil:
		return ""
	case a.Config.Build.GoogleCloudBuild != nil:
		return "googleCloudBuild"
	case a.Config.Build.Cluster != nil:
		return "cluster"
	}
	return ""
}

func unsupported(a *config.Artifact, builder string) error {
	return diag.WithCode(diag.CodeBuild, diag.Errorf("build it with a Dockerfile (docker: {}), or leave it out with --build-image",
		"image %q: the builder %q is not yet supported by this version of skiff", a.Image, builder))
}
