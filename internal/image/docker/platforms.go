package docker

import (
	"context"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
)

// buildEach makes the image of every platform by itself, side by side, and an index of them: the engine keeps one platform under
// one name. The images of the platforms have the tag with the platform behind it, so that the tag itself never names less than
// the whole.
func (b *Builder) buildEach(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	res := image.Result{Image: r.Artifact.Image}
	if !r.Push {
		return res, severalStay(r)
	}
	if b.o.Registry == nil {
		return res, diag.Errorf("", "no registry client for the index of several platforms")
	}
	platforms := r.Platforms()
	parts := make([]image.Part, len(platforms))
	built := make([]image.Result, len(platforms))
	g, gctx := errgroup.WithContext(ctx)
	for i, p := range platforms {
		one, ref := r, r.Ref+"-"+strings.ReplaceAll(p, "/", "-")
		one.Platform = p
		g.Go(func() (err error) {
			built[i], err = b.buildOne(gctx, one, ref, func(line string) { out("[" + p + "] " + line) })
			parts[i] = image.Part{Platform: p, Digest: built[i].Digest}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		return res, err
	}
	digest, err := b.o.Registry.Index(ctx, r.Ref, parts)
	if err != nil {
		return res, explainPush(r.Ref, err)
	}
	res.Digest, res.Ref, res.Pushed, res.WorkDir = digest, image.Pinned(r.Ref, digest), true, built[0].WorkDir
	return res, nil
}

// severalStay says that an image of several platforms has no place in the engine.
func severalStay(r image.Request) error {
	return diag.Errorf("push with --push, or name one platform with --platform",
		"an image for several platforms (%s) cannot stay in the engine", strings.ReplaceAll(r.Platform, ",", ", "))
}
