// Package all is the table from the kind of an artifact to the Builder that makes its image.
package all

import (
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/image/assemble"
	"github.com/skiff-dev/skiff/internal/image/bazel"
	"github.com/skiff-dev/skiff/internal/image/buildpacks"
	"github.com/skiff-dev/skiff/internal/image/cluster"
	"github.com/skiff-dev/skiff/internal/image/custom"
	"github.com/skiff-dev/skiff/internal/image/docker"
	"github.com/skiff-dev/skiff/internal/image/golang"
	"github.com/skiff-dev/skiff/internal/image/jib"
)

// Options is what the builders work with.
type Options struct {
	Docker   docker.Options
	Assemble assemble.Options // without a Registry every image is built in full
	Golang   golang.Options
	Cluster  cluster.Options // its Dockerfiles are built by the builder of those
	Custom   custom.Options  // its Dockerfiles are read by the builder of those

	Jib        jib.Options
	Bazel      bazel.Options
	Buildpacks buildpacks.Options
}

// Builders is the table. Artifacts of a kind that this version does not build are refused by name.
func Builders(o Options) image.Builders {
	var d image.Builder = docker.New(o.Docker)
	if o.Assemble.Registry != nil {
		d = assemble.New(docker.New(o.Docker), o.Assemble)
	}
	o.Custom.Docker = docker.New(o.Docker)
	o.Cluster.With = func(kit cluster.BuildKit) image.Builder {
		d := o.Docker
		d.BuildKit = nil
		if kit != nil {
			d.BuildKit = kit
		}
		return docker.New(d)
	}
	byKind := map[string]image.Builder{
		"docker": d, "ko": golang.New(o.Golang), "custom": custom.New(o.Custom), "jib": jib.New(o.Jib), "bazel": bazel.New(o.Bazel),
		"buildpacks": buildpacks.New(o.Buildpacks), "kaniko": cluster.New(o.Cluster),
	}
	return func(a *config.Artifact) (image.Builder, error) {
		b, ok := byKind[Kind(a)]
		if !ok {
			return nil, unsupported(a, Kind(a))
		}
		switch elsewhere(a) {
		case "googleCloudBuild":
			return nil, cloudBuild(a)
		case "cluster":
			if k := Kind(a); k != "custom" && k != "kaniko" { // the user's command builds there by itself
				return nil, unsupported(a, "cluster")
			}
		}
		return b, nil
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

// cloudBuild refuses to build at Google and names what is there instead.
func cloudBuild(a *config.Artifact) error {
	return diag.WithCode(diag.CodeBuild, a.Config.Fault("image \""+a.Image+"\" is to be built by Google Cloud Build, which skiff does not use",
		`build on this machine (write "local: {}" in place of googleCloudBuild, or add a profile that does) or in the cluster ("cluster: {}"); `+
			`or build with gcloud builds submit, and deploy with skiff deploy --images=`+a.Image+`=REFERENCE`, "build", "googleCloudBuild"))
}

func unsupported(a *config.Artifact, builder string) error {
	return diag.WithCode(diag.CodeBuild, diag.Errorf("build it with a Dockerfile (docker: {}), or leave it out with --build-image",
		"image %q: the builder %q is not yet supported by this version of skiff", a.Image, builder))
}
