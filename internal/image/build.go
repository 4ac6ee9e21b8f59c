package image

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

// Set says how a set of images is made.
type Set struct {
	Builders Builders
	Cache    *Cache            // nil: nothing is looked up, everything is built
	Limit    int               // how many builds run at once; 0: no limit
	Built    map[string]Result // by artifact name: images that requests require and that are not made anew
}

// Build makes the images: side by side, each one after those it requires. A failure leaves what does not depend on it running,
// and is told at the end together with what was not tried; only ctx ends everything. The results are those that exist, in the
// order of the requests.
func Build(ctx context.Context, s Set, requests []Request, sink event.Sink) ([]Result, error) {
	nodes, err := plan(s, requests)
	if err != nil {
		return nil, diag.WithCode(diag.CodeBuild, err)
	}
	run := &runner{set: s, sink: sink}
	if s.Limit > 0 {
		run.slots = make(chan struct{}, s.Limit)
	}
	var g errgroup.Group
	for _, n := range nodes {
		g.Go(func() error {
			defer close(n.done)
			run.node(ctx, n)
			return nil
		})
	}
	_ = g.Wait() // failures are kept in the nodes: none of them ends its siblings
	return collect(ctx, nodes)
}

// node is one request in the graph.
type node struct {
	Request
	needs  []need
	done   chan struct{} // closed when the image is made, failed or was given up
	result Result
	err    error
	cause  string // the artifact whose failure kept this one from being tried
}

// need is one edge of the graph: an image that is being made, or one that was made before.
type need struct {
	alias, image string
	node         *node
	built        Result
}

// plan makes a graph of the requests, or says why they are none.
func plan(s Set, requests []Request) ([]*node, error) {
	byName := map[string]*node{}
	nodes := make([]*node, len(requests))
	for i, r := range requests {
		nodes[i] = &node{Request: r, done: make(chan struct{})}
		byName[r.Artifact.Image] = nodes[i]
	}
	for _, n := range nodes {
		for _, req := range n.Artifact.Requires {
			edge := need{alias: req.Alias, image: req.Image, node: byName[req.Image]}
			if edge.alias == "" {
				edge.alias = req.Image
			}
			if edge.node == nil {
				built, ok := s.Built[req.Image]
				if !ok {
					return nil, diag.Errorf("add it to the images to build", "image %q requires %q, which is not built", n.Artifact.Image, req.Image)
				}
				edge.built = built
			}
			n.needs = append(n.needs, edge)
		}
	}
	return nodes, checkCycles(nodes)
}

// checkCycles keeps a graph that would wait for itself for ever from being started.
func checkCycles(nodes []*node) error {
	const inside, checked = 1, 2
	state := map[*node]int{}
	var visit func(n *node) error
	visit = func(n *node) error {
		switch state[n] {
		case checked:
			return nil
		case inside:
			return diag.Errorf("remove one of the requires", "image %q requires itself", n.Artifact.Image)
		}
		state[n] = inside
		for _, edge := range n.needs {
			if edge.node == nil {
				continue
			}
			if err := visit(edge.node); err != nil {
				return err
			}
		}
		state[n] = checked
		return nil
	}
	for _, n := range nodes {
		if err := visit(n); err != nil {
			return err
		}
	}
	return nil
}

// runner makes the nodes of one graph.
type runner struct {
	set   Set
	sink  event.Sink
	slots chan struct{} // nil: no limit
}

func (r *runner) node(ctx context.Context, n *node) {
	n.Needs = map[string]Result{}
	for _, edge := range n.needs {
		if edge.node == nil {
			n.Needs[edge.alias] = edge.built
			continue
		}
		<-edge.node.done // it ends with ctx, so this does
		if edge.node.err != nil {
			n.err, n.cause = errNotTried, edge.image
			return
		}
		n.Needs[edge.alias] = edge.node.result
	}
	start := time.Now()
	n.result, n.err = r.make(ctx, n.Request)
	n.result.Image, n.result.Took = n.Artifact.Image, time.Since(start)
	if ctx.Err() != nil && n.err != nil {
		n.err = ctx.Err()
	}
	r.sink.Send(event.BuildEnded{
		Image: n.result.Image, Ref: n.result.Ref, Digest: n.result.Digest, Cached: n.result.Cached,
		Pushed: n.result.Pushed, How: n.result.How, Took: n.result.Took, Err: n.err,
	})
}

var errNotTried = errors.New("not tried")

// make finds the image or builds it. Looking it up takes no slot of the limit.
func (r *runner) make(ctx context.Context, req Request) (Result, error) {
	b, err := r.set.Builders(req.Artifact)
	if err != nil {
		return Result{}, err
	}
	key := ""
	if r.set.Cache != nil {
		// What keeps the inputs from being known keeps the image from being built as well, and that is better told by the builder.
		if key, err = r.set.Cache.Key(ctx, b, req); err == nil {
			if found, ok := r.set.Cache.Find(ctx, req, key); ok {
				return found, nil
			}
		}
	}
	if err := r.acquire(ctx); err != nil {
		return Result{}, err
	}
	defer r.release()
	r.sink.Send(event.BuildStarted{Image: req.Artifact.Image, Builder: b.Name(), Cause: req.Cause})
	res, err := b.Build(ctx, req, r.output(req.Artifact))
	if err != nil || key == "" {
		return res, err
	}
	r.remember(ctx, b, req, key, res)
	return res, nil
}

// remember puts a result in the cache, unless its inputs changed while it was built: nobody knows then which state it holds.
func (r *runner) remember(ctx context.Context, b Builder, req Request, key string, res Result) {
	if again, err := r.set.Cache.Key(ctx, b, req); err != nil || again != key {
		return
	}
	if err := r.set.Cache.Save(key, res); err != nil {
		r.sink.Send(event.Note{Text: fmt.Sprintf("the next build of %s may not be found again: %v", req.Artifact.Image, err)})
	}
}

func (r *runner) output(a *config.Artifact) func(string) {
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		r.sink.Send(event.BuildOutput{Image: a.Image, Line: line})
	}
}

func (r *runner) acquire(ctx context.Context) error {
	if r.slots == nil {
		return ctx.Err()
	}
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *runner) release() {
	if r.slots != nil {
		<-r.slots
	}
}

// collect is what exists, and one error that names what failed and what was not tried.
func collect(ctx context.Context, nodes []*node) ([]Result, error) {
	var results []Result
	var failed, untried []error
	for _, n := range nodes {
		switch {
		case n.err == nil:
			results = append(results, n.result)
		case n.cause != "":
			untried = append(untried, diag.Errorf("", "image %q was not tried: it requires %q", n.Artifact.Image, n.cause))
		default:
			failed = append(failed, n.err)
		}
	}
	if ctx.Err() != nil && len(failed) > 0 {
		return results, ctx.Err()
	}
	return results, diag.WithCode(diag.CodeBuild, errors.Join(append(failed, untried...)...))
}
