package dev

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/render/raw"
	"github.com/skiff-dev/skiff/internal/watch"
)

const patience = 20 * time.Second

// bench is a session over a project of one image, with a cluster in memory, a builder and a syncer that only note what they do,
// and a watcher that says what the test wants.
type bench struct {
	t       *testing.T
	dir     string
	cluster *kubetest.Server
	batches chan watch.Batch
	builder *builder
	syncer  *syncer
	events  *event.Subscription
	load    func() error // a fault of the project file
	end     context.CancelFunc
	done    chan error
	seen    []event.Stamped
}

const pod = "kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{name: web, image: web}]}\n"

func session(t *testing.T, change ...func(*Options)) *bench {
	b := &bench{
		t: t, dir: t.TempDir(), cluster: kubetest.New(t), batches: make(chan watch.Batch),
		builder: &builder{}, syncer: &syncer{}, done: make(chan error, 1), load: func() error { return nil },
	}
	b.write("app.py", "print(1)")
	b.write("Dockerfile", "FROM scratch")
	b.write("k8s/pod.yaml", pod)
	bus := &event.Bus{}
	b.events = bus.Subscribe()
	cluster := b.cluster.Cluster(t)
	deployer := deploy.New(cluster, deploy.Options{Project: "test"}, bus)
	o := Options{Auto: Auto{true, true, true}, Cleanup: true}
	for _, f := range change {
		f(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.end = cancel
	go func() {
		err := Run(ctx, o, Session{
			Load: func(context.Context) (*Project, error) { return b.project(cluster, deployer, bus) },
			Pods: cluster, Watcher: b, Syncer: b.syncer, Sink: bus,
		})
		bus.Close()
		b.done <- err
	}()
	t.Cleanup(b.stop)
	return b
}

func (b *bench) project(cluster *kube.Cluster, deployer *deploy.Deployer, bus *event.Bus) (*Project, error) {
	if err := b.load(); err != nil {
		return nil, err
	}
	a := &config.Artifact{Image: "web", Context: b.dir, Sync: &config.Sync{Manual: []*config.SyncRule{{Src: "*.py", Dest: "/app"}}}}
	c := &config.Config{Dir: b.dir}
	c.Build.Artifacts = []*config.Artifact{a}
	a.Config = c
	p := &config.Project{Dir: b.dir, Configs: []*config.Config{c}}
	source, err := raw.New(raw.Options{Patterns: []string{filepath.Join(b.dir, "k8s/**")}, Dir: b.dir})
	if err != nil {
		return nil, err
	}
	return &Project{
		Dir: b.dir, Files: []string{b.path("skaffold.yaml")}, Artifacts: []*config.Artifact{a},
		Line: &pipeline.Line{
			Project: p, Place: pipeline.Cluster{Deployer: deployer, Kube: cluster, Sink: bus}, Sink: bus, Render: render.Options{Sources: []render.Source{source}},
			Names:  func(context.Context, []*config.Artifact) ([]string, error) { return []string{"registry/web:1"}, nil },
			Images: image.Set{Builders: func(*config.Artifact) (image.Builder, error) { return b.builder, nil }},
		},
	}, nil
}

// Set is the Watcher's; what is watched does not matter here.
func (b *bench) Set([]watch.Root, []string) error { return nil }

// Run is the Watcher's.
func (b *bench) Run(ctx context.Context, out chan<- watch.Batch) error {
	for {
		select {
		case batch := <-b.batches:
			out <- batch
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) saved(names ...string) {
	batch := watch.Batch{First: time.Now()}
	for _, n := range names {
		batch.Paths = append(batch.Paths, b.path(n))
	}
	b.batches <- batch
}

// until reads events up to the first that fits.
func (b *bench) until(what string, fits func(event.Event) bool) event.Event {
	b.t.Helper()
	found := make(chan event.Event, 1)
	go func() {
		for {
			for i, s := range b.seen {
				if fits(s.Event) {
					b.seen = b.seen[i+1:]
					found <- s.Event
					return
				}
			}
			more, ok := b.events.Next()
			if !ok {
				close(found)
				return
			}
			b.seen = more
		}
	}()
	select {
	case e, ok := <-found:
		if !ok {
			b.t.Fatalf("the session ended before %s", what)
		}
		return e
	case <-time.After(patience):
		b.t.Fatalf("no %s after %s", what, patience)
		return nil
	}
}

func (b *bench) untilWatching() {
	b.t.Helper()
	b.until("watching", func(e event.Event) bool { _, ok := e.(event.Watching); return ok })
}

// stop ends the session and returns its error.
func (b *bench) stop() {
	b.end()
	select {
	case err := <-b.done:
		if err != nil {
			b.t.Errorf("the session ended with %v", err)
		}
		b.done <- nil
	case <-time.After(patience):
		b.t.Error("the session does not end")
	}
}

// image is the image of the pod on the server.
func (b *bench) image() string {
	o := b.cluster.Find("Pod", "", "web")
	if o == nil {
		return ""
	}
	return kube.Containers(&kube.Object{Unstructured: *o})[0].Image
}

// builder makes an image of the Dockerfile's text.
type builder struct {
	mu      sync.Mutex
	built   int
	stopped int
	gate    chan struct{} // a build waits for it
}

func (*builder) Name() string { return "fake" }

func (*builder) Settings(image.Request) (any, error) { return nil, nil }

func (*builder) Inputs(_ context.Context, a *config.Artifact) (image.Inputs, error) {
	return contextFolder{a.Context}, nil
}

func (b *builder) Build(ctx context.Context, r image.Request, out func(string)) (image.Result, error) {
	b.mu.Lock()
	gate := b.gate
	b.mu.Unlock()
	if gate != nil {
		out("waiting")
		select {
		case <-gate:
		case <-ctx.Done():
			b.mu.Lock()
			b.stopped++
			b.mu.Unlock()
			return image.Result{}, ctx.Err()
		}
	}
	text, err := os.ReadFile(filepath.Join(r.Artifact.Context, "Dockerfile"))
	if err != nil || strings.Contains(string(text), "broken") {
		return image.Result{}, errors.New("the Dockerfile is broken")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.built++
	h := fnv.New64()
	h.Write(text)
	return image.Result{Ref: fmt.Sprintf("%s@sha256:%064x", r.Ref, h.Sum64()), WorkDir: "/app"}, nil
}

func (b *builder) holdBack() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gate = make(chan struct{})
	return b.gate
}

func (b *builder) counts() (built, stopped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.built, b.stopped
}

// contextFolder counts the files of a folder, but for the manifests.
type contextFolder struct{ dir string }

func (c contextFolder) Has(path string) bool {
	rel, err := filepath.Rel(c.dir, path)
	return err == nil && !strings.HasPrefix(rel, "..") && !strings.HasPrefix(rel, "k8s") && rel != "skaffold.yaml"
}
func (c contextFolder) Roots() []image.Root { return []image.Root{{Dir: c.dir}} }
func (contextFolder) Singles() []string     { return nil }
func (c contextFolder) Files(context.Context) ([]string, error) {
	return filepath.Glob(filepath.Join(c.dir, "*/*.py"))
}

// syncer notes what is pushed.
type syncer struct {
	mu     sync.Mutex
	pushes []string
	fail   error
	wait   chan struct{}
}

func (*syncer) Mark() filesync.Seq                 { return 0 }
func (*syncer) Built(string, string, filesync.Seq) {}
func (*syncer) Select(filesync.Selection)          {}
func (*syncer) Pod(kube.PodEvent)                  {}
func (*syncer) Run(ctx context.Context) error      { <-ctx.Done(); return nil }
func (s *syncer) Push(ctx context.Context, artifact string, ops []filesync.Op, _ time.Time) error {
	s.mu.Lock()
	wait := s.wait
	s.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var words []string
	for _, op := range ops {
		words = append(words, fmt.Sprintf("%s deleted=%v", op.Remote, op.Delete))
	}
	slices.Sort(words)
	s.pushes = append(s.pushes, artifact+": "+strings.Join(words, ", "))
	return s.fail
}

func (s *syncer) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pushes)
}

// eventually waits for a condition that no event tells of.
func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("never: %s (pushed: %q)", what, b.syncer.taken())
		}
	}
}

