package pipeline

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Around is what a project asks for between the stages: tests and lifecycle hooks. Each part may be nil.
type Around struct {
	Build        image.Hooks
	Tested       func(artifact string) bool // whether an image has tests
	Test         func(ctx context.Context, images []Built) error
	TestFiles    func(ctx context.Context, artifact string) ([]string, error) // absolute: a change of one is a reason to test again
	BeforeRender func(ctx context.Context) error
	AfterRender  func(ctx context.Context, objects []*kube.Object) ([]*kube.Object, error)
	BeforeDeploy func(ctx context.Context) error
	AfterDeploy  func(ctx context.Context, objects []*kube.Object) error
}

// Watched is what an artifact is made from and tested with: a change of any of it makes work.
func (l *Line) Watched(ctx context.Context, a *config.Artifact) (Inputs, error) {
	in, err := l.Inputs(ctx, a)
	if err != nil || l.Around.TestFiles == nil {
		return in, err
	}
	// A test whose files cannot be found says so when it runs.
	files, err := l.Around.TestFiles(ctx, a.Image)
	if err != nil || len(files) == 0 {
		return in, nil
	}
	return tested{in, files}, nil
}

// tested is the inputs of an artifact with the files of its tests.
type tested struct {
	Inputs
	files []string
}

// Has says whether a path is a file of a test, or an input.
func (t tested) Has(path string) bool {
	return slices.Contains(t.files, filepath.Clean(path)) || t.Inputs.Has(path)
}

// Singles are those of the inputs, and the files of tests.
func (t tested) Singles() []string { return append(slices.Clone(t.Inputs.Singles()), t.files...) }

// test runs the tests of what was built and not tested since. What fails stays to be tested.
func (l *Line) test(ctx context.Context, results []Built) error {
	if l.Around.Test == nil {
		return nil
	}
	if l.untested == nil {
		l.untested = map[string]Built{}
	}
	for _, r := range results {
		if l.Around.Tested(r.Image) {
			l.untested[r.Image] = r
		}
	}
	var due []Built
	for _, a := range l.Project.Artifacts() {
		if r, ok := l.untested[a.Image]; ok {
			due = append(due, r)
		}
	}
	if len(due) == 0 {
		return nil
	}
	err := l.stage(event.Test, "", func() error { return diag.WithCode(diag.CodeBuild, l.Around.Test(ctx, due)) })
	if err == nil {
		clear(l.untested)
	}
	return err
}

// hook runs a hook that may be nil.
func hook(ctx context.Context, run func(context.Context) error) error {
	if run == nil {
		return nil
	}
	return run(ctx)
}

// afterDeploy runs the hooks that are owed since the last deploy.
func (l *Line) afterDeploy(ctx context.Context) error {
	if l.Around.AfterDeploy == nil || l.deployed == nil {
		return nil
	}
	err := diag.WithCode(diag.CodeDeploy, l.Around.AfterDeploy(ctx, l.deployed))
	if ctx.Err() == nil {
		l.deployed = nil
	}
	return err
}
