package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/task"
)

// buildHooks are the hooks around builds: of modules and of artifacts.
func (s *session) buildHooks(p *config.Project) (image.Hooks, error) {
	some := func(h config.HostHooks) bool { return len(h.Before)+len(h.After) > 0 }
	wanted := slices.ContainsFunc(p.Configs, func(c *config.Config) bool {
		return some(c.Build.Hooks) || slices.ContainsFunc(c.Build.Artifacts, func(a *config.Artifact) bool { return some(a.Hooks) })
	})
	if !wanted {
		return image.Hooks{}, nil
	}
	if _, err := s.tasks(); err != nil {
		return image.Hooks{}, err
	}
	run := s.hooks()
	return image.Hooks{
		Module: func(ctx context.Context, when string, c *config.Config) error {
			return run.HostAll(ctx, task.Phase(when+" build"), c, []any{"build", "hooks", when}, hooksAt(c.Build.Hooks, when), buildVars("", false, "", "", ""))
		},
		Artifact: func(ctx context.Context, when string, r image.Request) error {
			c := r.Artifact.Config
			if c == nil {
				return nil
			}
			repo, tag := image.SplitRef(r.Ref)
			if i := strings.LastIndexByte(repo, '/'); i >= 0 {
				repo = repo[:i]
			} else {
				repo = ""
			}
			vars := buildVars(r.Ref, r.Push, repo, tag, r.Artifact.Context)
			path := []any{"build", "artifacts", slices.Index(c.Build.Artifacts, r.Artifact), "hooks", when}
			return run.HostAll(ctx, task.Phase(when+" build of "+r.Artifact.Image), c, path, hooksAt(r.Artifact.Hooks, when), vars)
		},
	}, nil
}

func hooksAt(h config.HostHooks, when string) []*config.HostHook {
	if when == "before" {
		return h.Before
	}
	return h.After
}

// buildVars are what a hook of a build may know.
func buildVars(ref string, push bool, repo, tag, dir string) []string {
	return []string{
		"SKAFFOLD_IMAGE=" + ref, "SKAFFOLD_PUSH_IMAGE=" + strconv.FormatBool(push), "SKAFFOLD_IMAGE_REPO=" + repo, "SKAFFOLD_IMAGE_TAG=" + tag,
		"SKAFFOLD_BUILD_CONTEXT=" + dir,
	}
}
