// Package pipeline is one pass in one straight line: artifacts go in; they are tagged, built, rendered, deployed and waited for.
package pipeline

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/status"
	"github.com/skiff-dev/skiff/internal/tree"
)

// Inputs is what an image is made from.
type Inputs = image.Inputs

// Root is a folder in which inputs may lie.
type Root = image.Root

// Built is an image that exists.
type Built = image.Result

// Watch says which paths the manifests are made from.
type Watch = render.Watch

// Place is where the project runs: a cluster, or this machine.
type Place interface {
	// Namespace is where an object goes that names none.
	Namespace() string
	// Apply makes what runs equal to the objects, and returns those that changed.
	Apply(ctx context.Context, objects []*kube.Object) ([]*kube.Object, error)
	// Wait returns when the objects run, or says why they do not.
	Wait(ctx context.Context, objects []*kube.Object) error
	// Delete takes the objects away.
	Delete(ctx context.Context, objects []*kube.Object, dryRun bool) ([]kube.ID, error)
	// Cleanup takes away what this session created, and nothing else.
	Cleanup(ctx context.Context) error
}

// Cluster is a Kubernetes cluster as a Place.
type Cluster struct {
	*deploy.Deployer
	Kube   *kube.Cluster
	Status status.Options
	Sink   event.Sink
}

// Namespace is that of the session.
func (c Cluster) Namespace() string { return c.Kube.Namespace }

// Wait watches the objects until they run.
func (c Cluster) Wait(ctx context.Context, objects []*kube.Object) error {
	return status.Wait(ctx, c.Kube, objects, c.Status, c.Sink)
}

// Line is the stages of one project, wired. Its methods are called by one pass at a time.
type Line struct {
	Project *config.Project
	// Names are registry/name:tag of images that are to be made, in the order of the artifacts.
	Names  func(ctx context.Context, artifacts []*config.Artifact) ([]string, error)
	Images image.Set
	Push   bool
	// Platforms says for which platforms an artifact is built: "linux/arm64", or several with commas between; nil: as builders like.
	Platforms func(a *config.Artifact) (string, error)
	Render    render.Options
	Place     Place
	// Load brings images that were not pushed to where the cluster finds them; nil: it finds them by itself.
	Load      func(ctx context.Context, refs []string) error
	Check     bool // wait until everything runs
	Around    Around
	Iterative bool // also between ranks: the objects of one run before the next is sent
	// Before is called with the objects before any is sent; its error keeps them from being sent. May be nil.
	Before func(ctx context.Context, objects []*kube.Object) error
	Sink   event.Sink

	built   map[string]Built         // by artifact: what was made or found so far
	loaded  map[string]bool          // references that the cluster has because of Load
	warned  map[string]bool          // remarks that were made
	unready map[kube.ID]*kube.Object // deployed, and not known to run

	untested map[string]Built // built, and not known to pass its tests
	deployed []*kube.Object   // deployed, and the hooks that follow have not run; nil: they have
}

// Inputs is what an artifact is made from now.
func (l *Line) Inputs(ctx context.Context, a *config.Artifact) (Inputs, error) {
	b, err := l.Images.Builders(a)
	if err != nil {
		return nil, err
	}
	return b.Inputs(ctx, a)
}

// Destinations says where the steps of an artifact's build put a file, by its path relative to the context; nil when its builder
// cannot tell.
func (l *Line) Destinations(a *config.Artifact, workDir string) (func(rel string) []string, error) {
	b, err := l.Images.Builders(a)
	if err != nil {
		return nil, err
	}
	if knows, ok := image.As[interface {
		Destinations(*config.Artifact, string) (func(rel string) []string, error)
	}](b); ok {
		return knows.Destinations(a, workDir)
	}
	return nil, nil
}

// Watch says which paths the manifests are made from.
func (l *Line) Watch() Watch { return render.WatchAll(l.Render.Sources) }

// Known takes images that exist already, by artifact, instead of building them.
func (l *Line) Known(images map[string]Built) {
	if l.built == nil {
		l.built = map[string]Built{}
	}
	maps.Copy(l.built, images)
}