func TestASessionFromStartToCleanup(t *testing.T) {
	b := session(t)
	b.untilWatching()
	first := b.image()
	if !strings.HasPrefix(first, "registry/web:1@sha256:") {
		t.Fatalf("the pod runs %q, want the built image", first)
	}

	b.write("app.py", "print(2)")
	b.saved("app.py")
	b.eventually("the saved file is pushed", func() bool { return len(b.syncer.taken()) == 1 })
	if built, _ := b.builder.counts(); built != 1 || b.image() != first {
		t.Errorf("a synced file was built: %d builds, image %s", built, b.image())
	}

	b.write("Dockerfile", "FROM other")
	b.saved("Dockerfile")
	b.untilWatching()
	if b.image() == first {
		t.Error("the pod still runs the first image after the Dockerfile changed")
	}

	b.write("k8s/map.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: settings}\n")
	b.saved("k8s/map.yaml")
	b.untilWatching()
	if b.cluster.Find("ConfigMap", "", "settings") == nil {
		t.Error("a new manifest was not applied")
	}
	if err := os.Remove(b.path("k8s/map.yaml")); err != nil {
		t.Fatal(err)
	}
	b.saved("k8s/map.yaml")
	b.untilWatching()
	if b.cluster.Find("ConfigMap", "", "settings") != nil {
		t.Error("the object of a manifest that is gone was not deleted")
	}

	b.stop()
	if b.cluster.Find("Pod", "", "web") != nil {
		t.Error("the session left its pod behind")
	}
	if diff := cmp.Diff([]string{"web: /app/app.py deleted=false"}, b.syncer.taken()); diff != "" {
		t.Errorf("pushes (-want +got):\n%s", diff)
	}
}

