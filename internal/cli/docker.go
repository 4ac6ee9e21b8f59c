package cli

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	dockerdeploy "github.com/skiff-dev/skiff/internal/deploy/docker"
	"github.com/skiff-dev/skiff/internal/dev"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
)

// engineSettle is how long a container without a health check must live before run and deploy say that it runs.
const engineSettle = 1500 * time.Millisecond

// forEngine says whether a project deploys to the local Docker engine. One that does so and to a cluster as well is refused.
func forEngine(p *config.Project) (bool, error) {
	var docker, cluster *config.Config
	for _, c := range p.Configs {
		d := c.Deploy
		if d.Docker != nil {
			docker = c
		}
		if d.Helm != nil || d.Kpt != nil || d.CloudRun != nil || d.Kubectl != nil && len(c.Manifests.RawYaml)+len(c.Manifests.RemoteManifests) > 0 {
			cluster = c
		}
	}
	if docker != nil && cluster != nil {
		return false, docker.Fault("one session cannot deploy to the Docker engine and to a cluster", "run the modules one by one with --module, or keep one deployer", "deploy", "docker")
	}
	return docker != nil, nil
}

// onEngine makes the Docker engine the place.
func (s *session) onEngine(ctx context.Context) error {
	if err := s.readSettings(""); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	if _, err := s.engine.Ping(ctx); err != nil {
		return err
	}
	o := dockerdeploy.Options{
		Engine: func(context.Context) (*engine.Engine, error) { return s.engine, nil },
		Owner:  s.owner(s.project), Dir: s.Dir, Environ: s.Environ(), Sink: s.bus,
		Follow: s.tail || s.command == "dev" && !s.tailGiven, Settle: engineSettle,
		Image: func(artifact string) (string, bool) {
			built, ok := s.engineLine.Result(artifact)
			return built.Ref, ok
		},
	}
	if s.command == "dev" {
		o.Settle = 0 // one that dies later is told by the session
	}
	s.docker = dockerdeploy.New(o)
	s.bus.Send(event.Session{Command: s.command, Target: "docker", Why: "as deploy.docker says; the engine at " + s.engine.Host()})
	return nil
}

// runOnEngine makes the line's place the engine.
func (s *session) runOnEngine(ctx context.Context, p *config.Project, l *pipeline.Line) error {
	s.engineLine = l
	l.Place = s.docker
	return s.docker.Use(ctx, p)
}

// followEngine deploys, and shows what the containers write until the user ends it.
func (s *session) followEngine(ctx context.Context, l *pipeline.Line, objects []*kube.Object) error {
	g, gctx := errgroup.WithContext(ctx)
	if s.tail {
		g.Go(func() error { return s.docker.Run(gctx) })
	}
	g.Go(func() error {
		if err := l.Deploy(gctx, objects); err != nil {
			return err
		}
		return l.Wait(gctx)
	})
	err := g.Wait()
	if ctx.Err() != nil {
		return nil // the user has seen enough
	}
	return err
}

// engineSync is the Syncer of containers on the engine.
type engineSync struct {
	target *dockerdeploy.Target
	sink   event.Sink
}

var _ dev.Syncer = engineSync{}

// Mark is this moment in the order of pushes.
func (e engineSync) Mark() filesync.Seq { return filesync.Seq(e.target.Mark()) }

// Built forgets what a new image holds.
func (e engineSync) Built(artifact, _ string, mark filesync.Seq) {
	e.target.Built(artifact, uint64(mark))
}

// Select and Pod are of no use: the target knows its containers.
func (engineSync) Select(filesync.Selection) {}
func (engineSync) Pod(kube.PodEvent)         {}

// Run follows the containers.
func (e engineSync) Run(ctx context.Context) error { return e.target.Run(ctx) }

// Push copies files into the containers of an artifact.
func (e engineSync) Push(ctx context.Context, artifact string, ops []filesync.Op, since time.Time) error {
	done := event.Synced{Image: artifact}
	var changes []dockerdeploy.Change
	for _, op := range ops {
		changes = append(changes, dockerdeploy.Change{Local: op.Local, Remote: op.Remote, Delete: op.Delete})
		if op.Delete {
			done.Deleted = append(done.Deleted, op.Remote)
		} else {
			done.Copied = append(done.Copied, op.Remote)
		}
	}
	containers, err := e.target.Put(ctx, artifact, changes)
	if err != nil {
		return err
	}
	done.Took = time.Since(since)
	for _, c := range containers {
		done.Pod, done.Container = c.Service, c.Service
		e.sink.Send(done)
	}
	return nil
}
