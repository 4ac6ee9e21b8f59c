package cli

import (
	"context"

	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image/docker"
)

// dockerOptions is what Dockerfiles are built with: the engine, or the BuildKit that BUILDKIT_HOST names.
func (s *session) dockerOptions(ctx context.Context) docker.Options {
	o := docker.Options{
		Engine: s.engine, Registry: s.remote, Dir: s.Dir, Environ: s.Environ(), Mode: s.command, Templates: s.templates(ctx), Guard: s.guard,
	}
	if address := s.env("BUILDKIT_HOST"); address != "" {
		o.BuildKit = engine.NewRemote(engine.RemoteOptions{Address: address, Auth: s.engine.Auth(), Getenv: s.env})
	}
	return o
}
