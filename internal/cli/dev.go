package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/dev"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
	"github.com/skiff-dev/skiff/internal/watch"
)

func newDev(w World) *cobra.Command {
	return sessionCommand(w, "dev", "Build, deploy, and make every change run until Ctrl-C",
		`Builds the images, deploys them, forwards ports, shows logs, and then waits for changes: a file with a sync rule is copied into
the running containers, any other source is rebuilt, a manifest is deployed again, and a changed project file is reloaded.
A failure is explained and does not end the session; the next change that mends it is taken. Ctrl-C deletes what the session
created (--cleanup=false leaves it); a second Ctrl-C ends at once.`, progressToOut, runDev)
}

func runDev(ctx context.Context, s *session) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer s.close()
	watcher, err := watch.New(watch.Options{
		Trigger: s.trigger, Interval: time.Duration(s.pollInterval) * time.Millisecond,
		Note: func(text string) { s.bus.Send(event.Note{Text: text, Warn: true}) },
	})
	if err != nil {
		return err
	}
	o := dev.Options{
		Manual: s.trigger == "manual", Cleanup: s.cleanup,
		Auto: dev.Auto{Build: s.autoBuild, Sync: s.autoSync, Deploy: s.autoDeploy},
	}
	if o.Manual || o.Auto != (dev.Auto{Build: true, Sync: true, Deploy: true}) {
		if s.keys = enter(s.In); s.keys != nil {
			defer s.keys.stop()
			o.Enter = s.keys.lines
		}
	}
	first := s.project
	return dev.Run(ctx, o, dev.Session{
		Load: func(ctx context.Context) (*dev.Project, error) {
			if first != nil {
				project := first
				first = nil
				return s.devProject(ctx, project)
			}
			project, err := s.load(ctx)
			if err != nil {
				return nil, err
			}
			return s.devProject(ctx, project)
		},
		Pods: s.pods(), Watcher: watcher, Syncer: s.syncer(), Faces: s.faces(), Sink: s.bus,
	})
}

// pods tells of what runs.
func (s *session) pods() dev.Pods {
	if s.local != nil {
		return s.local
	}
	if s.docker != nil {
		return s.docker
	}
	return s.cluster
}

// syncer puts files to where they run.
func (s *session) syncer() dev.Syncer {
	if s.local != nil {
		return hostSync{target: s.local, project: func() *config.Project { return s.project }, sink: s.bus}
	}
	if s.docker != nil {
		return engineSync{s.docker, s.bus}
	}
	syncer := filesync.New(s.cluster, s.bus)
	if err := syncer.Remember(s.cachePath("synced/" + projectKey(s.project) + ".jsonl")); err != nil {
		s.bus.Send(event.Note{Text: err.Error(), Warn: true})
	}
	s.hookedSync = &hookedSync{Syncer: syncer, session: s, project: s.project, refs: map[string]string{}}
	return s.hookedSync
}
