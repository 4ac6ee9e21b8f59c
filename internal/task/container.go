package task

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
)

// labelRun marks what belongs to one session, on the engine as on a cluster; the name is Skaffold's.
const labelRun = "skaffold.dev/run-id"

// container is one container that runs once.
type container struct {
	task string                  // Verify or Action
	job  string                  // the name of the Job, should it run in the cluster
	spec *config.VerifyContainer // as in the project file
	mode config.ExecutionMode
	pos  diag.Pos
}

func (c container) inCluster() bool { return c.mode.KubernetesCluster != nil }

// environment is the container's variables: those of the file, then those of --env-file.
func (r *Runner) environment(c container) []string {
	var env []string
	for _, v := range c.spec.Env {
		env = append(env, v.Name+"="+v.Value)
	}
	return append(env, r.EnvFile...)
}

// run runs a container to its end, where its mode says.
func (r *Runner) run(ctx context.Context, c container, n *network) error {
	ref := r.reference(c.spec.Image)
	return r.tell(c.task, c.spec.Name, ref, func(out *lines) error {
		var code int
		var err error
		if c.inCluster() {
			code, err = r.inCluster(ctx, c, ref, out)
		} else {
			code, err = r.onEngine(ctx, c, ref, n, out)
		}
		if err == nil && code != 0 {
			err = &diag.Error{Pos: c.pos, What: fmt.Sprintf("container %q ended with exit code %d", c.spec.Name, code), Hint: "its output is above"}
		}
		return interrupted(ctx, err)
	})
}

// interrupted is err, or in its place what ended the work from outside: a time limit in its own words, or context.Canceled.
func interrupted(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return context.Cause(ctx)
	}
	return ctx.Err()
}

// network is the engine's network of one command: made when the first container needs it.
type network struct{ name, id string }

// join makes the network that local containers share, so that they find each other by name; leave takes it away.
func (r *Runner) join(ctx context.Context, containers []container) (n *network, leave func(), err error) {
	leave = func() {}
	local := false
	for _, c := range containers {
		local = local || !c.inCluster()
	}
	if !local {
		return nil, leave, nil
	}
	if r.Network != "" {
		return &network{name: r.Network}, leave, nil
	}
	e, err := r.Engine(ctx)
	if err != nil {
		return nil, leave, err
	}
	n = &network{name: "skaffold-network-" + r.RunID}
	if n.id, err = e.CreateNetwork(ctx, n.name, r.labels()); err != nil {
		return nil, leave, err
	}
	return n, func() {
		ctx, cancel := cleaning(ctx)
		defer cancel()
		if err := e.RemoveNetwork(ctx, n.id); err != nil {
			r.warn(err)
		}
	}, nil
}

func (r *Runner) labels() map[string]string { return map[string]string{labelRun: r.RunID} }

// onEngine runs a container on the local engine and returns its exit code. The container is gone when it returns.
func (r *Runner) onEngine(ctx context.Context, c container, ref string, n *network, out *lines) (int, error) {
	e, err := r.Engine(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.fetch(ctx, e, ref, c, out); err != nil {
		return 0, err
	}
	o := engine.ContainerOptions{
		Name: c.spec.Name, Image: ref, Entrypoint: c.spec.Command, Args: c.spec.Args, Env: r.environment(c), Labels: r.labels(),
		Network: n.name, Aliases: []string{c.spec.Name},
	}
	if r.Ports != nil {
		o.Ports = r.Ports(c.spec.Name, c.spec.Image)
	}
	if predefined(n.name) {
		o.Aliases = nil
	}
	id, err := e.CreateNamed(ctx, o)
	if err != nil {
		return 0, err
	}
	defer func() {
		ctx, cancel := cleaning(ctx)
		defer cancel()
		if err := e.Discard(ctx, id); err != nil {
			r.warn(err)
		}
	}()
	if err := e.Start(ctx, id); err != nil {
		return 0, err
	}
	var code int
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.Follow(gctx, id, out, out) })
	g.Go(func() (err error) {
		code, err = e.Exit(gctx, id)
		return err
	})
	err = g.Wait()
	return code, err
}

// predefined is a network of the engine's own, in which names are not resolved.
func predefined(network string) bool {
	return network == "host" || network == "none" || network == "bridge" || strings.HasPrefix(network, "container:")
}

// fetch brings the image to the engine: always, as Skaffold does, unless it is there and is exactly the one or may be any.
func (r *Runner) fetch(ctx context.Context, e *engine.Engine, ref string, c container, out *lines) error {
	there, err := e.Exists(ctx, ref)
	if err != nil {
		return err
	}
	pinned := strings.Contains(ref, "@sha256:")
	if there && (pinned || c.mode.Local != nil && c.mode.Local.UseLocalImages) {
		return nil
	}
	err = e.Pull(ctx, ref, out.say)
	if err != nil && there && ctx.Err() == nil {
		out.say(fmt.Sprintf("using the image that this machine has: %v", err))
		return nil
	}
	if err != nil && ctx.Err() == nil {
		return at(c.pos, err)
	}
	return err
}

// limit is ctx with the time limit of a test or action: nil is none.
func limit(ctx context.Context, seconds *int, what string, pos diag.Pos) (context.Context, context.CancelFunc) {
	if seconds == nil {
		return context.WithCancel(ctx)
	}
	late := &diag.Error{Pos: pos, What: fmt.Sprintf("%s did not end within %d seconds", what, *seconds), Hint: "raise its timeout, or leave it out for no limit"}
	return context.WithTimeoutCause(ctx, time.Duration(*seconds)*time.Second, late)
}

// at gives an error the position that caused it, unless it has one.
func at(pos diag.Pos, err error) error {
	var e *diag.Error
	if errors.As(err, &e) {
		if e.Pos != (diag.Pos{}) {
			return err
		}
		return &diag.Error{Pos: pos, What: err.Error(), Hint: e.Hint, Code: e.Code, Err: err}
	}
	return &diag.Error{Pos: pos, What: err.Error(), Err: err}
}
