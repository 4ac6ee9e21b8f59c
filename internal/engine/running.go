package engine

import (
	"context"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Running asks whether a container runs; one that is not there does not.
func (e *Engine) Running(ctx context.Context, name string) (bool, error) {
	found, err := e.client.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("inspect the container %s: %w", name, e.unreachable(ctx, err))
	}
	return found.Container.State != nil && found.Container.State.Running, nil
}
