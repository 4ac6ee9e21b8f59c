package pipeline

import (
	"context"
	"sync"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Request is the work of one pass.
type Request struct {
	Build []*config.Artifact // the others keep their image
	// Began is called before a builder reads a file; what it returns is called for each image that exists then. May be nil.
	Began func() (built func(Built))
	// Rendered is called before anything is sent to the cluster. May be nil.
	Rendered func(objects []*kube.Object, selection *kube.Selection)
}

// Result is what a pass achieved, also one that failed.
type Result struct {
	Built    []Built
	Deployed bool // the objects were sent to the cluster
}

// Pass is one run of the line, which can be told while it runs that parts of it are no longer wanted.
type Pass struct {
	line    *Line
	request Request

	mu     sync.Mutex
	stops  map[string]context.CancelFunc // of builds that run
	stale  map[string]bool               // artifacts whose build is not wanted
	noWait bool
	stop   context.CancelFunc // of the whole pass
	unwait context.CancelFunc // of the wait, while it lasts
	ended  bool
}

// Start makes a pass; Run runs it.
func (l *Line) Start(r Request) *Pass {
	return &Pass{line: l, request: r, stops: map[string]context.CancelFunc{}, stale: map[string]bool{}}
}

// Run is the line, straight through. It ends with context.Canceled when a part of it was stopped, without a failure.
func (p *Pass) Run(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !p.begin(cancel) {
		return Result{}, context.Canceled
	}
	var result Result
	var err error
	if result.Built, err = p.build(ctx); err != nil {
		return result, err
	}
	manifests, err := p.line.Objects(ctx)
	if err != nil {
		return result, err
	}
	if p.request.Rendered != nil {
		p.request.Rendered(manifests.Objects, p.line.Selection(manifests.Objects))
	}
	waiting := p.waits(ctx)
	if err := p.line.deploy(ctx, waiting, manifests.Objects); err != nil {
		return result, err
	}
	result.Deployed = true
	return result, p.wait(ctx, waiting)
}

func (p *Pass) build(ctx context.Context) ([]Built, error) {
	told := func(Built) {}
	if p.request.Began != nil {
		told = p.request.Began()
	}
	results, err := p.line.Build(ctx, p.request.Build, p.stoppable)
	for _, r := range results {
		told(r)
	}
	return results, err
}

// waits is the context of all that only waits: it ends when newer work is owed.
func (p *Pass) waits(ctx context.Context) context.Context {
	waiting, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unwait = cancel
	if p.noWait {
		cancel()
	}
	return waiting
}

// wait waits for readiness until newer work is owed, which is no failure.
func (p *Pass) wait(ctx, waiting context.Context) error {
	if waiting.Err() != nil {
		return ctx.Err()
	}
	err := p.line.Wait(waiting)
	if waiting.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// begin notes how the pass is stopped; false when it was stopped before.
func (p *Pass) begin(stop context.CancelFunc) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = stop
	return !p.ended
}

// Stop ends the pass at the next possible moment.
func (p *Pass) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.stop != nil {
		p.stop()
	}
}

// StopWait ends the wait for readiness, now or when it would begin.
func (p *Pass) StopWait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noWait = true
	if p.unwait != nil {
		p.unwait()
	}
}

// StopBuild ends the build of one artifact, whose result would be stale; its siblings go on, and nothing is deployed.
func (p *Pass) StopBuild(artifact string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stale[artifact] = true
	if stop := p.stops[artifact]; stop != nil {
		stop()
	}
}

// stoppable makes a builder obey StopBuild.
func (p *Pass) stoppable(b image.Builder) image.Builder { return &stoppable{b, p} }

type stoppable struct {
	image.Builder
	pass *Pass
}

// Unwrap is the builder that obeys.
func (s *stoppable) Unwrap() image.Builder { return s.Builder }

// Build is the builder's, until the artifact becomes stale.
func (s *stoppable) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := r.Artifact.Image
	s.pass.mu.Lock()
	s.pass.stops[name] = cancel
	stale := s.pass.stale[name]
	s.pass.mu.Unlock()
	if stale {
		return image.Result{}, context.Canceled
	}
	result, err := s.Builder.Build(ctx, r, out)
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	return result, err
}
