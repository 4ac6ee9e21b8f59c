//go:build e2e

package all

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/image/assemble"
	"github.com/skiff-dev/skiff/internal/image/docker"
	"github.com/skiff-dev/skiff/internal/tree"
)

// registryHost is the registry of the test cluster; E2E_REGISTRY names another one.
func registryHost() string {
	if h := os.Getenv("E2E_REGISTRY"); h != "" {
		return h
	}
	return "localhost:5005"
}

// fixedCases are the seeds that always run. E2E_CASES takes more of them.
const fixedCases = 100

// An image that is assembled has to be the one that the engine builds: of random contexts and Dockerfiles, and again after random
// edits, both upon what the engine built and upon what was assembled.
func TestAssembledImagesAreWhatTheEngineBuilds(t *testing.T) {
	first, cases := uint64(0), fixedCases
	if n, err := strconv.Atoi(os.Getenv("E2E_CASES")); err == nil {
		cases = n
	}
	if n, err := strconv.ParseUint(os.Getenv("E2E_FIRST"), 10, 64); err == nil {
		first = n
	}
	bench := newWorkbench(t)
	seeds := []uint64{rand.Uint64()}
	for i := range uint64(cases) {
		seeds = append(seeds, first+i)
	}
	t.Logf("the random seed is %d", seeds[0])
	var g errgroup.Group
	g.SetLimit(4)
	for _, seed := range seeds {
		g.Go(func() error {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { bench.trial(t, seed) })
			return nil
		})
	}
	_ = g.Wait()
	t.Logf("%d images compared; %d assembled from nothing, %d upon the engine's image, %d upon an assembled one; built in full: %d; failed on both roads: %d",
		bench.compared.Load(), bench.fresh.Load(), bench.upon.Load(), bench.uponOwn.Load(), bench.full.Load(), bench.refused.Load())
	if !t.Failed() && (bench.fresh.Load() == 0 || bench.upon.Load() == 0 || bench.uponOwn.Load() == 0) {
		t.Error("a road was not taken at all: the test proves nothing")
	}
}

// workbench builds one artifact on several roads.
type workbench struct {
	engine   *engine.Engine
	registry *image.Registry

	compared, fresh, upon, uponOwn, full, refused atomic.Int64
}

func newWorkbench(t *testing.T) *workbench {
	e, err := engine.Connect(engine.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if _, err := e.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &workbench{engine: e, registry: image.NewRegistry(e.Auth(), nil)}
}

// road is a builder with a memory of its own.
func (w *workbench) road(t *testing.T, a *config.Artifact, assembles, onlyAgain bool) image.Builder {
	t.Helper()
	o := Options{Docker: docker.Options{Engine: w.engine, Dir: a.Context, Environ: []string{"HOME=/root"}, Mode: "dev"}}
	if assembles {
		index, err := tree.OpenIndex("")
		if err != nil {
			t.Fatal(err)
		}
		o.Assemble = assemble.Options{Dir: t.TempDir(), Registry: w.registry, Engine: w.engine, Index: index, OnlyAgain: onlyAgain}
	}
	b, err := Builders(o)(a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *workbench) make(t *testing.T, b image.Builder, a *config.Artifact, tag string) (image.Result, *picture, error) {
	t.Helper()
	ref := registryHost() + "/skiff-e2e-assemble:" + filepath.Base(a.Context) + "-" + tag
	res, err := b.Build(t.Context(), image.Request{Artifact: a, Ref: ref, Push: true}, func(string) {})
	if err != nil {
		return res, nil, err
	}
	t.Cleanup(func() { _ = w.engine.Remove(context.WithoutCancel(t.Context()), ref) })
	p, err := look(t.Context(), res.Ref)
	if err != nil {
		t.Fatal(err)
	}
	return res, p, nil
}

// trial is one context, one Dockerfile and some edits.
func (w *workbench) trial(t *testing.T, seed uint64) {
	c := newCase(t, seed)
	a := &config.Artifact{Image: "skiff-e2e-assemble", Context: c.dir, Docker: &config.DockerArtifact{Dockerfile: "Dockerfile"}}
	plain, upon, own := w.road(t, a, false, false), w.road(t, a, true, true), w.road(t, a, true, false)

	_, want, err := w.make(t, plain, a, "e1")
	if err != nil {
		w.refused.Add(1)
		if res, _, err := w.make(t, own, a, "a1"); err == nil {
			t.Errorf("the engine fails and assembling (%s) does not\n%s", res.How, c)
		}
		return
	}
	res, got, err := w.make(t, own, a, "a1")
	if err != nil {
		t.Fatalf("the engine builds it, assembling fails: %v\n%s", err, c)
	}
	w.compare(t, c, "from nothing", res, want, got, &w.fresh)
	if _, _, err = w.make(t, upon, a, "u1"); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		c.edit(t)
		_, want, err = w.make(t, plain, a, fmt.Sprint("e", round+2))
		if err != nil {
			w.refused.Add(1)
			if res, _, err := w.make(t, own, a, "a2"); err == nil && !c.lax {
				t.Errorf("after an edit the engine fails and assembling (%s) does not: %v\n%s", res.How, err, c)
			}
			return
		}
		if res, got, err = w.make(t, upon, a, fmt.Sprint("u", round+2)); err != nil {
			t.Fatalf("the engine builds it, upon its image it fails: %v\n%s", err, c)
		}
		w.compare(t, c, "upon the engine's image", res, want, got, &w.upon)
		if res, got, err = w.make(t, own, a, fmt.Sprint("a", round+2)); err != nil {
			t.Fatalf("the engine builds it, upon the own image it fails: %v\n%s", err, c)
		}
		w.compare(t, c, "upon an assembled image", res, want, got, &w.uponOwn)
	}
}

func (w *workbench) compare(t *testing.T, c *scenario, road string, res image.Result, want, got *picture, taken *atomic.Int64) {
	t.Helper()
	if !strings.HasPrefix(res.How, "assembled") {
		w.full.Add(1)
		t.Logf("%s: %s", road, res.How)
		if os.Getenv("SHOW") != "" {
			t.Log(c)
		}
		return
	}
	taken.Add(1)
	w.compared.Add(1)
	if diff := want.diff(got); diff != "" {
		t.Errorf("%s (%s): the images differ (-engine +assembled):\n%s\n%s", road, res.How, diff, c)
	}
}

var someTime = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)
