package docker

import (
	"github.com/skiff-dev/skiff/internal/image"
)

// Describe is the build of a request, for who wants to make its image in another way.
func (b *Builder) Describe(r image.Request) (image.Dockerfile, error) {
	file := b.dockerfile(r.Artifact)
	rec, err := readRecipe(file, nil)
	if err != nil {
		return image.Dockerfile{}, err
	}
	args, err := b.args(r, rec)
	if err != nil {
		return image.Dockerfile{}, err
	}
	d := image.Dockerfile{
		Context: r.Artifact.Context, File: file, Ignore: ignoreFile(r.Artifact.Context, file),
		Target: r.Artifact.Docker.Target, Args: map[string]string{}, Odd: odd(r),
	}
	for name, value := range args {
		if value != nil {
			d.Args[name] = *value
		}
	}
	return d, nil
}

// odd is what only the engine does.
func odd(r image.Request) string {
	d := r.Artifact.Docker
	switch {
	case len(d.CLIFlags) > 0:
		return "docker.cliFlags"
	case d.Squash:
		return "docker.squash"
	case d.NoCache:
		return "docker.noCache"
	case d.PullParent:
		return "docker.pullParent"
	case len(r.Platforms()) > 1:
		return "several platforms"
	}
	return ""
}
