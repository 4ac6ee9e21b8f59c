package cli

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/dev"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
	"github.com/skiff-dev/skiff/internal/task"
)

// hookedSync runs the hooks of artifacts around their syncs.
type hookedSync struct {
	dev.Syncer
	session *session

	mu         sync.Mutex
	project    *config.Project
	refs       map[string]string // by artifact: the image that runs
	namespaces []string
}

// use makes the hooks those of a project that was loaded anew.
func (h *hookedSync) use(p *config.Project) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.project = p
}

// Select notes where the project runs.
func (h *hookedSync) Select(sel filesync.Selection) {
	if in, ok := sel.(interface{ Namespaces() []string }); ok {
		h.mu.Lock()
		h.namespaces = in.Namespaces()
		h.mu.Unlock()
	}
	h.Syncer.Select(sel)
}

// Built notes which image runs.
func (h *hookedSync) Built(artifact, ref string, mark filesync.Seq) {
	h.mu.Lock()
	h.refs[artifact] = ref
	h.mu.Unlock()
	h.Syncer.Built(artifact, ref, mark)
}

// Push syncs between the hooks. A hook that fails before it fails the sync; afterwards the files are there, and it is only told.
func (h *hookedSync) Push(ctx context.Context, artifact string, ops []filesync.Op, since time.Time) error {
	a, at := h.find(artifact)
	if a == nil {
		return h.Syncer.Push(ctx, artifact, ops, since)
	}
	h.mu.Lock()
	ref, namespaces := h.refs[artifact], h.namespaces
	h.mu.Unlock()
	var modified, deleted []string
	for _, op := range ops {
		if op.Delete {
			deleted = append(deleted, op.Local)
		} else {
			modified = append(modified, op.Local)
		}
	}
	vars := slices.Concat([]string{"SKAFFOLD_IMAGE=" + ref, "SKAFFOLD_BUILD_CONTEXT=" + a.Context}, task.Changes(modified, deleted), h.session.placeVars(namespaces))
	run := func(phase task.Phase, list string, hooks []*config.SyncHook) error {
		return h.session.hookRunner.Sync(ctx, phase, a.Config, append(slices.Clone(at), "sync", "hooks", list), hooks, vars, ref, namespaces)
	}
	if err := run(task.Phase("before sync of "+artifact), "before", a.Sync.Hooks.Before); err != nil {
		return err
	}
	if err := h.Syncer.Push(ctx, artifact, ops, since); err != nil {
		return err
	}
	if err := run(task.Phase("after sync of "+artifact), "after", a.Sync.Hooks.After); err != nil && ctx.Err() == nil {
		h.session.bus.Send(event.Failed{Err: diag.WithCode(diag.CodeDeploy, err)})
	}
	return nil
}

// find is an artifact with sync hooks, and where it stands in its file; nil when it has none.
func (h *hookedSync) find(name string) (*config.Artifact, []any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.project.Configs {
		for i, a := range c.Build.Artifacts {
			if a.Image == name && a.Sync != nil && len(a.Sync.Hooks.Before)+len(a.Sync.Hooks.After) > 0 {
				return a, []any{"build", "artifacts", i}
			}
		}
	}
	return nil, nil
}
