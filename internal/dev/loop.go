package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/watch"
)

// Options is what the user chose for the session.
type Options struct {
	Manual  bool // --trigger=manual
	Auto    Auto
	Cleanup bool            // delete what the session created when it ends
	Enter   <-chan struct{} // the user's word; may be nil
}

// Session is what lives as long as the session, whatever happens to the project file.
type Session struct {
	Load    func(ctx context.Context) (*Project, error) // reads the project file anew
	Pods    Pods
	Watcher Watcher
	Syncer  Syncer
	Faces   []Face // forwards and logs
	Sink    event.Sink
}

// Pods tells of the pods in some namespaces, until ctx ends; *kube.Cluster does.
type Pods interface {
	WatchPods(ctx context.Context, namespaces []string, fn func(kube.PodEvent)) error
}

// Watcher hands out batches of changed paths; *watch.Watcher does.
type Watcher interface {
	Set(roots []watch.Root, files []string) error
	Run(ctx context.Context, out chan<- watch.Batch) error
}

// Syncer puts files into containers; *filesync.Syncer does.
type Syncer interface {
	Mark() filesync.Seq
	Built(artifact, ref string, mark filesync.Seq)
	Select(filesync.Selection)
	Pod(kube.PodEvent)
	Push(ctx context.Context, artifact string, ops []filesync.Op, since time.Time) error
	Run(ctx context.Context) error
}

// Face is something that follows the pods of the session for the user: the forwards, the logs.
type Face interface {
	Deployed(objects []*kube.Object, selection *kube.Selection) // or about to be
	Pod(kube.PodEvent)
	Run(ctx context.Context) error
}

// cleanupTime is how long the end of a session may take.
const cleanupTime = 4 * time.Second

// Run builds and deploys the project, and then makes every change run, until ctx ends. It ends with an error only if the session
// cannot begin: afterwards a failure is told, and the session lives on. What the session created is deleted at its end.
func Run(ctx context.Context, o Options, s Session) error {
	project, err := s.Load(ctx)
	if err != nil {
		return err
	}
	l := &loop{Options: o, Session: s, inputs: make(chan Input, 64), listed: make(chan listing), queued: map[string]*queue{}, exits: map[containerKey]exit{}}
	g, gctx := errgroup.WithContext(ctx)
	l.group = g
	l.use(gctx, project, "the session begins")
	batches := make(chan watch.Batch)
	g.Go(func() error { return s.Watcher.Run(gctx, batches) })
	g.Go(func() error { return s.Syncer.Run(gctx) })
	for _, f := range s.Faces {
		g.Go(func() error { return f.Run(gctx) })
	}
	g.Go(func() error { return l.run(gctx, batches) })
	err = g.Wait()
	if ctx.Err() != nil {
		err = nil // it was the user who ended it
	}
	return errors.Join(err, l.cleanup(ctx))
}

// loop is the one owner of the State.
type loop struct {
	Options
	Session
	group   *errgroup.Group
	inputs  chan Input
	listed  chan listing
	project *Project
	next    *Project // loaded, and taken when the running pass has ended
	cause   string   // of next
	state   State
	pass    *pipeline.Pass // nil: none runs
	queued  map[string]*queue
	pods    podWatch
	exits   map[containerKey]exit // the pod watch's own
}

// listing is the files of a project that exist.
type listing struct {
	project *Project
	files   []string
}

// queue keeps the copies of one artifact in order: one is on its way, the rest waits.
type queue struct {
	ops   []filesync.Op
	since time.Time
}

func (l *loop) run(ctx context.Context, batches <-chan watch.Batch) error {
	l.decide(ctx, Start{Cause: l.cause})
	for {
		select {
		case <-ctx.Done():
			return nil
		case in := <-l.inputs:
			l.decide(ctx, in)
		case batch := <-batches:
			l.decide(ctx, l.look(batch))
		case found := <-l.listed:
			for _, f := range found.files {
				found.project.files[f] = true
			}
		case <-l.Enter:
			l.decide(ctx, Trigger{})
		}
	}
}

// decide is one turn: what the input means, and doing it.
func (l *loop) decide(ctx context.Context, in Input) {
	if done, ok := in.(SyncDone); ok {
		l.syncEnded(ctx, done)
	}
	if _, ok := in.(PassDone); ok {
		l.pass = nil
		if l.next != nil {
			l.use(ctx, l.next, l.cause)
			l.next = nil
			in = Start{Cause: l.cause}
		}
	}
	var actions []Action
	l.state, actions = Decide(l.state, in)
	for _, a := range actions {
		l.act(ctx, a)
	}
	if _, ok := in.(PassDone); ok && l.pass == nil {
		l.watch() // a build may read other files than the one before
	}
}

func (l *loop) act(ctx context.Context, a Action) {
	switch a := a.(type) {
	case Tell:
		l.Sink.Send(a.Event)
	case Sync:
		l.sync(ctx, a)
	case RunPass:
		l.runPass(ctx, a)
	case StopBuild:
		if l.pass != nil {
			l.pass.StopBuild(a.Artifact)
		}
	case StopWait:
		if l.pass != nil {
			l.pass.StopWait()
		}
	case Reload:
		l.reload(ctx, a.Cause)
	}
}

// send hands an input to the loop, unless the session ends.
func (l *loop) send(ctx context.Context, in Input) {
	select {
	case l.inputs <- in:
	case <-ctx.Done():
	}
}

