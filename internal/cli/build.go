package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
)

// buildOutput is what `build` prints and writes, in Skaffold's shape.
type buildOutput struct {
	Builds []buildResult `json:"builds"`
}

// buildResult is one image of a buildOutput.
type buildResult struct {
	ImageName string `json:"imageName"`
	Tag       string `json:"tag"`
}

func newBuild(w World) *cobra.Command {
	out := func(w World, o *options) io.Writer {
		if o.quiet || o.output != "" {
			return w.Err
		}
		return w.Out
	}
	return sessionCommand(w, "build", "Build and push the images",
		"Builds the images and pushes them where the cluster can pull them. --quiet prints only the result, for deploy --build-artifacts.", out, runBuild)
}

func runBuild(ctx context.Context, s *session) error {
	var g errgroup.Group
	g.Go(func() error { return s.connectBuild(ctx) })
	g.Go(s.openIndex)
	if err := g.Wait(); err != nil {
		return err
	}
	defer s.close()
	l, err := s.line(ctx, s.project)
	if err != nil {
		return err
	}
	targets := s.targets(s.project)
	var results []pipeline.Built
	if s.dryRun {
		requests, err := l.Tag(ctx, targets)
		if err != nil {
			return err
		}
		for _, r := range requests {
			results = append(results, pipeline.Built{Image: r.Artifact.Image, Ref: r.Ref})
		}
	} else if results, err = l.Build(ctx, targets, nil); err != nil {
		return err
	}
	return s.report(results)
}

// report prints and writes the result as the flags say.
func (s *session) report(results []pipeline.Built) error {
	out := buildOutput{Builds: []buildResult{}}
	for _, r := range results {
		out.Builds = append(out.Builds, buildResult{r.Image, r.Ref})
	}
	if s.fileOutput != "" {
		data, err := json.Marshal(out)
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.path(s.fileOutput), append(data, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	if !s.quiet && s.output == "" {
		return nil
	}
	text := s.output
	if text == "" {
		text = "{{json .}}"
	}
	// The result ends in a newline only if the template has one, as scripts expect.
	tmpl, err := template.New("output").Funcs(template.FuncMap{"json": asJSON}).Parse(text)
	if err != nil {
		return usage("see the documentation of Go's text/template", fmt.Errorf("--output: %w", err))
	}
	var buf bytes.Buffer
	if err := tmpl.Execute(&buf, out); err != nil {
		return usage("the fields are .Builds, and of each .ImageName and .Tag", fmt.Errorf("--output: %w", err))
	}
	_, err = s.Out.Write(buf.Bytes())
	return err
}

func asJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

// givenImages is the images that --build-artifacts and --images name, for every artifact of the project.
func (s *session) givenImages(project *config.Project) (map[string]pipeline.Built, error) {
	refs, err := s.givenRefs()
	if err != nil {
		return nil, err
	}
	images := map[string]pipeline.Built{}
	var missing diag.List
	for _, a := range project.Artifacts() {
		ref, ok := refs[a.Image]
		if !ok && s.tag != "" {
			continue // --tag names it
		}
		if !ok {
			missing = append(missing, &diag.Error{
				What: fmt.Sprintf("no image is given for %q", a.Image),
				Hint: fmt.Sprintf("skiff build --file-output=build.json && skiff deploy --build-artifacts=build.json, or --images=%s=REFERENCE", a.Image),
			})
			continue
		}
		images[a.Image] = pipeline.Built{Image: a.Image, Ref: ref}
		s.bus.Send(event.Tagged{Image: a.Image, Ref: ref})
	}
	return images, missing.Err()
}

// givenRefs is the images that --build-artifacts and --images name, by artifact; of two for one the latter counts.
func (s *session) givenRefs() (map[string]string, error) {
	refs := map[string]string{}
	if s.buildArtifact != "" {
		if err := s.readArtifacts(refs); err != nil {
			return nil, err
		}
	}
	for _, text := range s.images {
		name, ref, ok := strings.Cut(text, "=")
		if !ok {
			name, ref = kube.Repository(text), text
		}
		refs[name] = ref
	}
	return refs, nil
}

func (s *session) readArtifacts(refs map[string]string) error {
	var data []byte
	var err error
	if s.buildArtifact == "-" {
		data, err = io.ReadAll(s.In)
	} else {
		data, err = os.ReadFile(s.path(s.buildArtifact))
	}
	if err != nil {
		return fmt.Errorf("read --build-artifacts: %w", err)
	}
	var in buildOutput
	if err := json.Unmarshal(data, &in); err != nil {
		return diag.Errorf("make it with skiff build --file-output", "%s: %w", s.buildArtifact, err)
	}
	if len(in.Builds) == 0 {
		return diag.Errorf("make it with skiff build --file-output", "%s names no builds", s.buildArtifact)
	}
	for _, b := range in.Builds {
		if b.ImageName == "" || b.Tag == "" {
			return errors.New(s.buildArtifact + ": a build without imageName or tag")
		}
		refs[b.ImageName] = b.Tag
	}
	return nil
}