// Result is the image of an artifact, once it is known.
func (l *Line) Result(artifact string) (Built, bool) {
	built, ok := l.built[artifact]
	return built, ok
}

// stage frames one stage of the line with its events.
func (l *Line) stage(stage event.Stage, cause string, work func() error) error {
	start := time.Now()
	l.Sink.Send(event.StageStarted{Stage: stage, Cause: cause})
	err := work()
	l.Sink.Send(event.StageEnded{Stage: stage, Took: time.Since(start), Err: err})
	return err
}

// Tag names the images that are to be made.
func (l *Line) Tag(ctx context.Context, artifacts []*config.Artifact) (requests []image.Request, err error) {
	if len(artifacts) == 0 {
		return nil, nil
	}
	err = l.stage(event.Tag, "", func() error {
		refs, err := l.Names(ctx, artifacts)
		if err != nil {
			return diag.WithCode(diag.CodeBuild, err)
		}
		for i, a := range artifacts {
			r := image.Request{Artifact: a, Ref: refs[i], Push: l.Push || inCluster(a)}
			if l.Platforms != nil {
				if r.Platform, err = l.Platforms(a); err != nil {
					return diag.WithCode(diag.CodeBuild, err)
				}
			}
			requests = append(requests, r)
			l.Sink.Send(event.Tagged{Image: a.Image, Ref: refs[i]})
		}
		return nil
	})
	return requests, err
}

// inCluster is whether an image is built in the cluster, from where it can only be pushed.
func inCluster(a *config.Artifact) bool {
	return a.Config != nil && a.Config.Build.Cluster != nil
}

// Build tags and makes the images. What could be made is in the results, and is known from now on, even when others failed.
func (l *Line) Build(ctx context.Context, artifacts []*config.Artifact, wrap func(image.Builder) image.Builder) ([]Built, error) {
	ctx = tree.WithLook(ctx) // tags and keys are of one state of the disk
	requests, err := l.Tag(ctx, artifacts)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return nil, l.test(ctx, nil)
	}
	set := l.Images
	set.Built = l.built
	hooked := l.Around.Build.Around()
	set.Builders = func(a *config.Artifact) (image.Builder, error) {
		b, err := l.Images.Builders(a)
		if err != nil {
			return nil, err
		}
		b = hooked.Wrap(b)
		if wrap == nil {
			return b, nil
		}
		return wrap(b), nil
	}
	var results []Built
	err = l.stage(event.Build, "", func() error {
		if results, err = image.Build(ctx, set, requests, l.Sink); err == nil {
			err = diag.WithCode(diag.CodeBuild, hooked.End(ctx))
		}
		return err
	})
	for i, r := range results {
		if before, ok := l.built[r.Image]; ok && r.Digest != "" && before.Digest == r.Digest && kube.Repository(before.Ref) == kube.Repository(r.Ref) {
			// The same image under another tag is no reason to restart a pod.
			results[i].Ref = before.Ref
		}
		l.Known(map[string]Built{r.Image: results[i]})
	}
	if err == nil {
		err = l.test(ctx, results)
	}
	return results, err
}

// Objects renders the manifests with the images that are known.
func (l *Line) Objects(ctx context.Context) (render.Manifests, error) {
	o := l.Render
	o.Images = map[string]string{}
	for name, built := range l.built {
		o.Images[name] = built.Ref
	}
	var manifests render.Manifests
	err := l.stage(event.Render, "", func() (err error) {
		if err = hook(ctx, l.Around.BeforeRender); err != nil {
			return diag.WithCode(diag.CodeDeploy, err)
		}
		manifests, err = render.Objects(ctx, l.Project, o)
		if err == nil && l.Around.AfterRender != nil {
			manifests.Objects, err = l.Around.AfterRender(ctx, manifests.Objects)
		}
		return diag.WithCode(diag.CodeDeploy, err)
	})
	for _, text := range manifests.Warnings {
		if !l.warned[text] {
			l.Sink.Send(event.Note{Text: text, Warn: true})
		}
		if l.warned == nil {
			l.warned = map[string]bool{}
		}
		l.warned[text] = true
	}
	return manifests, err
}

