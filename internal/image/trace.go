package image

import (
	"context"

	"github.com/skiff-dev/skiff/internal/config"
)

// Trace is what a builder knows of one path: what takes it into the image, or why nothing does.
type Trace struct {
	Counts  bool   `json:"counts"`
	Because string `json:"because"`           // in words, with file and line
	Layer   bool   `json:"layer"`             // it enters the image only by steps whose layers can be made anew without a build
	Needs   string `json:"needs,omitempty"`   // the step because of which it cannot
	Outside bool   `json:"outside,omitempty"` // it lies in no folder that the builder takes files from
}

// Tracer is a Builder that can tell what becomes of a path, whether it exists or not.
type Tracer interface {
	Trace(ctx context.Context, a *config.Artifact, path string) (Trace, error)
}
