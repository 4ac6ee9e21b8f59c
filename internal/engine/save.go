package engine

import (
	"context"
	"fmt"
	"io"
)

// Save reads an image out of the engine, as a tar stream that Load takes.
func (e *Engine) Save(ctx context.Context, ref string) (io.ReadCloser, error) {
	stream, err := e.client.ImageSave(ctx, []string{ref})
	if err != nil {
		return nil, fmt.Errorf("read image %s out of the engine: %w", ref, e.unreachable(ctx, err))
	}
	return stream, nil
}
