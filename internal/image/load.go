package image

import (
	"context"
	"errors"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Loader is an engine that takes in images which were made elsewhere.
type Loader interface {
	Keeper
	Load(ctx context.Context, tar io.Reader) error
}

// Load gives an image to the engine, under the name of the request.
func Load(ctx context.Context, e Loader, r Request, img v1.Image) (Result, error) {
	if e == nil {
		return Result{}, diag.Errorf("push it to a registry: --push --default-repo=REGISTRY", "there is no engine that could keep the image")
	}
	tag, err := name.NewTag(r.Ref)
	if err != nil {
		return Result{}, err
	}
	stream, write := io.Pipe()
	var g errgroup.Group
	g.Go(func() error {
		err := tarball.Write(tag, img, write)
		_ = write.CloseWithError(err)
		return err
	})
	err = e.Load(ctx, stream)
	_ = stream.CloseWithError(io.ErrClosedPipe)
	if written := g.Wait(); written != nil && !errors.Is(written, io.ErrClosedPipe) {
		err = written // what could not be read is the cause of what the engine did not take
	}
	if err != nil {
		return Result{}, err
	}
	return Arrival{Engine: e}.Find(ctx, Request{Artifact: r.Artifact, Ref: r.Ref}, "the engine")
}
