package engine

import (
	"context"
	"fmt"
	"io"
)

// Save streams images as "docker save" writes them.
func (e *Engine) Save(ctx context.Context, refs ...string) (io.ReadCloser, error) {
	stream, err := e.client.ImageSave(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("read %v from the engine: %w", refs, e.unreachable(ctx, err))
	}
	return stream, nil
}
