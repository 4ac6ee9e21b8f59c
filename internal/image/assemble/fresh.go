package assemble

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skiff-dev/skiff/internal/image"
)

// fresh makes an image whose Dockerfile runs nothing, from its base image on.
func (b *Builder) fresh(ctx context.Context, in *inputs, r image.Request) (*draft, error) {
	rec := &record{
		Version: recordVersion, Dockerfile: in.textSum, Ignore: in.ignores, Args: in.argSums(), Target: in.Target, Platform: r.Platform,
		Bases: map[string]baseConfig{}, Repository: repository(r.Ref),
	}
	found := map[string]*foundation{}
	rcp, err := in.recipe(ctx, func(ctx context.Context, ref string, p *ocispecs.Platform) (baseConfig, error) {
		f, err := b.foundation(ctx, ref, p)
		if err != nil {
			return baseConfig{}, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		c := baseConfig{Digest: f.manifest.Digest, JSON: f.manifest.Config}
		rec.Bases[ref], found[ref] = c, f
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	if rcp.last.runs() {
		return nil, &uncertain{"its Dockerfile runs commands"}
	}
	files, err := in.files(ctx, rcp, b.o.Index)
	if err != nil {
		return nil, err
	}
	rec.Context = files.sorted()
	m := &maker{context: files, when: newest(rec.Context), bottom: func(ctx context.Context, s *step) (*stack, error) {
		return b.bottom(ctx, s, found)
	}}
	return b.layAll(ctx, m, rcp, rec, found)
}

// foundation is an image that a stage starts from or copies from.
type foundation struct {
	manifest *image.Manifest
	seen     *seen
	inEngine bool
}

// foundation finds an image: the one that the engine has under the name, if it has it, as a build there would; else its registry's.
func (b *Builder) foundation(ctx context.Context, ref string, platform *ocispecs.Platform) (*foundation, error) {
	p := v1.Platform{OS: "linux", Architecture: "amd64"}
	if platform != nil {
		p = v1.Platform{OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant}
	}
	key := ref + " " + p.String()
	b.mu.Lock()
	known, refused := b.found[key], b.refused[key]
	b.mu.Unlock()
	if known != nil || refused.err != nil && time.Since(refused.at) < askAgain {
		return known, refused.err
	}
	f, err := b.findFoundation(ctx, ref, p)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.refused[key] = refusal{err, time.Now()}
		return nil, err
	}
	b.found[key] = f
	return f, nil
}

// refusal is why an image was not found, and when.
type refusal struct {
	err error
	at  time.Time
}

// askAgain is how long it is not asked for again: a registry that is not there may take long to say so.
const askAgain = 30 * time.Second

// foundWithin is how long a registry may take to tell of an image.
const foundWithin = 15 * time.Second

func (b *Builder) findFoundation(ctx context.Context, ref string, p v1.Platform) (*foundation, error) {
	ctx, cancel := context.WithTimeout(ctx, foundWithin)
	defer cancel()
	names, id := []string{ref}, ""
	if im, err := b.inspect(ctx, ref); err == nil {
		if names, id = im.Digests, im.ID; len(names) == 0 {
			return nil, &uncertain{ref + " is in the engine only"}
		}
	}
	var last error
	for _, name := range names {
		m, err := b.o.Registry.Fetch(ctx, name, p)
		if err != nil {
			last = err
			continue
		}
		s, err := parse(m)
		if err != nil {
			return nil, err
		}
		if id != "" && id != image.Sum(m.Config) && id != m.Digest {
			last = &uncertain{"the engine has another " + ref + " than its registry"}
			continue
		}
		return &foundation{m, s, id != ""}, nil
	}
	return nil, &uncertain{fmt.Sprintf("%s cannot be read from its registry: %s", ref, reason(last))}
}

// bottom is the layers of the image that a step is.
func (b *Builder) bottom(ctx context.Context, s *step, found map[string]*foundation) (*stack, error) {
	ref := strings.TrimPrefix(s.op.GetSource().Identifier, imageScheme)
	name, _, _ := strings.Cut(ref, "@")
	f := found[name]
	if f == nil {
		f = found[ref]
	}
	if f == nil {
		return nil, &uncertain{"the image " + ref + " is not known"}
	}
	limit := int64(0)
	if b.engineAnswers() {
		limit = maxUnasked
	}
	layers := append([]*layer(nil), f.seen.Layers...)
	return &stack{layers: layers, read: func(l *layer) error { return b.shelf.get(ctx, l, limit) }}, nil
}

// layAll does all steps of the image over its base.
func (b *Builder) layAll(ctx context.Context, m *maker, r *recipe, rec *record, found map[string]*foundation) (*draft, error) {
	steps, base, err := r.chain()
	if err != nil {
		return nil, err
	}
	below := &stack{}
	d := &draft{record: rec, seen: &seen{Repository: rec.Repository, MediaType: string(types.DockerManifestSchema2)}}
	kind := types.DockerLayer
	if base != nil {
		if base.op.GetSource() == nil || !strings.HasPrefix(base.op.GetSource().Identifier, imageScheme) {
			return nil, &uncertain{"it starts from " + base.op.GetSource().GetIdentifier()}
		}
		if below, err = m.bottom(ctx, base); err != nil {
			return nil, err
		}
		f := found[baseName(base)]
		if d.base = f; f != nil && !image.IsDocker(f.manifest.MediaType) {
			d.seen.MediaType, kind = string(types.OCIManifestSchema1), types.OCILayer
		}
	}
	d.seen.Layers = append(d.seen.Layers, below.layers...)
	outcomes, err := b.lay(ctx, m, steps, below, d, string(kind))
	if err != nil {
		d.close()
		return nil, err
	}
	if err := d.describe(r, outcomes); err != nil {
		d.close()
		return nil, err
	}
	d.keepTrailing(steps, outcomes)
	rec.Image, d.layers = d.seen, d.seen.Layers
	rec.WorkDir = r.image.Config.WorkingDir
	if rec.WorkDir == "" {
		rec.WorkDir = "/"
	}
	return d, nil
}

func baseName(s *step) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(s.op.GetSource().Identifier, imageScheme), "@")
	return name
}

