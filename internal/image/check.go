package image

import "github.com/skiff-dev/skiff/internal/config"

// Checker is a Builder that can say before anything is built that an artifact cannot be: a tool is missing, or a setting means
// nothing to it.
type Checker interface {
	Check(a *config.Artifact) error
}

// Check asks the builders of all artifacts, as far as they are Checkers, and returns the first complaint of each.
func Check(builders Builders, artifacts []*config.Artifact) []error {
	var faults []error
	for _, a := range artifacts {
		b, err := builders(a)
		if err == nil {
			if c, ok := As[Checker](b); ok {
				err = c.Check(a)
			}
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}
