package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/forward"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/term"
)

// session is one run of a command that works on a project.
type session struct {
	World
	*options
	command   string
	args      []string // of the command line
	tailGiven bool     // --tail was said, one way or the other
	bus       *event.Bus
	keys      *keyboard // nil: nobody listens
	confirmed bool      // the user has said yes to the plan
	start     time.Time
	rebased   bool   // relative paths of the project file start from its own folder
	notice    string // what is to be told once it is known where the project runs
	rooms
}

// sessionCommand makes a command whose work is a session. out says where its progress is written.
func sessionCommand(w World, use, short, long string, out func(World, *options) io.Writer, work func(context.Context, *session) error) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{Use: use, Short: short, Long: long}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cleanup := o.cleanupRun // the variable of the environment is for dev, where it is the default; for run it would delete
		pending, err := fromEnv(cmd, w)
		o.cleanupRun = cleanup
		if err != nil {
			return err
		}
		if err := o.check(cmd.Name()); err != nil {
			return err
		}
		s := &session{World: w, options: o, command: cmd.Name(), args: args, tailGiven: cmd.Flags().Changed("tail"), bus: &event.Bus{}, start: time.Now()}
		return s.run(cmd.Context(), out(w, o), pending, work)
	}
	addFlags(cmd, o)
	return faultsAs(w, cmd)
}

func progressToOut(w World, _ *options) io.Writer { return w.Out }
func progressToErr(w World, _ *options) io.Writer { return w.Err }

// run loads the project, shows what happens from then on, and does the work.
func (s *session) run(ctx context.Context, out io.Writer, pending []string, work func(context.Context, *session) error) error {
	load := s.load
	if s.command == "apply" {
		load = s.loadForApply
	}
	project, err := load(ctx)
	if err != nil {
		return err
	}
	s.project = project
	hide, err := s.show(out, project)
	if err != nil {
		return err
	}
	for _, text := range pending {
		s.bus.Send(event.Note{Text: text, Warn: true})
	}
	for _, note := range project.Notes {
		s.bus.Send(event.Note{Text: note.Error(), Warn: true})
	}
	err = work(ctx, s)
	s.bus.Send(event.Ended{Took: time.Since(s.start), Err: err})
	return errors.Join(err, hide())
}

// show writes the session's events as text, and to the event log where one is asked for. What it returns waits for the last.
func (s *session) show(out io.Writer, project *config.Project) (hide func() error, err error) {
	var faces sync.WaitGroup
	sub := s.bus.Subscribe()
	looks := s.looks(project)
	if s.Terminal && out == s.Out {
		looks.Width = s.Width
	}
	faces.Go(func() { term.Text(sub, out, looks) })
	var log *os.File
	if s.eventLog != "" {
		if log, err = os.OpenFile(s.path(s.eventLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			s.bus.Close()
			return nil, fmt.Errorf("open the event log: %w", err)
		}
		sub := s.bus.Subscribe()
		faces.Go(func() { term.JSON(sub, log) })
	}
	return func() error {
		s.bus.Close()
		faces.Wait()
		if log == nil {
			return nil
		}
		return log.Close()
	}, nil
}

// looks is how the text looks, by flags and by the project.
func (s *session) looks(project *config.Project) term.Options {
	o := term.Options{
		Color: s.Terminal && s.color != 0 && s.env("NO_COLOR") == "", Timestamps: s.timestamps, Mute: s.muteLogs, Dir: s.Dir,
		StageErrors: s.command == "dev", Quiet: s.quiet || s.command == "why",
	}
	if len(project.Configs) > 0 {
		logs := project.Configs[0].Deploy.Logs
		o.Prefix, o.JSONFields = logs.Prefix, logs.JSONParse.Fields
	}
	return o
}

// load reads the project file as the flags say.
func (s *session) load(ctx context.Context) (*config.Project, error) {
	return s.loadFrom(ctx, config.Options{
		File: s.filename, Dir: s.Dir, Stdin: s.In, Command: s.command, Profiles: s.profiles,
		ProfileAutoActivation: s.profileAutoActivation, NoPropagateProfiles: !s.propagateProfiles, Modules: s.modules,
		KubeContext: s.currentContext, KubeContextGiven: s.kubeContext != "", KubeNamespace: s.currentNamespace, Getenv: s.Getenv,
		Fetch: s.clones(s.options, s.command).fetch, Download: download,
	})
}

func (s *session) currentContext() string {
	if c, err := kube.Connect(s.kubeOptions("")); err == nil {
		return c.Context
	}
	return s.kubeContext
}

func (s *session) currentNamespace() string {
	if c, err := kube.Connect(s.kubeOptions("")); err == nil {
		return c.Namespace
	}
	return "default"
}

// targets is the artifacts that the command works on: all, or those whose name contains one of the words the user gave.
func (s *session) targets(p *config.Project) []*config.Artifact {
	artifacts := p.Artifacts()
	if len(s.targetImages) == 0 {
		return artifacts
	}
	return slices.DeleteFunc(artifacts, func(a *config.Artifact) bool {
		return !slices.ContainsFunc(s.targetImages, func(word string) bool { return strings.Contains(a.Image, word) })
	})
}

// cachePath is a file in the folder of things that may be forgotten.
func (s *session) cachePath(name string) string { return filepath.Join(s.State, name) }

// check refuses values that mean nothing.
func (o *options) check(command string) error {
	for _, choice := range []struct {
		flag, value string
		allowed     []string
	}{
		{"trigger", o.trigger, []string{"", "notify", "polling", "manual"}},
		{"sync-remote-cache", o.syncRemoteCache, []string{"", "always", "missing", "never"}},
		{"digest-source", o.digestSource, []string{"", "local", "remote", "tag", "none"}},
		{"format", o.format, []string{"", "text", "json"}},
		{"status-check", o.statusCheck, []string{"", "true", "false"}},
		{"push", o.push, []string{"", "true", "false"}},
		{"disable-multi-platform-build", o.disableMultiPlatform, []string{"", "true", "false"}},
		{"check-cluster-node-platforms", o.checkNodes, []string{"", "true", "false"}},
		{"target", o.target, []string{"", "auto", "cluster", "local"}},
	} {
		if !slices.Contains(choice.allowed, choice.value) {
			return usage("choose one of: "+strings.Join(choice.allowed[1:], ", "), fmt.Errorf("--%s=%s", choice.flag, choice.value))
		}
	}
	if _, err := forward.ParseModes(o.portForward, command); err != nil {
		return err
	}
	return o.checkDeploy()
}
