package image

import (
	"strings"
)

// Variables are the parts of a reference that templates of build settings may name. A name without a slash has neither repository
// nor name, as projects know it.
func Variables(ref string) map[string]string {
	repo, tag := split(ref)
	vars := map[string]string{"IMAGE_REPO": "", "IMAGE_NAME": "", "IMAGE_TAG": tag}
	if i := strings.LastIndexByte(repo, '/'); i >= 0 {
		vars["IMAGE_REPO"], vars["IMAGE_NAME"] = repo[:i], repo[i+1:]
	}
	return vars
}

// split is a reference without its tag, and the tag.
func split(ref string) (repo, tag string) {
	repo = repository(ref)
	tag = strings.TrimPrefix(strings.TrimPrefix(ref, repo), ":")
	tag, _, _ = strings.Cut(tag, "@")
	if tag == "" {
		tag = "latest"
	}
	return repo, tag
}
