package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/image"
	builders "github.com/skiff-dev/skiff/internal/image/all"
	"github.com/skiff-dev/skiff/internal/image/assemble"
	"github.com/skiff-dev/skiff/internal/image/bazel"
	"github.com/skiff-dev/skiff/internal/image/buildpacks"
	"github.com/skiff-dev/skiff/internal/image/cluster"
	"github.com/skiff-dev/skiff/internal/image/custom"
	"github.com/skiff-dev/skiff/internal/image/golang"
	"github.com/skiff-dev/skiff/internal/image/jib"
	"github.com/skiff-dev/skiff/internal/proc"
)

// builders is the table of builders, with what each of them works with.
func (s *session) builders(ctx context.Context) image.Builders {
	kubeContext, namespace := "", ""
	if s.cluster != nil {
		kubeContext, namespace = s.cluster.Context, s.cluster.Namespace
	}
	return builders.Builders(builders.Options{
		Docker:   s.dockerOptions(ctx),
		Assemble: s.assembling(),
		Cluster:  cluster.Options{Kube: s.cluster, Getenv: s.env, Auth: s.engine.Auth()},
		Golang: golang.Options{
			Registry: s.remote, Engine: s.engine, Templates: s.templates(ctx), Environ: s.Environ(), Mode: s.command,
			Platforms: s.platforms, State: s.cachePath("go"), Guard: s.guard,
		},
		Custom: custom.Options{
			Registry: s.remote, Engine: s.engine, Templates: s.templates(ctx), Environ: s.Environ(), Dir: s.Dir, SkipTests: s.skipTests,
			KubeContext: kubeContext, Namespace: namespace, Guard: s.guard,
		},
		Jib: jib.Options{
			Registry: s.remote, Engine: s.engine, Environ: s.Environ(), SkipTests: s.skipTests, Insecure: s.insecureRegistries(), Guard: s.guard,
		},
		Bazel:      bazel.Options{Registry: s.remote, Engine: s.engine, Environ: s.Environ(), Guard: s.guard},
		Buildpacks: buildpacks.Options{Engine: s.engine, Docker: s.engine.API(), Host: s.engineHost(), Keychain: s.remote.Keychain(), Templates: s.templates(ctx)},
	})
}

// assembling is what images are assembled with; nothing where the user wants every image built in full.
func (s *session) assembling() assemble.Options {
	if !s.assembles {
		return assemble.Options{}
	}
	return assemble.Options{Dir: s.cachePath("assemble"), Registry: s.remote, Engine: s.engine, Index: s.index}
}

// guardBuilds sees to it that no tool which builds an image outlives skiff, however skiff ends. Where only engines build there is nothing
// to guard.
func (s *session) guardBuilds(p *config.Project) error {
	tools := slices.ContainsFunc(p.Artifacts(), func(a *config.Artifact) bool { return a.Custom != nil || a.Jib != nil || a.Bazel != nil })
	if !tools || s.guard != nil {
		return nil
	}
	guard, err := proc.NewGuard()
	if err != nil {
		return fmt.Errorf("watch over processes: %w", err)
	}
	s.guard = guard
	return nil
}

// engineHost is the engine's address where a container cannot guess it.
func (s *session) engineHost() string {
	if host := s.engine.Host(); host != "unix:///var/run/docker.sock" {
		return host
	}
	return ""
}