// Selection says which pods belong to the objects, and which artifact runs in them.
func (l *Line) Selection(objects []*kube.Object) *kube.Selection {
	artifacts := map[string]string{}
	for name, built := range l.built {
		artifacts[built.Ref] = name
	}
	return kube.NewSelection(objects, artifacts)
}

// Deploy makes the cluster hold the objects. Wait then waits for those that changed.
func (l *Line) Deploy(ctx context.Context, objects []*kube.Object) error {
	return l.deploy(ctx, ctx, objects)
}

// ranked is a Place that can be told to wait between ranks.
type ranked interface {
	ApplyRanks(ctx context.Context, objects []*kube.Object, between func(context.Context, []*kube.Object) error) ([]*kube.Object, error)
}

// deploy is Deploy; the end of waiting ends it where it waits between ranks.
func (l *Line) deploy(ctx, waiting context.Context, objects []*kube.Object) error {
	return l.stage(event.Deploy, "", func() error {
		if l.Before != nil {
			if err := l.Before(ctx, objects); err != nil {
				return err
			}
		}
		if err := hook(ctx, l.Around.BeforeDeploy); err != nil {
			return diag.WithCode(diag.CodeDeploy, err)
		}
		if err := l.load(ctx); err != nil {
			return err
		}
		changed, running, err := l.apply(ctx, waiting, objects)
		l.keepUnready(objects, changed)
		for _, o := range running {
			delete(l.unready, l.id(o))
		}
		if err == nil {
			l.deployed = objects
		}
		return diag.WithCode(diag.CodeDeploy, err)
	})
}

// apply sends the objects; running is those that were waited for on the way.
func (l *Line) apply(ctx, waiting context.Context, objects []*kube.Object) (changed, running []*kube.Object, err error) {
	place, ok := l.Place.(ranked)
	if !ok || !l.Check || !l.Iterative {
		changed, err = l.Place.Apply(ctx, objects)
		return changed, nil, err
	}
	changed, err = place.ApplyRanks(ctx, objects, func(_ context.Context, sent []*kube.Object) error {
		if err := l.Place.Wait(waiting, sent); err != nil {
			return diag.WithCode(diag.CodeReady, err)
		}
		running = append(running, sent...)
		return nil
	})
	return changed, running, err
}

// keepUnready adds what changed to what does not run yet, and drops what is no longer deployed.
func (l *Line) keepUnready(objects, changed []*kube.Object) {
	unready := map[kube.ID]*kube.Object{}
	for _, o := range objects {
		if known := l.unready[l.id(o)]; known != nil {
			unready[l.id(o)] = known
		}
	}
	for _, o := range changed {
		unready[l.id(o)] = o
	}
	l.unready = unready
}

// id is an object's name, the same for what was rendered without a namespace and what the server returned.
func (l *Line) id(o *kube.Object) kube.ID {
	id := o.ID()
	if id.Namespace == "" {
		id.Namespace = l.Place.Namespace()
	}
	return id
}

// Wait returns when all that was changed by this pass, or by one whose wait was cut short, runs, and the hooks after the deploy have
// run; or it says why not.
func (l *Line) Wait(ctx context.Context) error {
	if err := l.wait(ctx); err != nil {
		return err
	}
	return l.afterDeploy(ctx)
}

func (l *Line) wait(ctx context.Context) error {
	if !l.Check || len(l.unready) == 0 {
		return nil
	}
	objects := slices.SortedFunc(maps.Values(l.unready), func(a, b *kube.Object) int {
		return strings.Compare(a.ID().String(), b.ID().String())
	})
	err := l.stage(event.Status, "", func() error {
		return diag.WithCode(diag.CodeReady, l.Place.Wait(ctx, objects))
	})
	if err == nil {
		l.unready = nil
	}
	return err
}

// Cleanup deletes what the session created, and nothing else.
func (l *Line) Cleanup(ctx context.Context) error {
	return l.stage(event.Cleanup, "", func() error { return l.Place.Cleanup(ctx) })
}
