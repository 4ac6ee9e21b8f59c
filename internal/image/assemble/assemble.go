// Package assemble makes images without a container: the image of before and changed files go in, or a Dockerfile that runs nothing,
// and layers that are made here come out, with a manifest in the registry.
package assemble

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"io"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

// Docker is the full builder: it is asked where assembling is not certain to make the same image.
type Docker interface {
	image.Builder
	Describe(r image.Request) (image.Dockerfile, error)
}

// Engine is what is needed of the Docker engine, where there is one.
type Engine interface {
	Inspect(ctx context.Context, ref string) (engine.Image, error)
	Save(ctx context.Context, ref string) (io.ReadCloser, error)
	Load(ctx context.Context, tar io.Reader) error
}

// Options is what the builder works with.
type Options struct {
	Dir      string // where it remembers images; empty: it does not
	Registry *image.Registry
	Engine   Engine // nil: there is none
	Index    image.Digester
	// OnlyAgain leaves Dockerfiles that run nothing to the full builder, and assembles only upon what that built.
	OnlyAgain bool
}

// Builder is the docker builder, quicker where it can be.
type Builder struct {
	Docker
	o     Options
	shelf *shelf
	store cellar
	mu    sync.Mutex
	known map[string]*record

	found   map[string]*foundation // images that stages start from, for the session
	refused map[string]refusal
	dead    bool // the engine does not answer
}

var _ image.Wrapper = (*Builder)(nil)

// New puts assembling before a builder.
func New(d Docker, o Options) *Builder {
	return &Builder{
		Docker: d, o: o, known: map[string]*record{}, found: map[string]*foundation{}, refused: map[string]refusal{}, store: cellar{o.Dir + "/images"},
		shelf: &shelf{dir: o.Dir + "/layers", blobs: o.Registry, have: map[string]*listing{}},
	}
}

// Unwrap is the full builder.
func (b *Builder) Unwrap() image.Builder { return b.Docker }

// Build assembles the image where that is certain to be what a build makes, and builds it where not.
func (b *Builder) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	in, err := b.inputs(r)
	if err != nil {
		return b.full(ctx, r, nil, err, out)
	}
	res, err := b.assemble(ctx, r, in)
	if err == nil || ctx.Err() != nil {
		return res, err
	}
	return b.full(ctx, r, in, err, out)
}

// inputs is what the request's image is made from besides its files.
func (b *Builder) inputs(r image.Request) (*inputs, error) {
	d, err := b.Describe(r)
	if err != nil {
		return nil, err
	}
	if d.Odd != "" {
		return nil, &uncertain{d.Odd + " is for the engine"}
	}
	return readInputs(d, r.Platform)
}

func (b *Builder) assemble(ctx context.Context, r image.Request, in *inputs) (image.Result, error) {
	name := b.store.name(in.Dockerfile, r)
	before := b.recall(name)
	ahead := b.ahead(ctx, r, before)
	defer ahead.cancel(ctx)
	d, err := b.again(ctx, before, in, r.Platform)
	if err != nil && ctx.Err() == nil && !b.o.OnlyAgain {
		from, why := b.fresh(ctx, in, r)
		if why != nil && errors.Is(err, errNothing) {
			return image.Result{}, why
		}
		if why == nil {
			d, err = from, nil
		}
	}
	if err != nil {
		return image.Result{}, err
	}
	defer d.close()
	if r.Push {
		return b.publish(ctx, r, name, d, ahead)
	}
	if !b.engineAnswers() {
		return image.Result{}, errNoEngine
	}
	return b.load(ctx, r, name, d)
}

// full builds with the engine, says why, and remembers what came out.
func (b *Builder) full(ctx context.Context, r image.Request, in *inputs, why error, out func(line string)) (image.Result, error) {
	var rec *record
	if in != nil {
		// What cannot be remembered is built in full the next time, too.
		rec, _ = b.remember(ctx, in, r.Platform)
	}
	res, err := b.Docker.Build(ctx, r, out)
	if diag.Kind(err) == diag.CodeCluster && isUncertain(why) && ctx.Err() == nil {
		return res, fmt.Errorf("it has to be built in full, because %s: %w", reason(why), err)
	}
	if err != nil {
		return res, err
	}
	b.mu.Lock()
	b.dead = false
	b.mu.Unlock()
	if why != nil && !errors.Is(why, errNothing) {
		res.How = "in full: " + reason(why)
	}
	if rec != nil {
		rec.Digest, rec.ID, rec.WorkDir, rec.Repository = res.Digest, res.ID, res.WorkDir, repository(r.Ref)
		b.keep(b.store.name(in.Dockerfile, r), rec)
	}
	return res, nil
}

func (b *Builder) recall(name string) *record {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[name] == nil {
		b.known[name] = b.store.load(name)
	}
	return b.known[name]
}

