package docker

import (
	"context"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// BuildKit is what the builder needs of a BuildKit daemon that stands by itself.
type BuildKit interface {
	Build(ctx context.Context, o engine.BuildOptions, to engine.Output, out func(line string)) (engine.Solved, error)
}

// buildRemote makes the image, or the index of several platforms, with the BuildKit that stands by itself. It pushes from there; an
// image that is not pushed comes into the engine.
func (b *Builder) buildRemote(ctx context.Context, r image.Request, o engine.BuildOptions, out func(line string)) (image.Result, error) {
	res := image.Result{Image: r.Artifact.Image}
	to := engine.Output{Push: r.Push, Insecure: b.o.Registry.Insecure(r.Ref)}
	if v := o.Args[inlineCache]; v != nil && *v == "1" {
		to.CacheTo = []string{"type=inline"}
	}
	if !r.Push {
		return b.loadRemote(ctx, r, o, to, out)
	}
	solved, err := b.o.BuildKit.Build(ctx, o, to, out)
	if err != nil {
		return res, b.explain(r, o, err)
	}
	res.Digest, res.Ref, res.Pushed = solved.Digest, image.Pinned(r.Ref, solved.Digest), true
	config, err := b.o.Registry.Config(ctx, res.Ref)
	if err != nil {
		return res, err
	}
	res.WorkDir = orRoot(config.WorkingDir)
	return res, nil
}

// loadRemote streams the image from BuildKit into the engine.
func (b *Builder) loadRemote(ctx context.Context, r image.Request, o engine.BuildOptions, to engine.Output, out func(line string)) (image.Result, error) {
	res := image.Result{Image: r.Artifact.Image}
	if len(r.Platforms()) > 1 {
		return res, severalStay(r)
	}
	from, into := io.Pipe()
	to.Tar = func() (io.WriteCloser, error) { return into, nil }
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := b.o.Engine.Load(gctx, from)
		from.CloseWithError(err)
		return err
	})
	var failed error
	g.Go(func() error {
		_, failed = b.o.BuildKit.Build(gctx, o, to, out)
		into.CloseWithError(failed)
		return nil
	})
	err := g.Wait()
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if failed != nil {
		return res, b.explain(r, o, failed)
	}
	if err != nil {
		return res, err
	}
	im, err := b.o.Engine.Inspect(ctx, r.Ref)
	if err != nil {
		return res, err
	}
	res.ID, res.WorkDir, res.Ref = im.ID, orRoot(im.Config.WorkingDir), image.ByID(r.Ref, im.ID)
	return res, b.o.Engine.Tag(ctx, im.ID, res.Ref)
}

func orRoot(dir string) string {
	if dir == "" {
		return "/"
	}
	return dir
}
