package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/dev"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
)

func newRun(w World) *cobra.Command {
	return sessionCommand(w, "run", "Build and deploy once",
		"Builds the images, deploys them, waits until everything runs, and ends. With --tail or --port-forward it stays until Ctrl-C.", progressToOut,
		func(ctx context.Context, s *session) error {
			return s.deployOnce(ctx, func(ctx context.Context, l *pipeline.Line) error {
				_, err := l.Build(ctx, s.targets(s.project), nil)
				return err
			})
		})
}

func newDeploy(w World) *cobra.Command {
	return sessionCommand(w, "deploy", "Deploy images that exist already",
		"Deploys with the images that --build-artifacts or --images name, and waits until everything runs.", progressToOut,
		func(ctx context.Context, s *session) error {
			return s.deployOnce(ctx, s.given)
		})
}

// given makes known which images are deployed: the files and flags name them, or --tag does for those that they leave out.
func (s *session) given(ctx context.Context, l *pipeline.Line) error {
	if s.skipRender {
		return nil
	}
	if s.tag != "" {
		requests, err := l.Tag(ctx, s.project.Artifacts())
		if err != nil {
			return err
		}
		for _, r := range requests {
			l.Known(map[string]pipeline.Built{r.Artifact.Image: {Image: r.Artifact.Image, Ref: r.Ref}})
		}
		if s.buildArtifact == "" && len(s.images) == 0 {
			return nil
		}
	}
	images, err := s.givenImages(s.project)
	if err != nil {
		return err
	}
	l.Known(images)
	return nil
}

func newDelete(w World) *cobra.Command {
	return sessionCommand(w, "delete", "Delete what was deployed",
		"Deletes the objects of the project that skiff deployed, and no others.", progressToOut,
		func(ctx context.Context, s *session) error {
			if err := s.connect(ctx); err != nil {
				return err
			}
			defer s.close()
			l, err := s.line(ctx, s.project)
			if err != nil {
				return err
			}
			manifests, err := l.Objects(ctx)
			if err != nil {
				return err
			}
			if s.local != nil {
				s.bus.Send(event.Note{Text: "Processes end with the session that started them; there is nothing to delete."})
				return nil
			}
			gone, err := l.Place.Delete(ctx, manifests.Objects, s.dryRun)
			if err == nil && len(gone) == 0 {
				s.bus.Send(event.Note{Text: "Nothing of this project is deployed here."})
			}
			for _, id := range gone {
				if s.dryRun {
					s.bus.Send(event.Applied{Object: id.String(), Namespace: id.Namespace, Action: "would be deleted"})
				}
			}
			return err
		})
}

// deployOnce is one pass without a loop: images come from prepare, and then everything is deployed and waited for.
func (s *session) deployOnce(ctx context.Context, prepare func(context.Context, *pipeline.Line) error) (err error) {
	if _, _, err := s.statusOptions(s.project); err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer s.close()
	l, err := s.line(ctx, s.project)
	if err != nil {
		return err
	}
	if err := prepare(ctx, l); err != nil {
		return err
	}
	if s.cleanupRun && s.local == nil {
		defer func() { err = errors.Join(err, s.undo(ctx, l)) }()
	}
	manifests, err := l.Objects(ctx)
	if err != nil {
		return err
	}
	if s.local != nil {
		return s.stayHere(ctx, l, manifests.Objects)
	}
	if s.docker != nil {
		return s.followEngine(ctx, l, manifests.Objects)
	}
	faces := s.faces()
	if len(faces) == 0 {
		if err := l.Deploy(ctx, manifests.Objects); err != nil {
			return err
		}
		return l.Wait(ctx)
	}
	return s.follow(ctx, l, manifests.Objects, faces)
}

// undoTime is how long the deletion of what a run created may take; it does not wait for its end.
const undoTime = 10 * time.Second

// undo deletes what this run created, also when it was interrupted.
func (s *session) undo(ctx context.Context, l *pipeline.Line) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	return l.Cleanup(ctx)
}

// follow deploys while logs and forwards follow the pods, until the user ends it.
func (s *session) follow(ctx context.Context, l *pipeline.Line, objects []*kube.Object, faces []dev.Face) error {
	g, gctx := errgroup.WithContext(ctx)
	selection := l.Selection(objects)
	for _, f := range faces {
		f.Deployed(objects, selection)
		g.Go(func() error { return f.Run(gctx) })
	}
	g.Go(func() error {
		return s.cluster.WatchPods(gctx, selection.Namespaces(), func(e kube.PodEvent) {
			for _, f := range faces {
				f.Pod(e)
			}
		})
	})
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

// devProject wires a loaded project for the loop.
func (s *session) devProject(ctx context.Context, project *config.Project) (*dev.Project, error) {
	l, err := s.line(ctx, project)
	if err != nil {
		return nil, err
	}
	s.project = project
	if s.hookedSync != nil {
		s.hookedSync.use(project)
	}
	s.wantForwards(project)
	targets := s.targets(project)
	if len(targets) == 0 && len(s.targetImages) > 0 {
		return nil, usage("name a part of an image's name", errors.New("--watch-image matches no image of the project"))
	}
	files := project.Files
	if s.local != nil {
		files = append(slices.Clone(files), settingsFile(project))
	}
	return &dev.Project{Line: l, Dir: project.Dir, Files: files, Artifacts: targets, Own: s.ownBuilds(ctx, targets)}, nil
}