// look sees what became of the changed paths. A folder itself is nothing; one that is gone stands for the files it held.
func (l *loop) look(batch watch.Batch) Changed {
	changed := Changed{First: batch.First, Rescan: batch.Rescan}
	for _, path := range batch.Paths {
		info, err := os.Lstat(path)
		switch {
		case err == nil && info.IsDir():
		case err == nil:
			l.project.files[path] = true
			changed.Changes = append(changed.Changes, filesync.Change{Path: path})
		case errors.Is(err, fs.ErrNotExist):
			changed.Changes = append(changed.Changes, l.project.gone(path)...)
		}
	}
	return changed
}

// sync copies at once, or after the copy that is on its way to the same containers.
func (l *loop) sync(ctx context.Context, a Sync) {
	if q := l.queued[a.Artifact]; q != nil {
		if len(q.ops) == 0 {
			q.since = a.Since
		}
		q.ops = append(q.ops, a.Ops...)
		return
	}
	l.queued[a.Artifact] = &queue{}
	l.push(ctx, a)
}

func (l *loop) push(ctx context.Context, a Sync) {
	l.group.Go(func() error {
		since := a.Since
		if since.IsZero() {
			since = time.Now()
		}
		err := l.Syncer.Push(ctx, a.Artifact, a.Ops, since)
		var paths []string
		for _, op := range a.Ops {
			paths = append(paths, op.Local)
		}
		done := SyncDone{Artifact: a.Artifact, Paths: paths, Err: err}
		if errors.Is(err, filesync.ErrNobody) {
			done.Err, done.Nobody = nil, true
		}
		l.send(ctx, done)
		return nil
	})
}

// syncEnded sends what was saved in the meantime. A later operation on a path replaces an earlier one.
func (l *loop) syncEnded(ctx context.Context, done SyncDone) {
	q := l.queued[done.Artifact]
	if q == nil || len(q.ops) == 0 {
		delete(l.queued, done.Artifact)
		return
	}
	latest := map[string]filesync.Op{}
	var order []string
	for _, op := range q.ops {
		if _, seen := latest[op.Remote]; !seen {
			order = append(order, op.Remote)
		}
		latest[op.Remote] = op
	}
	ops := make([]filesync.Op, len(order))
	for i, remote := range order {
		ops[i] = latest[remote]
	}
	l.queued[done.Artifact] = &queue{}
	l.push(ctx, Sync{Artifact: done.Artifact, Ops: ops, Since: q.since})
}

// runPass starts the pipeline beside the loop. Its result comes back as an input.
func (l *loop) runPass(ctx context.Context, a RunPass) {
	project := l.project
	request := pipeline.Request{Rendered: func(o []*kube.Object, s *kube.Selection) { l.rendered(ctx, o, s) }, Began: l.began}
	for _, artifact := range project.Artifacts {
		if slices.Contains(a.Build, artifact.Image) {
			request.Build = append(request.Build, artifact)
		}
	}
	pass := project.Line.Start(request)
	l.pass = pass
	l.group.Go(func() error {
		result, err := pass.Run(ctx)
		done := PassDone{Deployed: result.Deployed, Err: err}
		for _, built := range result.Built {
			done.Built = append(done.Built, built.Image)
			l.send(ctx, project.known(ctx, built))
		}
		l.send(ctx, done)
		return nil
	})
}

// began notes the moment at which the builds of a pass start to read files: what is copied from then on is not in their images.
func (l *loop) began() func(pipeline.Built) {
	mark := l.Syncer.Mark()
	return func(b pipeline.Built) { l.Syncer.Built(b.Image, b.Ref, mark) }
}

// reload takes the changed project file, or says what is wrong with it and goes on with the old one.
func (l *loop) reload(ctx context.Context, cause string) {
	project, err := l.Load(ctx)
	if err != nil {
		l.Sink.Send(event.Failed{Err: fmt.Errorf("%w", err)})
		l.Sink.Send(event.Note{Text: "The session goes on with the project as it was.", Warn: true})
		l.Sink.Send(event.Watching{})
		return
	}
	l.next, l.cause = project, cause
	if l.pass != nil {
		l.pass.Stop()
		return
	}
	l.use(ctx, project, cause)
	l.next = nil
	l.decide(ctx, Start{Cause: cause})
}

// use makes a project the one that runs. What the one before it built the same way keeps running as it is.
func (l *loop) use(ctx context.Context, p *Project, cause string) {
	p.learn(ctx)
	state := p.state(l.Options)
	if l.project != nil {
		p.inherit(ctx, l.project, l.state, &state)
	}
	l.project, l.cause, l.state = p, cause, state
	l.watch()
	l.group.Go(func() error {
		select {
		case l.listed <- listing{p, p.list(ctx)}:
		case <-ctx.Done():
		}
		return nil
	})
}

// watch tells the watcher what counts now.
func (l *loop) watch() {
	roots, files := l.project.watched(l.state.Artifacts)
	if err := l.Watcher.Set(roots, files); err != nil {
		l.Sink.Send(event.Failed{Err: fmt.Errorf("watch the project: %w", err)})
	}
}

// cleanup deletes what the session created, also when it was interrupted.
func (l *loop) cleanup(ctx context.Context) error {
	if !l.Cleanup {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	return l.project.Line.Cleanup(ctx)
}
