package task

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

// verifyTest is one verify test as it runs.
type verifyTest struct {
	container
	seconds *int
}

// Verify runs the verify tests of a project: those in the cluster side by side, and once they have passed those on the local engine.
// All of a group run to their end, and every failure is told.
func (r *Runner) Verify(ctx context.Context, p *config.Project) error {
	var remote, local []verifyTest
	var all []container
	for _, c := range p.Configs {
		for i, t := range c.Verify {
			test := verifyTest{seconds: t.Timeout, container: container{
				task: Verify, job: t.Name, spec: &t.Container, mode: t.ExecutionMode, pos: c.Position("verify", i),
			}}
			if test.inCluster() {
				remote = append(remote, test)
			} else {
				local = append(local, test)
			}
			all = append(all, test.container)
		}
	}
	if len(all) == 0 {
		return diag.WithCode(diag.CodeConfig, diag.Errorf("describe containers that check it under verify", "the project has no verify tests"))
	}
	if err := r.verify(ctx, remote, nil); err != nil || len(local) == 0 {
		return err
	}
	n, leave, err := r.join(ctx, all)
	if err != nil {
		return err
	}
	defer leave()
	return r.verify(ctx, local, n)
}

func (r *Runner) verify(ctx context.Context, tests []verifyTest, n *network) error {
	errs := make([]error, len(tests))
	var work sync.WaitGroup
	for i, t := range tests {
		work.Go(func() {
			ctx, cancel := limit(ctx, t.seconds, fmt.Sprintf("verify test %q", t.job), t.pos)
			defer cancel()
			errs[i] = r.run(ctx, t.container, n)
		})
	}
	work.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(errs...)
}

// findAction is the custom action of that name. Loading has seen to it that there is one at most.
func findAction(p *config.Project, name string) (*config.Config, int, error) {
	var names []string
	for _, c := range p.Configs {
		for i, a := range c.CustomActions {
			if a.Name == name {
				return c, i, nil
			}
			names = append(names, a.Name)
		}
	}
	hint := "describe it under customActions"
	if len(names) > 0 {
		hint = "the project has: " + strings.Join(names, ", ")
	}
	return nil, 0, diag.Errorf(hint, "there is no custom action %q", name)
}

// Exec runs one custom action: its containers side by side. With failFast, which is the default, the first failure ends the others.
func (r *Runner) Exec(ctx context.Context, p *config.Project, name string) error {
	c, i, err := findAction(p, name)
	if err != nil {
		return err
	}
	action := c.CustomActions[i]
	var containers []container
	for j, spec := range action.Containers {
		containers = append(containers, container{task: Action, job: spec.Name, spec: spec, mode: action.ExecutionMode, pos: c.Position("customActions", i, "containers", j)})
	}
	seconds := action.Timeout
	if seconds != nil && *seconds == 0 {
		seconds = nil // no limit, as in Skaffold; of a verify test it is one
	}
	n, leave, err := r.join(ctx, containers)
	if err != nil {
		return err
	}
	defer leave()
	limited, cancel := limit(ctx, seconds, fmt.Sprintf("action %q", name), c.Position("customActions", i))
	defer cancel()
	err = r.exec(limited, containers, action.FailFast == nil || *action.FailFast, n)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (r *Runner) exec(ctx context.Context, containers []container, failFast bool, n *network) error {
	g, gctx := errgroup.WithContext(ctx)
	errs := make([]error, len(containers))
	for i, c := range containers {
		g.Go(func() error {
			if !failFast {
				errs[i] = r.run(ctx, c, n)
				return nil
			}
			return r.run(gctx, c, n)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	// The same limit ends all of them; once is enough.
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return errors.Join(errs...)
}
