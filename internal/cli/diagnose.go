package cli

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/pipeline"
)

func newDiagnose(w World) *cobra.Command {
	return sessionCommand(w, "diagnose", "Show how skiff understands the project",
		"Prints what each image is made from and how long it takes to find out, and then the project file as it is understood:\nupgraded to the latest version, with profiles and defaults put in. --yaml-only prints only the latter.", progressToErr, runDiagnose)
}

func runDiagnose(ctx context.Context, s *session) error {
	if s.templating {
		for _, c := range s.project.Configs {
			if err := c.Fill(s.templates(ctx)); err != nil {
				return diag.WithCode(diag.CodeConfig, err)
			}
		}
	}
	if s.renderOutput != "" {
		return s.diagnoseTo(ctx, s.path(s.renderOutput))
	}
	return s.diagnose(ctx)
}

// diagnoseTo writes what diagnose prints to a file.
func (s *session) diagnoseTo(ctx context.Context, file string) error {
	var out bytes.Buffer
	to := *s
	to.Out = &out
	if err := to.diagnose(ctx); err != nil {
		return err
	}
	return written(file, out.Bytes())
}

func (s *session) diagnose(ctx context.Context) error {
	if !s.yamlOnly {
		if err := s.diagnoseArtifacts(ctx); err != nil {
			return err
		}
	}
	data, err := s.project.YAML()
	if err != nil {
		return err
	}
	_, err = s.Out.Write(data)
	return err
}

func (s *session) diagnoseArtifacts(ctx context.Context) error {
	defer s.close()
	asked := s.target == "local"
	if asked || s.noCluster() {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	l, err := s.line(ctx, s.project)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "skiff version: %s\nProject file: %s\nNumber of artifacts: %d\n", info().Version, s.project.File, len(s.project.Artifacts()))
	for _, a := range s.project.Artifacts() {
		if err := s.diagnoseArtifact(ctx, l, a); err != nil {
			return err
		}
	}
	if s.local != nil {
		if err := s.diagnoseHere(ctx, l); err != nil && asked {
			return err
		} else if err != nil {
			s.bus.Send(event.Note{Warn: true, Text: "On this machine it does not run: " + err.Error()})
		}
	}
	fmt.Fprintln(s.Out)
	return nil
}

func (s *session) diagnoseArtifact(ctx context.Context, l *pipeline.Line, a *config.Artifact) error {
	fmt.Fprintf(s.Out, "\n%s\n - Context: %s\n", a.Image, a.Context)
	start := time.Now()
	inputs, err := l.Inputs(ctx, a)
	if err != nil {
		return err
	}
	files, err := inputs.Files(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, " - Dependencies: %d files\n - Time to list them: %v\n", len(files), time.Since(start).Round(10*time.Microsecond))
	return nil
}