func TestAFailedBuildIsToldAndItsMendIsTaken(t *testing.T) {
	b := session(t)
	b.untilWatching()
	first := b.image()
	b.write("Dockerfile", "broken")
	b.saved("Dockerfile")
	e := b.until("the failure", func(e event.Event) bool { end, ok := e.(event.StageEnded); return ok && end.Err != nil })
	if got := e.(event.StageEnded).Err.Error(); !strings.Contains(got, "the Dockerfile is broken") {
		t.Errorf("the failure is %q", got)
	}
	b.untilWatching()
	if b.image() != first {
		t.Error("a failed build changed what runs")
	}
	b.write("Dockerfile", "FROM mended")
	b.saved("Dockerfile")
	b.untilWatching()
	if b.image() == first {
		t.Error("the mend was not deployed")
	}
}

func TestASaveDuringABuildStopsItAndBuildsAgain(t *testing.T) {
	b := session(t)
	b.untilWatching()
	first := b.image()
	gate := b.builder.holdBack()
	b.write("Dockerfile", "FROM one")
	b.saved("Dockerfile")
	b.until("the build", func(e event.Event) bool { _, ok := e.(event.BuildOutput); return ok })
	b.write("Dockerfile", "FROM two")
	b.saved("Dockerfile")
	b.eventually("the stale build is stopped", func() bool { _, stopped := b.builder.counts(); return stopped == 1 })
	close(gate)
	b.untilWatching()
	if built, stopped := b.builder.counts(); built != 2 || stopped != 1 || b.image() == first {
		t.Errorf("%d built, %d stopped, image %s", built, stopped, b.image())
	}
}

