package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

// fake is a Builder whose builds take a second each.
type fake struct {
	mu      sync.Mutex
	fails   map[string]bool
	running int
	most    int
	order   []string
	needs   map[string]map[string]string // image -> alias -> reference
	during  func(r Request)              // called in the middle of a build
	files   []string
}

var _ Builder = (*fake)(nil)

func (f *fake) Name() string { return "fake" }

func (f *fake) Settings(Request) (any, error) { return nil, nil }

func (f *fake) Inputs(context.Context, *config.Artifact) (Inputs, error) {
	return fakeInputs(f.files), nil
}

func (f *fake) Build(ctx context.Context, r Request, out func(string)) (Result, error) {
	f.mu.Lock()
	f.running++
	f.most = max(f.most, f.running)
	f.order = append(f.order, r.Artifact.Image)
	if f.needs == nil {
		f.needs = map[string]map[string]string{}
	}
	f.needs[r.Artifact.Image] = map[string]string{}
	for alias, need := range r.Needs {
		f.needs[r.Artifact.Image][alias] = need.Ref
	}
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.running--; f.mu.Unlock() }()
	out("building")
	if f.during != nil {
		f.during(r)
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	if f.fails[r.Artifact.Image] {
		return Result{}, fmt.Errorf("image %q: broken", r.Artifact.Image)
	}
	return Result{Ref: r.Ref + "@d", Digest: "d", ID: "sha256:1"}, nil
}

type fakeInputs []string

func (f fakeInputs) Has(path string) bool                    { return slices.Contains(f, path) }
func (f fakeInputs) Roots() []Root                           { return nil }
func (f fakeInputs) Singles() []string                       { return f }
func (f fakeInputs) Files(context.Context) ([]string, error) { return f, nil }

// requests are artifacts by name; "b:a,c" requires a and c.
func requests(specs ...string) []Request {
	var list []Request
	for _, spec := range specs {
		name, needs, _ := strings.Cut(spec, ":")
		a := &config.Artifact{Image: name}
		for _, need := range strings.FieldsFunc(needs, func(r rune) bool { return r == ',' }) {
			a.Requires = append(a.Requires, &config.ArtifactRequirement{Image: need, Alias: strings.ToUpper(need)})
		}
		list = append(list, Request{Artifact: a, Ref: "reg/" + name + ":1"})
	}
	return list
}

func names(results []Result) []string {
	var list []string
	for _, r := range results {
		list = append(list, r.Image)
	}
	return list
}

func TestBuild(t *testing.T) {
	for _, tt := range []struct {
		name  string
		in    []string
		fails map[string]bool
		limit int
		want  []string
		took  time.Duration
		most  int
		err   string
	}{
		{"images that need nothing are built side by side", []string{"a", "b", "c"}, nil, 0, []string{"a", "b", "c"}, time.Second, 3, ""},
		{"no more at once than the limit", []string{"a", "b", "c", "d"}, nil, 2, []string{"a", "b", "c", "d"}, 2 * time.Second, 2, ""},
		{"an image comes after those it requires", []string{"c:b", "b:a", "a"}, nil, 0, []string{"c", "b", "a"}, 3 * time.Second, 1, ""},
		{"waiting for another takes no slot", []string{"b:a", "a"}, nil, 1, []string{"b", "a"}, 2 * time.Second, 1, ""},
		{"a failure leaves its siblings running and is told with what was not tried", []string{"a", "b:a", "c:b", "d"}, map[string]bool{"a": true}, 0,
			[]string{"d"}, time.Second, 2, "image \"a\": broken\nimage \"b\" was not tried: it requires \"a\"\nimage \"c\" was not tried: it requires \"b\""},
		{"nothing is no work", nil, nil, 0, nil, 0, 0, ""},
		{"a circle is refused", []string{"a:b", "b:a"}, nil, 0, nil, 0, 0, `image "a" requires itself`},
		{"an image that is not built is refused", []string{"a:x"}, nil, 0, nil, 0, 0, `image "a" requires "x", which is not built`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{fails: tt.fails}
				start := time.Now()
				got, err := Build(t.Context(), Set{Builders: f.builders(), Limit: tt.limit}, requests(tt.in...), event.Discard)
				if diff := cmp.Diff(tt.want, names(got)); diff != "" {
					t.Errorf("results (-want +got):\n%s", diff)
				}
				if took := time.Since(start); took != tt.took || f.most != tt.most {
					t.Errorf("took %v with %d at once, want %v with %d", took, f.most, tt.took, tt.most)
				}
				text := ""
				if err != nil {
					text = err.Error()
					if diag.Kind(err) != diag.CodeBuild {
						t.Errorf("kind %v", diag.Kind(err))
					}
				}
				if diff := cmp.Diff(tt.err, text); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func (f *fake) builders() Builders {
	return func(*config.Artifact) (Builder, error) { return f, nil }
}

func TestRequiredImagesReachTheBuildByTheirAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		set := Set{Builders: f.builders(), Built: map[string]Result{"old": {Ref: "reg/old:0@x"}}}
		if _, err := Build(t.Context(), set, requests("a", "b:a,old"), event.Discard); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"A": "reg/a:1@d", "OLD": "reg/old:0@x"}, f.needs["b"]); diff != "" {
			t.Errorf("needs (-want +got):\n%s", diff)
		}
	})
}

func TestOnlyTheContextEndsABuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		f := &fake{}
		got, err := Build(ctx, Set{Builders: f.builders()}, requests("a", "b:a", "c:b"), event.Discard)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff([]string{"a"}, names(got)); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"a", "b"}, f.order); diff != "" {
			t.Errorf("started (-want +got):\n%s", diff)
		}
	})
}

func TestABuildIsToldByEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []event.Event
		sink := event.SinkFunc(func(e event.Event) { got = append(got, e) })
		if _, err := Build(t.Context(), Set{Builders: (&fake{}).builders()}, requests("a"), sink); err != nil {
			t.Fatal(err)
		}
		want := []event.Event{
			event.BuildStarted{Image: "a", Builder: "fake"},
			event.BuildOutput{Image: "a", Line: "building"},
			event.BuildEnded{Image: "a", Ref: "reg/a:1@d", Digest: "d", Took: time.Second},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestWhatChangesDuringItsBuildIsNotRemembered(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &fake{files: []string{file}}
	set := Set{Builders: f.builders(), Cache: NewCache(CacheOptions{File: filepath.Join(dir, "cache", "images.json"), Index: index(t)})}
	r := requests("a")[0]
	r.Artifact.Context = dir
	saved := func() int {
		t.Helper()
		if _, err := Build(t.Context(), set, []Request{r}, event.Discard); err != nil {
			t.Fatal(err)
		}
		have, err := readEntries(set.Cache.o.File)
		if err != nil {
			t.Fatal(err)
		}
		return len(have)
	}
	f.during = func(Request) { _ = os.WriteFile(file, []byte("22"), 0o600) }
	if n := saved(); n != 0 {
		t.Errorf("%d entries after a build whose input changed", n)
	}
	f.during = nil
	if n := saved(); n != 1 {
		t.Errorf("%d entries after a quiet build", n)
	}
}

// outer is a Builder around another one, as pipeline and assemble have.
type outer struct{ Builder }

func (o outer) Unwrap() Builder { return o.Builder }

// based is a fake that names its base images.
type based struct{ fake }

func (*based) Bases(Request) ([]Origin, error) { return []Origin{{Ref: "debian"}}, nil }

func TestWhatABuilderCanDoIsFoundBelowItsWrappers(t *testing.T) {
	if _, ok := As[Based](outer{outer{&fake{}}}); ok {
		t.Error("a builder that names no bases was taken for one that does")
	}
	b, ok := As[Based](outer{outer{&based{}}})
	if !ok {
		t.Fatal("not found")
	}
	if names, err := b.Bases(Request{}); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}
