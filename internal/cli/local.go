package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/dev"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/local"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/proc"
	"github.com/skiff-dev/skiff/internal/render"
)

// here makes this machine the place.
func (s *session) here(ctx context.Context, why string) error {
	guard, err := proc.NewGuard()
	if err != nil {
		return fmt.Errorf("watch over processes: %w", err)
	}
	host := local.NewHost(ctx, guard, s.Environ(), s.Host)
	sum := sha256.Sum256([]byte(s.project.File))
	s.guard = guard
	s.local = local.New(local.Options{
		State:   s.cachePath(filepath.Join("local", filepath.Base(s.project.Dir)+"-"+hex.EncodeToString(sum[:4]))),
		Environ: s.Environ(), Host: host, Guard: guard, Strict: s.strictParity,
		Read: local.Reader(host, s.shown),
	}, s.bus)
	s.bus.Send(event.Session{Command: s.command, Target: "local", Why: why})
	return nil
}

// shown is a path as messages show it.
func (s *session) shown(path string) string {
	if rel, err := filepath.Rel(s.Dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// settingsFile is the project's file of what only skiff understands.
func settingsFile(p *config.Project) string {
	if p.File == "-" {
		return filepath.Join(p.Dir, local.SettingsName)
	}
	return filepath.Join(filepath.Dir(p.File), local.SettingsName)
}

// runHere makes the line's stages those of this machine.
func (s *session) runHere(project *config.Project, l *pipeline.Line) error {
	settings, err := local.ReadSettings(settingsFile(project))
	if err != nil {
		return err
	}
	settings.Dir = filepath.Dir(settingsFile(project))
	s.local.Use(project, settings, func(ctx context.Context) ([]*kube.Object, error) {
		m, err := render.Objects(ctx, project, l.Render)
		return m.Objects, err
	})
	inputs := l.Images.Builders
	l.Images = image.Set{Builders: func(a *config.Artifact) (image.Builder, error) {
		b, err := inputs(a)
		return hostBuilder{Builder: b, refused: err, target: s.local}, nil
	}}
	l.Names = func(_ context.Context, artifacts []*config.Artifact) ([]string, error) {
		var refs []string
		for _, a := range artifacts {
			refs = append(refs, a.Image+":local")
		}
		return refs, nil
	}
	l.Push, l.Place, s.local.NoWait = false, s.local, !l.Check
	return nil
}

// hostBuilder makes programs of this machine instead of images. What they are made from, the builder of the image says.
type hostBuilder struct {
	image.Builder
	refused error // why there is no Builder
	target  *local.Target
}

var _ image.Builder = hostBuilder{}

// Name is how events call it.
func (b hostBuilder) Name() string { return "local" }

// Build compiles and stages.
func (b hostBuilder) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	start := time.Now()
	ref, dir, err := b.target.Build(ctx, r.Artifact, out)
	return image.Result{Image: r.Artifact.Image, Ref: ref, WorkDir: dir, Took: time.Since(start)}, err
}

// Settings is what decides about the program besides its files.
func (b hostBuilder) Settings(r image.Request) (any, error) { return r.Artifact.Image, nil }

// Inputs are those of the image, and what skiff.yaml adds.
func (b hostBuilder) Inputs(ctx context.Context, a *config.Artifact) (image.Inputs, error) {
	if b.refused != nil {
		return nil, b.refused
	}
	in, err := b.Builder.Inputs(ctx, a)
	if more := b.target.Watches(ctx, a); err == nil && len(more) > 0 {
		return moreInputs{in, more}, nil
	}
	return in, err
}

// moreInputs adds the paths of skiff.yaml to what an image is made from.
type moreInputs struct {
	image.Inputs
	more local.Watching
}

// Has is of both.
func (m moreInputs) Has(path string) bool { return m.Inputs.Has(path) || m.more.Has(path) }

// Roots are of both.
func (m moreInputs) Roots() []image.Root {
	folders, _ := m.more.Split()
	roots := m.Inputs.Roots()
	for _, dir := range folders {
		roots = append(roots, image.Root{Dir: dir, Skip: m.more.Skip})
	}
	return roots
}

// Singles are of both.
func (m moreInputs) Singles() []string {
	_, singles := m.more.Split()
	return append(singles, m.Inputs.Singles()...)
}

// Files are of both.
func (m moreInputs) Files(ctx context.Context) ([]string, error) {
	files, err := m.Inputs.Files(ctx)
	if err != nil {
		return nil, err
	}
	more, err := m.more.Files(ctx)
	files = append(files, more...)
	slices.Sort(files)
	return slices.Compact(files), err
}

// Destinations are those of the image.
func (b hostBuilder) Destinations(a *config.Artifact, workDir string) (func(rel string) []string, error) {
	knows, ok := b.Builder.(interface {
		Destinations(*config.Artifact, string) (func(rel string) []string, error)
	})
	if !ok {
		return nil, nil
	}
	return knows.Destinations(a, workDir)
}

// ownBuilds is what skiff.yaml says about how artifacts are made here.
func (s *session) ownBuilds(ctx context.Context, artifacts []*config.Artifact) map[string]string {
	if s.local == nil {
		return nil
	}
	own := map[string]string{}
	for _, a := range artifacts {
		own[a.Image] = s.local.Own(ctx, a)
	}
	return own
}

// hostSync is the Syncer of this machine: most files are there already when they are saved.
type hostSync struct {
	target  *local.Target
	project func() *config.Project
	sink    event.Sink
}

var _ dev.Syncer = hostSync{}

// Mark, Built, Select and Pod are of no use: nothing that is copied here gets lost.
func (hostSync) Mark() filesync.Seq                 { return 0 }
func (hostSync) Built(string, string, filesync.Seq) {}
func (hostSync) Select(filesync.Selection)          {}
func (hostSync) Pod(kube.PodEvent)                  {}
func (h hostSync) Run(ctx context.Context) error    { return h.target.Run(ctx) }

// Push brings changed files to where the processes see them.
func (h hostSync) Push(_ context.Context, artifact string, ops []filesync.Op, since time.Time) error {
	var failed error
	done := event.Synced{Image: artifact}
	for _, a := range h.project().Artifacts() {
		if a.Image != artifact {
			continue
		}
		for _, op := range ops {
			_, err := h.target.Put(a, op.Local, op.Remote, op.Delete)
			failed = errors.Join(failed, err)
			if op.Delete {
				done.Deleted = append(done.Deleted, op.Remote)
			} else {
				done.Copied = append(done.Copied, op.Remote)
			}
		}
	}
	if failed != nil {
		return failed
	}
	done.Took = time.Since(since)
	for _, m := range h.target.Members(artifact) {
		done.Pod, done.Container = m.Pod, m.Container
		h.sink.Send(done)
	}
	return nil
}

// stayHere runs what was built until the user ends it.
func (s *session) stayHere(ctx context.Context, l *pipeline.Line, objects []*kube.Object) error {
	g, gctx := errgroup.WithContext(ctx)
	running, end := context.WithCancel(gctx)
	g.Go(func() error { return s.local.Run(running) })
	g.Go(func() error {
		defer end()
		if err := l.Deploy(gctx, objects); err != nil {
			return err
		}
		if err := l.Wait(gctx); err != nil {
			return err
		}
		s.bus.Send(event.Note{Text: "The processes run until Ctrl-C."})
		<-gctx.Done()
		return nil
	})
	err := g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// diagnoseHere prints what differs from a cluster.
func (s *session) diagnoseHere(ctx context.Context, l *pipeline.Line) error {
	manifests, err := l.Objects(ctx)
	if err != nil {
		return err
	}
	plan, err := s.local.Plan(manifests.Objects)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, "\nOn this machine:")
	for _, u := range plan.Units {
		for _, p := range u.Processes {
			fmt.Fprintf(s.Out, " - %s, container %s: %q in %s\n", u.Object, p.Container, p.Args, p.Dir)
		}
	}
	if lines := plan.Parity(); len(lines) > 0 {
		fmt.Fprintln(s.Out, "\nNot as on a cluster:")
		for _, line := range lines {
			fmt.Fprintln(s.Out, " "+line)
		}
	}
	if s.strictParity {
		return plan.Failures(true)
	}
	return nil
}