func (b *Builder) keep(name string, rec *record) {
	b.mu.Lock()
	b.known[name] = rec
	b.mu.Unlock()
	// One that cannot be kept costs a full build in the next session, and nothing else.
	_ = b.store.save(name, rec)
}

// publish sends what is new to the registry.
func (b *Builder) publish(ctx context.Context, r image.Request, name string, d *draft, ahead *uploads) (image.Result, error) {
	start := d.record.when()
	manifest, err := d.write(start)
	if err != nil {
		return image.Result{}, err
	}
	repo := repository(r.Ref)
	g, gctx := errgroup.WithContext(ctx)
	if d.base != nil {
		for _, l := range d.base.seen.Layers {
			g.Go(func() error { return b.offer(gctx, repo, l) })
		}
	}
	for _, p := range d.fresh {
		g.Go(func() error { return ahead.send(gctx, repo, p.blob) })
	}
	conf := image.BlobOf(image.Sum(d.config), d.config)
	g.Go(func() error { return ahead.send(gctx, repo, conf) })
	if err := g.Wait(); err != nil {
		return image.Result{}, err
	}
	if err := b.o.Registry.PutManifest(ctx, r.Ref, d.seen.MediaType, manifest); err != nil {
		return image.Result{}, err
	}
	digest := image.Sum(manifest)
	d.seen.Manifest, d.seen.Config = manifest, d.config
	d.record.Digest, d.record.ID = digest, ""
	b.keep(name, d.record)
	return image.Result{
		Image: r.Artifact.Image, Ref: image.Pinned(r.Ref, digest), Digest: digest, WorkDir: d.record.WorkDir, Pushed: true,
		How: how(len(d.fresh), len(d.layers)),
	}, nil
}

func how(fresh, all int) string {
	layers := "layers"
	if all == 1 {
		layers = "layer"
	}
	return fmt.Sprintf("assembled: %d of %d %s new", fresh, all, layers)
}

// when is the time of an image: that of its youngest file, so that the same files make the same image.
func (rec *record) when() time.Time {
	t := newest(rec.Context)
	var conf struct{ Created time.Time }
	if json.Unmarshal(rec.Image.Config, &conf) == nil && conf.Created.After(t) {
		t = conf.Created
	}
	return t.UTC()
}

// base is the configuration of an image that a stage starts from: as the engine has it, or its registry.
func (b *Builder) base(ctx context.Context, ref string, platform *ocispecs.Platform) (baseConfig, error) {
	if im, err := b.inspect(ctx, ref); err == nil && len(im.OCI) > 0 {
		return baseConfig{Digest: im.ID, JSON: im.OCI}, nil
	}
	f, err := b.foundation(ctx, ref, platform)
	if err != nil {
		return baseConfig{}, err
	}
	return baseConfig{Digest: f.manifest.Digest, JSON: f.manifest.Config}, nil
}

// inspect asks the engine for an image; one that does not answer is not asked again.
func (b *Builder) inspect(ctx context.Context, ref string) (engine.Image, error) {
	if b.o.Engine == nil || !b.engineAnswers() {
		return engine.Image{}, errNoEngine
	}
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	im, err := b.o.Engine.Inspect(ctx, ref)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		b.mu.Lock()
		b.dead = true
		b.mu.Unlock()
	}
	return im, err
}

// answersWithin is how long the engine may take to tell of an image.
const answersWithin = 5 * time.Second

var errNoEngine = errors.New("there is no engine")

func (b *Builder) engineAnswers() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.o.Engine != nil && !b.dead
}

// offer makes sure that a repository has a layer of the base image: it is there, or it is taken over from its own repository, or
// copied.
func (b *Builder) offer(ctx context.Context, repo string, l *layer) error {
	if l.Repository == repo {
		return nil
	}
	if has, err := b.o.Registry.Has(ctx, repo, l.Digest); err != nil || has {
		return err
	}
	if took, err := b.o.Registry.Mount(ctx, repo, l.Repository, l.Digest); err == nil && took {
		return nil
	}
	return b.o.Registry.Send(ctx, repo, image.Blob{Digest: l.Digest, Size: l.Size, Open: func() (io.ReadCloser, error) {
		return b.o.Registry.Layer(ctx, l.Repository, l.Digest)
	}})
}

func ggcrPlatform(text string) v1.Platform {
	p, err := v1.ParsePlatform(text)
	if err != nil || text == "" {
		return v1.Platform{OS: "linux", Architecture: "amd64"}
	}
	return *p
}

func repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}

// foreign is the frontend that a Dockerfile asks for, unless it is Docker's own in some version.
func foreign(text []byte) string {
	name, _, _, ok := parser.DetectSyntax(text)
	base, _, _ := strings.Cut(repository(name), ":")
	if !ok || base == "docker/dockerfile" || base == "docker/dockerfile-upstream" {
		return ""
	}
	return name
}
