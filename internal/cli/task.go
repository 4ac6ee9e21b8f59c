package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
	"github.com/skiff-dev/skiff/internal/task"
)

func newTest(w World) *cobra.Command {
	return sessionCommand(w, "test", "Test images that exist already",
		"Runs the tests of the images that --build-artifacts or --images name.", progressToOut,
		func(ctx context.Context, s *session) error {
			defer s.close()
			s.peek(ctx)
			if err := s.open(); err != nil {
				return err
			}
			images, err := s.givenImages(s.project)
			if err != nil {
				return err
			}
			refs := map[string]string{}
			for name, built := range images {
				refs[name] = built.Ref
			}
			tasks, err := s.tasks()
			if err != nil {
				return err
			}
			if err := tasks.CheckTests(s.project); err != nil {
				return err
			}
			return tasks.Tests(ctx, s.project, refs)
		})
}

func newVerify(w World) *cobra.Command {
	return sessionCommand(w, "verify", "Run the verify tests against what was deployed",
		"Runs the containers under verify: on the local Docker engine, or as Jobs in the cluster, and fails when one of them does.", progressToOut,
		func(ctx context.Context, s *session) error {
			defer s.close()
			tasks, err := s.containerTasks(ctx)
			if err != nil {
				return err
			}
			return tasks.Verify(ctx, s.project)
		})
}

func newExec(w World) *cobra.Command {
	cmd := sessionCommand(w, "exec", "Run a custom action",
		"Runs the containers of one action under customActions: on the local Docker engine, or as Jobs in the cluster.", progressToOut,
		func(ctx context.Context, s *session) error {
			if len(s.args) != 1 {
				return diag.Errorf("skiff exec NAME", "exec needs the name of one custom action")
			}
			defer s.close()
			tasks, err := s.containerTasks(ctx)
			if err != nil {
				return err
			}
			return tasks.Exec(ctx, s.project, s.args[0])
		})
	cmd.Use = "exec ACTION"
	cmd.Args = cobra.ArbitraryArgs
	return cmd
}

// containerTasks runs containers with the images that the flags name.
func (s *session) containerTasks(ctx context.Context) (*task.Runner, error) {
	s.peek(ctx)
	tasks, err := s.tasks()
	if err != nil {
		return nil, err
	}
	if tasks.Images, err = s.givenRefs(); err != nil {
		return nil, err
	}
	if s.envFile != "" {
		if tasks.EnvFile, err = readVariables(s.path(s.envFile), s.envFile); err != nil {
			return nil, err
		}
	}
	tasks.Network = s.dockerNetwork
	tasks.Ports = containerPorts(s.project)
	return tasks, nil
}

// tasks is what runs tests, containers and hooks in this session.
func (s *session) tasks() (*task.Runner, error) {
	if s.runner != nil {
		return s.runner, nil
	}
	if s.guard == nil {
		guard, err := proc.NewGuard()
		if err != nil {
			return nil, fmt.Errorf("watch over processes: %w", err)
		}
		s.guard = guard
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	s.runner = &task.Runner{
		Guard: s.guard, Environ: s.Environ(), Dir: s.Dir, RunID: hex.EncodeToString(id), Sink: s.bus, Templates: s.templates,
		Engine: func(ctx context.Context) (*engine.Engine, error) {
			if err := s.open(); err != nil {
				return nil, err
			}
			return s.engine, nil
		},
		Cluster: func(ctx context.Context) (*kube.Cluster, error) {
			if s.cluster == nil {
				if err := s.find(); err != nil {
					return nil, err
				}
			}
			return s.cluster, nil
		},
	}
	return s.runner, nil
}

// containerPorts are the ports that the project forwards of containers on the engine: by the name of the container or of its image.
func containerPorts(p *config.Project) func(container, image string) []engine.Port {
	return func(container, image string) []engine.Port {
		var ports []engine.Port
		for _, c := range p.Configs {
			for _, f := range c.PortForward {
				if strings.EqualFold(f.ResourceType, "container") && (f.ResourceName == container || f.ResourceName == image) {
					ports = append(ports, engine.Port{Container: f.Port.Int, Address: f.Address, Host: f.LocalPort})
				}
			}
		}
		return ports
	}
}
