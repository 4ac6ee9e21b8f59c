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
	"github.com/skiff-dev/skiff/internal/tree"
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
	ctx = tree.WithLook(ctx)
	nodes, err := plan(s, requests)
	if err != nil {
		return nil, diag.WithCode(diag.CodeBuild, err)
	}
	run := &runner{set: s, sink: sink}
	if s.Limit > 0 {
		run.slots = &slots{free: s.Limit}
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
	slots *slots // nil: no limit
	noted sync.Once
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
		if edge.node.result.Cached == "" {
			// It took a while: what was seen when all began may be out of date.
			ctx = tree.WithLook(tree.WithoutLook(ctx))
		}
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
	found, known, ok := r.look(ctx, b, &req)
	if ok || ctx.Err() != nil {
		return found, ctx.Err()
	}
	if err := r.slots.acquire(ctx, r.lasted(req)); err != nil {
		return Result{}, err
	}
	defer r.slots.release()
	start := time.Now()
	r.sink.Send(event.BuildStarted{Image: req.Artifact.Image, Builder: b.Name(), Cause: req.Cause})
	res, err := b.Build(ctx, req, r.output(req.Artifact))
	res.Took = time.Since(start)
	if known != nil && ctx.Err() == nil {
		r.remember(ctx, b, req, known, res, err)
	}
	return res, err
}

// lasted is how long the artifact's build took last, as far as anybody knows.
func (r *runner) lasted(req Request) time.Duration {
	if r.set.Cache == nil {
		return 0
	}
	last, _ := r.set.Cache.history.last(req.Artifact.Image)
	return last.Took
}

// stock is what is known of a request's inputs when its build begins.
type stock struct {
	inv *Inventory
	key string
}

// look asks the cache. What keeps the inputs from being known keeps the image from being built as well, and that is better told by
// the builder: there is no stock then.
func (r *runner) look(ctx context.Context, b Builder, req *Request) (Result, *stock, bool) {
	c := r.set.Cache
	if c == nil {
		return Result{}, nil, false
	}
	inv, err := c.Inventory(ctx, b, *req)
	if err != nil {
		return Result{}, nil, false
	}
	key, err := inv.Key()
	if err != nil {
		return Result{}, nil, false
	}
	res, missed := c.find(ctx, *req, key)
	if missed == nil {
		r.note(c.history.save(Record{Image: req.Artifact.Image, Key: key, Ref: res.Ref, Outcome: "found", Where: res.Cached, WorkDir: res.WorkDir, Took: r.lasted(*req), Time: time.Now().UTC()}, inv))
		return res, nil, true
	}
	if req.Cause == "" {
		req.Cause = c.cause(*req, inv, missed)
	}
	return Result{}, &stock{inv, key}, false
}

// remember puts a result in the cache, unless its inputs changed while it was built: nobody knows then which state it holds.
func (r *runner) remember(ctx context.Context, b Builder, req Request, known *stock, res Result, failed error) {
	c := r.set.Cache
	rec := Record{Image: req.Artifact.Image, Key: known.key, Ref: res.Ref, Outcome: "built", Cause: req.Cause, How: res.How, WorkDir: res.WorkDir, Took: res.Took, Time: time.Now().UTC()}
	if failed != nil {
		rec.Outcome, rec.Ref = "failed", ""
	}
	r.note(c.history.save(rec, known.inv))
	if failed != nil {
		return
	}
	if again, err := c.Key(tree.WithoutLook(ctx), b, req); err != nil || again != known.key {
		return
	}
	if err := c.Save(known.key, res); err != nil {
		r.sink.Send(event.Note{Text: fmt.Sprintf("the next build of %s may not be found again: %v", req.Artifact.Image, err)})
	}
}

// note tells, once, that what is only good for explanations cannot be written down.
func (r *runner) note(err error) {
	if err != nil {
		r.noted.Do(func() { r.sink.Send(event.Note{Text: fmt.Sprintf("why images are built will not be known: %v", err)}) })
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
	all := append(failed, untried...)
	for i, err := range all {
		all[i] = diag.WithCode(diag.CodeBuild, err) // each by itself, so that each is told with its own place and hint
	}
	return results, errors.Join(all...)
}
