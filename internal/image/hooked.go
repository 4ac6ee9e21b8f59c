package image

import (
	"context"
	"sync"

	"github.com/skiff-dev/skiff/internal/config"
)

// Hooks are what a project wants to happen around builds. Nothing of it happens for an image that is found. Each part may be nil.
type Hooks struct {
	// Module runs before the first build of a module ("before"), and after the last one ("after").
	Module func(ctx context.Context, when string, c *config.Config) error
	// Artifact runs before and after the build of one image.
	Artifact func(ctx context.Context, when string, r Request) error
}

// Hooked is the builds of one pass with the hooks around them.
type Hooked struct {
	hooks   Hooks
	mu      sync.Mutex
	modules []*module
}

// module is one module with something to build.
type module struct {
	config *config.Config
	once   sync.Once
	err    error
}

// Around begins a pass.
func (h Hooks) Around() *Hooked { return &Hooked{hooks: h} }

// Wrap puts the hooks around a builder.
func (h *Hooked) Wrap(b Builder) Builder {
	if h.hooks.Module == nil && h.hooks.Artifact == nil {
		return b
	}
	return &hooked{b, h}
}

// End runs what is wanted after all builds.
func (h *Hooked) End(ctx context.Context) error {
	if h.hooks.Module == nil {
		return nil
	}
	h.mu.Lock()
	modules := h.modules
	h.mu.Unlock()
	for _, m := range modules {
		if err := h.hooks.Module(ctx, "after", m.config); err != nil {
			return err
		}
	}
	return nil
}

// begin runs what a module wants before its first build; the others of the module wait for it.
func (h *Hooked) begin(ctx context.Context, c *config.Config) error {
	if h.hooks.Module == nil || c == nil {
		return nil
	}
	h.mu.Lock()
	var mine *module
	for _, m := range h.modules {
		if m.config == c {
			mine = m
		}
	}
	if mine == nil {
		mine = &module{config: c}
		h.modules = append(h.modules, mine)
	}
	h.mu.Unlock()
	mine.once.Do(func() { mine.err = h.hooks.Module(ctx, "before", c) })
	return mine.err
}

type hooked struct {
	Builder
	pass *Hooked
}

// Unwrap is the builder.
func (b *hooked) Unwrap() Builder { return b.Builder }

// Build is the builder's, with what is wanted before and after it.
func (b *hooked) Build(ctx context.Context, r Request, out func(line string)) (Result, error) {
	run := b.pass.hooks.Artifact
	err := b.pass.begin(ctx, r.Artifact.Config)
	if err == nil && run != nil {
		err = run(ctx, "before", r)
	}
	if err != nil {
		return Result{}, err
	}
	res, err := b.Builder.Build(ctx, r, out)
	if err == nil && run != nil {
		err = run(ctx, "after", r)
	}
	return res, err
}
