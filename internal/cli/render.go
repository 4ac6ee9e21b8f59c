package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
)

func newRender(w World) *cobra.Command {
	return sessionCommand(w, "render", "Print the manifests with the images put in",
		"Builds the images where --digest-source=local asks for it, puts them into the manifests, and prints those.", progressToErr, runRender)
}

func runRender(ctx context.Context, s *session) error {
	if s.target == "local" && s.digestSource == "local" {
		return usage("leave --digest-source out", errors.New("--digest-source=local builds images; --target=local makes none"))
	}
	if !s.offline && s.target != "local" {
		s.peek(ctx)
	}
	defer s.close()
	l, err := s.line(ctx, s.project)
	if err != nil {
		return err
	}
	if err := s.renderImages(ctx, l); err != nil {
		return err
	}
	manifests, err := l.Objects(ctx)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := kube.WriteObjects(&buf, manifests.Objects); err != nil {
		return err
	}
	if s.renderOutput == "" {
		_, err = s.Out.Write(buf.Bytes())
		return err
	}
	if err := os.WriteFile(s.path(s.renderOutput), buf.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the manifests: %w", err)
	}
	return nil
}

// renderImages makes known to the line which image each artifact has, by the digest source.
func (s *session) renderImages(ctx context.Context, l *pipeline.Line) error {
	if s.buildArtifact != "" || len(s.images) > 0 {
		images, err := s.givenImages(s.project)
		l.Known(images)
		return err
	}
	source := s.digestSource
	switch {
	case source != "":
	case s.target == "local":
		source = "none" // the images keep the names by which processes are found
	default:
		// Skaffold's default: a local cluster has the image under its tag; a remote one is asked for by digest.
		source = "remote"
		if s.registry != "" || s.isLocal() {
			source = "tag"
		}
	}
	switch source {
	case "none":
		return nil
	case "local":
		_, err := l.Build(ctx, s.targets(s.project), nil)
		return err
	}
	requests, err := l.Tag(ctx, s.project.Artifacts())
	if err != nil {
		return err
	}
	images := map[string]pipeline.Built{}
	for _, r := range requests {
		ref := r.Ref
		if source == "remote" {
			digest, err := s.remote.Digest(ctx, ref)
			switch {
			case err != nil:
				s.bus.Send(event.Note{Warn: true, Text: fmt.Sprintf("the registry has no %s; its tag is used as it is: %v", ref, err)})
			case digest != "":
				ref = image.Pinned(ref, digest)
			}
		}
		images[r.Artifact.Image] = pipeline.Built{Image: r.Artifact.Image, Ref: ref}
	}
	l.Known(images)
	return nil
}
