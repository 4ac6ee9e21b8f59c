package filesync

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/kube"
)

// Exec runs a command in every running container of the artifact, side by side: what a sync hook of a container asks for.
// The order of hooks and pushes is the caller's. out takes the output of all, in portions, from several goroutines.
func (s *Syncer) Exec(ctx context.Context, artifact string, command []string, out io.Writer) error {
	found := make(chan []target, 1)
	s.inbox.post(func(st *state) { found <- st.targets(artifact) })
	var targets []target
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return errEnded
	case targets = <-found:
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range targets {
		g.Go(func() error {
			err := s.cluster.Exec(ctx, kube.Exec{
				Namespace: t.namespace, Pod: t.pod, Container: t.container, Command: command, Stdout: out, Stderr: out,
			})
			if err != nil {
				return fmt.Errorf("run %q in %s: %w", command, t, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (st *state) targets(artifact string) []target {
	var all []target
	for _, w := range st.workers {
		if w.artifact == artifact && w.current.Load() {
			all = append(all, w.target)
		}
	}
	return all
}
