// Package image makes the images of a project: artifacts go in, images that are built (or found) and pushed come out.
package image

import (
	"context"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
)

// Request is one image to be made.
type Request struct {
	Artifact *config.Artifact
	Ref      string            // registry/name:tag
	Push     bool              // to the registry; otherwise it stays in the engine
	Platform string            // "linux/arm64", or several with commas between; empty: as the builder likes
	Needs    map[string]Result // the images that it requires, by alias; Build fills it in
	Cause    string            // why it is built, in words; Build fills in what it knows where this is empty
}

// Platforms are the wanted platforms; none: as the builder likes.
func (r Request) Platforms() []string {
	if r.Platform == "" {
		return nil
	}
	return strings.Split(r.Platform, ",")
}

// Result is an image that exists.
type Result struct {
	Image   string        `json:"image"`             // the artifact's name
	Ref     string        `json:"ref"`               // what manifests name: name:tag@sha256:… once pushed, else name:ID
	Digest  string        `json:"digest,omitempty"`  // "sha256:…" of the manifest; empty when it was not pushed
	ID      string        `json:"id,omitempty"`      // "sha256:…" of the engine; empty when no engine took part
	WorkDir string        `json:"workDir,omitempty"` // the image's working folder; "/" when it names none
	Cached  string        `json:"cached,omitempty"`  // where an equal image was found: "registry", "engine"; empty: it was built
	Pushed  bool          `json:"pushed,omitempty"`
	How     string        `json:"how,omitempty"` // of several ways to make it the one that was taken, and why: "assembled: 1 layer"
	Took    time.Duration `json:"took,omitempty"`
}

// Builder makes the images of one kind of artifact.
type Builder interface {
	// Name is the kind as the project file has it: "docker", "custom", ….
	Name() string
	// Build makes the image; a failure that the user can mend is a *diag.Error. out gets the lines that the build prints.
	Build(ctx context.Context, r Request, out func(line string)) (Result, error)
	// Inputs are the files that the image is made from.
	Inputs(ctx context.Context, a *config.Artifact) (Inputs, error)
	// Settings are what decides about the image besides its files: a value whose JSON is the same for the same image.
	Settings(r Request) (any, error)
}

// Inputs is what an image is made from.
type Inputs interface {
	// Has says whether an absolute path goes into the image, or decides about it. It looks at no file, so it is right for one
	// that is new or was deleted.
	Has(path string) bool
	// Roots are the folders in which inputs may lie.
	Roots() []Root
	// Singles are inputs that lie in no root, or that a root skips; they need not exist.
	Singles() []string
	// Files are the inputs that exist: absolute, sorted, without folders.
	Files(ctx context.Context) ([]string, error)
}

// Root is a folder that is worth watching.
type Root struct {
	Dir  string                // absolute
	Skip func(rel string) bool // whether nothing at or below the slash-separated relative path can be an input; nil: no
}

// Builders finds the Builder of an artifact.
type Builders func(a *config.Artifact) (Builder, error)

// Wrapper is a Builder that adds something to another one.
type Wrapper interface {
	Builder
	Unwrap() Builder
}

// As finds what a builder can do besides: in itself, or in what it wraps.
func As[T any](b Builder) (T, bool) {
	for b != nil {
		if t, ok := b.(T); ok {
			return t, true
		}
		w, ok := b.(Wrapper)
		if !ok {
			break
		}
		b = w.Unwrap()
	}
	var none T
	return none, false
}
