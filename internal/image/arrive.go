package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
)

// Keeper is what is asked of an engine that keeps images which a tool has made.
type Keeper interface {
	Inspect(ctx context.Context, ref string) (engine.Image, error)
	Tag(ctx context.Context, source, target string) error
}

// Arrival is where images of tools have to be in the end.
type Arrival struct {
	Registry *Registry
	Engine   Keeper // nil: there is none
}

// Find proves the image of a request where it has to be. tool is what made it, for messages: "the build command".
func (a Arrival) Find(ctx context.Context, r Request, tool string) (Result, error) {
	res := Result{Image: r.Artifact.Image, WorkDir: "/"}
	if !r.Push {
		return a.inEngine(ctx, r, tool, res)
	}
	digest, err := a.Registry.Digest(ctx, r.Ref)
	if err != nil {
		return res, &diag.Error{
			What: fmt.Sprintf("%s ended well, but %s is not in its registry: %v", tool, r.Ref, err), Err: err,
			Hint: "what builds an image must push it under this name; a command is told so by $IMAGE and $PUSH_IMAGE",
		}
	}
	res.Digest, res.Ref, res.Pushed = digest, Pinned(r.Ref, digest), true
	// Only sync rules with relative destinations ask for it.
	if found, err := a.Registry.Config(ctx, r.Ref); err == nil && found.WorkingDir != "" {
		res.WorkDir = found.WorkingDir
	}
	return res, nil
}

func (a Arrival) inEngine(ctx context.Context, r Request, tool string, res Result) (Result, error) {
	if a.Engine == nil {
		return res, diag.Errorf("push it: --push --default-repo=REGISTRY", "there is no engine that the image could be in")
	}
	found, err := a.Engine.Inspect(ctx, r.Ref)
	if errors.Is(err, engine.ErrNotFound) {
		return res, diag.Errorf("what builds an image must leave it under this name in the engine that DOCKER_HOST or the docker context names",
			"%s ended well, but the engine has no image %s", tool, r.Ref)
	}
	if err != nil {
		return res, err
	}
	if found.Config.WorkingDir != "" {
		res.WorkDir = found.Config.WorkingDir
	}
	res.ID, res.Ref = found.ID, ByID(r.Ref, found.ID)
	return res, a.Engine.Tag(ctx, found.ID, res.Ref)
}
