package tag

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"
)

// longest is how long a name may be that a default repository was put before.
const longest = 255

var (
	// project is a registry host with the first part of a path that looks like a Google Cloud project.
	project = regexp.MustCompile(`^` + reference.DomainRegexp.String() + `/[a-z][a-z0-9-]{4,28}[a-z0-9]/?`)
	flatten = strings.NewReplacer("/", "_", ".", "_", "_", "_", ":", "_", "@", "_")
)

// Ref is the reference of an image with its tag, moved to the default repository where there is one. Registries with several
// levels keep the image's own path below it; in others it becomes one word.
func Ref(image, tag, defaultRepo string, multiLevel bool) string {
	name := Name(image, defaultRepo, multiLevel)
	if tag == "" {
		return name
	}
	return name + ":" + tag
}

// Name is the reference of an image without a tag.
func Name(image, defaultRepo string, multiLevel bool) string {
	image = strings.ToLower(strings.TrimPrefix(image, "ko://"))
	if defaultRepo == "" || strings.HasPrefix(image, defaultRepo) {
		return image
	}
	repo := strings.TrimSuffix(defaultRepo, "/")
	home := project.FindString(defaultRepo)
	if !multiLevel && !strings.Contains(home, "gcr.io") && !strings.Contains(home, "-docker.pkg.dev") {
		return cut(repo + "/" + flatten.Replace(image))
	}
	if own := project.FindString(image); own != "" && own == home {
		return repo + "/" + strings.TrimPrefix(image, own)
	}
	return cut(repo + "/" + image)
}

func cut(s string) string {
	if len(s) > longest {
		return s[:longest]
	}
	return s
}
