package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/render/raw"
)

func newApply(w World) *cobra.Command {
	cmd := sessionCommand(w, "apply", "Apply manifests that are rendered already",
		`Applies the manifests of the files, folders or addresses that are named, as they are (- is standard input), and waits until
everything runs. Only objects that differ are sent. Nothing is pruned: apply owns no set of objects.
The project file is needed only for its settings: the namespace, the context and the status check.`, progressToOut,
		func(ctx context.Context, s *session) error {
			return s.deployOnce(ctx, func(context.Context, *pipeline.Line) error { return nil })
		})
	cmd.Use = "apply FILES"
	cmd.Args = func(_ *cobra.Command, _ []string) error { return nil } // their absence is no fault of the command line, but of the work
	return cmd
}

// bare is a project that has only defaults, for commands that can do without a file.
const bare = "apiVersion: skaffold/v4beta13\nkind: Config\n"

// loadForApply is the project, or one without settings where there is no file and none was named.
func (s *session) loadForApply(ctx context.Context) (*config.Project, error) {
	if len(s.args) == 0 {
		return nil, diag.Errorf("skiff apply FILES: files, folders, addresses, or - for standard input", "no manifest is named")
	}
	if s.target == "local" {
		return nil, usage("skiff run --target=local runs a project as processes", errors.New("apply needs a cluster"))
	}
	if _, err := s.named(); err != nil {
		return nil, err
	}
	if s.filename != "" {
		return s.load(ctx)
	}
	for _, name := range []string{"skaffold.yaml", "skaffold.yml"} {
		if _, err := os.Stat(s.path(name)); !errors.Is(err, fs.ErrNotExist) {
			return s.load(ctx)
		}
	}
	return config.Load(ctx, config.Options{File: "-", Dir: s.Dir, Stdin: strings.NewReader(bare), Command: s.command, Getenv: s.Getenv})
}

// named is the source of the manifests that the command line names. One that does not exist is a fault: here nobody is about to
// write it.
func (s *session) named() ([]render.Source, error) {
	var sources []render.Source
	var patterns []string
	for _, arg := range s.args {
		switch {
		case arg == "-":
			sources = append(sources, stdin{in: s.In})
			continue
		case !strings.Contains(arg, "://"):
			if _, err := os.Stat(s.path(arg)); err != nil {
				return nil, &diag.Error{What: fmt.Sprintf("manifest %q cannot be read: %v", arg, cause(err)), Hint: "skiff apply FILES", Code: diag.CodeDeploy, Err: err}
			}
		}
		patterns = append(patterns, arg)
	}
	if len(patterns) == 0 {
		return sources, nil
	}
	files, err := raw.New(raw.Options{Patterns: patterns, Dir: s.Dir})
	if err != nil {
		return nil, err
	}
	return append([]render.Source{files}, sources...), nil
}

// cause leaves out what the file system was asked for.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// stdin reads manifests from standard input, once.
type stdin struct{ in io.Reader }

var _ render.Source = stdin{}

// Objects reads to the end.
func (s stdin) Objects(context.Context, render.Input) (render.Read, error) {
	data, err := io.ReadAll(s.in)
	if err != nil {
		return render.Read{}, fmt.Errorf("read the manifests: %w", err)
	}
	objects, err := kube.ReadObjects("standard input", data)
	return render.Read{Objects: objects}, err
}

// Watch is nothing: what was read is read.
func (stdin) Watch() render.Watch { return render.Watch{} }

// kubectlFlags is what the flags for kubectl in the project mean for skiff; the others are named, for they have no effect.
func kubectlFlags(p *config.Project) (force, conflictsRefused, unvalidated bool, rest []string) {
	for _, c := range p.Configs {
		k := c.Deploy.Kubectl
		if k == nil {
			continue
		}
		unvalidated = unvalidated || k.Flags.DisableValidation
		for _, flag := range k.Flags.Apply {
			switch flag {
			case "--force", "--force=true":
				force = true
			case "--force-conflicts=false":
				conflictsRefused = true
			case "--validate=false", "--validate=ignore":
				unvalidated = true
			case "--server-side", "--server-side=true", "--force-conflicts", "--force-conflicts=true", "--validate", "--validate=true", "--validate=strict", "--wait", "--wait=true":
			default:
				rest = append(rest, flag)
			}
		}
		for _, flag := range slices.Concat(k.Flags.Global, k.Flags.Delete) {
			if !strings.HasPrefix(flag, "--ignore-not-found") && !strings.HasPrefix(flag, "--wait") {
				rest = append(rest, flag)
			}
		}
	}
	return force, conflictsRefused, unvalidated, rest
}
