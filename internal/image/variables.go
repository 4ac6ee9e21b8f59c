package image

import (
	"strings"
)

// Variables are the parts of a reference that templates of build settings may name. A name without a slash has neither repository
// nor name, as projects know it.
func Variables(ref string) map[string]string {
	repo, tag := SplitRef(ref)
	vars := map[string]string{"IMAGE_REPO": "", "IMAGE_NAME": "", "IMAGE_TAG": tag}
	if i := strings.LastIndexByte(repo, '/'); i >= 0 {
		vars["IMAGE_REPO"], vars["IMAGE_NAME"] = repo[:i], repo[i+1:]
	}
	return vars
}

// SplitRef is a reference without its tag and digest, and the tag; "latest" where it names none.
func SplitRef(ref string) (repo, tag string) {
	repo = repository(ref)
	tag = strings.TrimPrefix(strings.TrimPrefix(ref, repo), ":")
	tag, _, _ = strings.Cut(tag, "@")
	if tag == "" {
		tag = "latest"
	}
	return repo, tag
}