// outcome is what a step came to. Also one that changes nothing has a layer, as BuildKit makes it.
type outcome struct {
	layer int
	nodes []*node
	owner *owner
}

// lay does the steps one after the other, each over what those before left.
func (b *Builder) lay(ctx context.Context, m *maker, steps []*step, below *stack, d *draft, kind string) ([]outcome, error) {
	var outcomes []outcome
	for _, s := range steps {
		file, linked := layerStep(s)
		if file == nil || file.op.GetFile() == nil {
			return nil, &uncertain{"a step of a kind that is not known here"}
		}
		lower := statter(&stack{layers: append([]*layer(nil), below.layers...), read: below.read})
		if linked {
			lower = newForest()
		}
		nodes, err := m.file(ctx, file, lower)
		if err != nil {
			return nil, err
		}
		if err := b.extract(ctx, nodes); err != nil {
			return nil, err
		}
		p, err := pack(ctx, nodes, kind)
		if err != nil {
			return nil, err
		}
		p.Repository = d.seen.Repository
		d.fresh = append(d.fresh, p)
		o := outcome{layer: len(d.seen.Layers), nodes: nodes}
		if named := namedOwner(file); named != nil {
			if o.owner, err = m.owner(named, lower); err != nil {
				return nil, err
			}
		}
		d.seen.Layers = append(d.seen.Layers, &p.layer)
		below.layers = append(below.layers, &p.layer)
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// describe makes configuration and manifest of an image that was made from nothing before.
func (d *draft) describe(r *recipe, outcomes []outcome) error {
	conf := *r.image
	when := d.record.whenFresh(r)
	conf.Created = &when
	conf.RootFS = ocispecs.RootFS{Type: "layers"}
	for _, l := range d.seen.Layers {
		conf.RootFS.DiffIDs = append(conf.RootFS.DiffIDs, digest.Digest(l.DiffID))
	}
	conf.History = append([]ocispecs.History(nil), conf.History...)
	for i := len(conf.History) - len(r.ownHistory()); i < len(conf.History); i++ {
		conf.History[i].Created = &when
		if conf.History[i].EmptyLayer {
			continue
		}
		d.places = append(d.places, i)
	}
	if len(d.places) != len(outcomes) {
		return &uncertain{"its history does not fit its steps"}
	}
	var err error
	if d.config, err = json.Marshal(conf); err != nil {
		return err
	}
	list := []map[string]any{}
	for _, l := range d.seen.Layers {
		list = append(list, map[string]any{"mediaType": l.MediaType, "size": l.Size, "digest": l.Digest})
	}
	confType := types.DockerConfigJSON
	if !image.IsDocker(d.seen.MediaType) {
		confType = types.OCIConfigJSON
	}
	d.manifest, err = json.MarshalIndent(map[string]any{
		"schemaVersion": 2, "mediaType": d.seen.MediaType,
		"config": map[string]any{"mediaType": confType, "size": len(d.config), "digest": image.Sum(d.config)},
		"layers": list,
	}, "", "   ")
	return err
}

// keepTrailing notes the steps at the end that a change of files may make again.
func (d *draft) keepTrailing(steps []*step, outcomes []outcome) {
	first := len(steps)
	for first > 0 && (doable(steps[first-1]) || keepable(steps[first-1])) {
		first--
	}
	for i := first; i < len(steps); i++ {
		o := outcomes[i]
		s := made{Layer: o.layer, History: d.places[i], Nodes: o.nodes, Outcome: digestOf(o.nodes)}
		s.Kept = !doable(steps[i])
		if o.owner != nil {
			s.Owner = []int{o.owner.uid, o.owner.gid}
		}
		d.seen.Steps = append(d.seen.Steps, s)
	}
}

// whenFresh is the time of an image: that of what is youngest of all that it is made from.
func (rec *record) whenFresh(r *recipe) time.Time {
	t := newest(rec.Context)
	if r.base != nil && r.base.Created != nil && r.base.Created.After(t) {
		t = *r.base.Created
	}
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC()
}