func TestAFailedSyncBecomesARebuild(t *testing.T) {
	b := session(t)
	b.untilWatching()
	b.syncer.mu.Lock()
	b.syncer.fail = errors.New("no tar")
	b.syncer.mu.Unlock()
	b.saved("app.py")
	b.untilWatching()
	if built, _ := b.builder.counts(); built != 2 {
		t.Errorf("%d builds, want a second one for the file that could not be copied", built)
	}
}

func TestSavesDuringACopyFollowItTogether(t *testing.T) {
	b := session(t)
	b.untilWatching()
	wait := make(chan struct{})
	b.syncer.mu.Lock()
	b.syncer.wait = wait
	b.syncer.mu.Unlock()
	b.saved("app.py")
	b.write("more.py", "")
	b.saved("more.py")
	b.saved("gone.py")
	b.saved("more.py")
	b.saved() // the loop has taken the one before when this one is handed over
	close(wait)
	b.eventually("both copies", func() bool { return len(b.syncer.taken()) == 2 })
	want := []string{"web: /app/app.py deleted=false", "web: /app/gone.py deleted=true, /app/more.py deleted=false"}
	if diff := cmp.Diff(want, b.syncer.taken()); diff != "" {
		t.Errorf("pushes (-want +got):\n%s", diff)
	}
}

func TestABrokenProjectFileLeavesTheOldLoop(t *testing.T) {
	b := session(t)
	b.untilWatching()
	b.load = func() error { return errors.New("skaffold.yaml:3:1: broken") }
	b.saved("skaffold.yaml")
	b.until("the fault", func(e event.Event) bool {
		f, ok := e.(event.Failed)
		return ok && strings.Contains(f.Err.Error(), "3:1")
	})
	b.untilWatching()
	b.saved("app.py")
	b.eventually("the old loop syncs", func() bool { return len(b.syncer.taken()) == 1 })
	b.load = func() error { return nil }
	b.write("k8s/map.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: settings}\n")
	b.saved("skaffold.yaml")
	b.untilWatching()
	if b.cluster.Find("ConfigMap", "", "settings") == nil {
		t.Error("the reloaded project was not deployed")
	}
	if built, _ := b.builder.counts(); built != 1 {
		t.Errorf("%d builds: a reload built again what runs already", built)
	}
	b.saved("app.py")
	b.eventually("the new loop syncs", func() bool { return len(b.syncer.taken()) == 2 })
}

func TestEnterDoesWhatIsOwed(t *testing.T) {
	keys := make(chan struct{})
	b := session(t, func(o *Options) { o.Manual, o.Enter = true, keys })
	b.untilWatching()
	b.saved("app.py", "Dockerfile")
	b.until("the debt", func(e event.Event) bool { _, ok := e.(event.Owed); return ok })
	if got := b.syncer.taken(); len(got) != 0 {
		t.Errorf("pushed without being asked: %v", got)
	}
	keys <- struct{}{}
	b.untilWatching()
	if built, _ := b.builder.counts(); built != 2 || len(b.syncer.taken()) != 1 {
		t.Errorf("after Enter: %d builds, pushes %v", built, b.syncer.taken())
	}
}

func TestAFileOfAFolderThatWasMovedAwayIsDeleted(t *testing.T) {
	p := &Project{files: map[string]bool{"/p/a/x.py": true, "/p/a/b/y.py": true, "/p/ab.py": true}}
	want := []filesync.Change{{Path: "/p/a/b/y.py", Deleted: true}, {Path: "/p/a/x.py", Deleted: true}, {Path: "/p/a", Deleted: true}}
	if diff := cmp.Diff(want, p.gone("/p/a")); diff != "" {
		t.Errorf("gone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{"/p/ab.py": true}, p.files); diff != "" {
		t.Errorf("files left (-want +got):\n%s", diff)
	}
}
