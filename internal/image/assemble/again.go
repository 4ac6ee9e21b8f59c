package assemble

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/skiff-dev/skiff/internal/image"
)

// draft is an image that is about to be: which of its layers are new, and which it shares with the one before.
type draft struct {
	seen   *seen
	config []byte
	layers []*layer
	fresh  []*packed
	record *record

	manifest []byte      // nil: it is made from the one before
	places   []int       // of the steps in the history
	base     *foundation // nil: the image starts from nothing, or from the one before
}

func (d *draft) close() {
	for _, p := range d.fresh {
		p.close()
	}
}

// again makes the layers anew that a change of files reached, on the image of before. It is an *uncertain error where that would not
// for certain be what a build makes.
func (b *Builder) again(ctx context.Context, rec *record, in *inputs, platform string) (*draft, error) {
	if rec == nil {
		return nil, errNothing
	}
	if why := rec.differs(in, platform); why != "" {
		return nil, &uncertain{why}
	}
	r, err := in.recipe(ctx, rec.bases)
	if err != nil {
		return nil, err
	}
	if rec.Image == nil {
		if err := b.lookAt(ctx, rec, r); err != nil {
			return nil, err
		}
	}
	now, err := in.files(ctx, r, b.o.Index)
	if err != nil {
		return nil, err
	}
	if err := onlyTrailing(rec, r, now); err != nil {
		return nil, err
	}
	return b.redo(ctx, rec, r, now)
}

// lookAt reads the image that a record is about.
func (b *Builder) lookAt(ctx context.Context, rec *record, r *recipe) error {
	if rec.Digest == "" {
		return &uncertain{"the image before is in the engine only"}
	}
	m, err := b.o.Registry.Fetch(ctx, rec.Repository+"@"+rec.Digest, ggcrPlatform(rec.Platform))
	if err != nil {
		return err
	}
	rec.Image, err = b.look(ctx, rec, r, m)
	return err
}

// onlyTrailing makes sure that what changed goes into the trailing steps and nowhere else.
func onlyTrailing(rec *record, r *recipe, now *forest) error {
	steps, _, err := r.chain()
	if err != nil {
		return err
	}
	old := forestOf(rec.Context)
	moved := changed(old, now)
	if len(moved) == 0 {
		return nil
	}
	trailing := len(rec.Image.Steps)
	seen := map[*step]bool{}
	for _, s := range steps[len(steps)-trailing:] {
		seen[s] = true
		file, _ := layerStep(s)
		seen[file] = true
	}
	for _, f := range []*forest{old, now} {
		whole := false
		below := map[string]bool{}
		for _, s := range steps[:len(steps)-trailing] {
			for p := range used(s, f, &whole, seen) {
				below[p] = true
			}
		}
		for _, p := range moved {
			if whole {
				return &uncertain{fmt.Sprintf("%s changed, and a RUN step reads the context", p)}
			}
			if n := f.nodes[p]; below[p] && !n.isDir() {
				return &uncertain{fmt.Sprintf("%s also goes into a step before the last ones", p)}
			}
		}
	}
	return nil
}

// redo does the trailing steps again and keeps the layers of those that come out as before.
func (b *Builder) redo(ctx context.Context, rec *record, r *recipe, now *forest) (*draft, error) {
	steps, _, err := r.chain()
	if err != nil {
		return nil, err
	}
	im := rec.Image
	next := &seen{Repository: im.Repository, MediaType: im.MediaType, Manifest: im.Manifest, Config: im.Config}
	next.Layers = append(next.Layers, im.Layers...)
	d := &draft{seen: next}
	m := &maker{context: now, when: newest(now.sorted())}
	for i, was := range im.Steps {
		s := steps[len(steps)-len(im.Steps)+i]
		done, err := b.redoStep(ctx, m, s, rec, was, next, d)
		if err != nil {
			d.close()
			return nil, err
		}
		next.Steps = append(next.Steps, done)
	}
	d.layers = next.Layers
	copied := *rec
	copied.Context, copied.Image = now.sorted(), next
	d.record = &copied
	return d, nil
}

func (b *Builder) redoStep(ctx context.Context, m *maker, s *step, rec *record, was made, next *seen, d *draft) (made, error) {
	file, linked := layerStep(s)
	have := (&listing{Nodes: was.Nodes}).index(nil)
	markMade(file, have)
	next.Layers[was.Layer] = withFiles(next.Layers[was.Layer], have)
	if !file.takesContext() {
		return was, nil
	}
	m.named = nil
	if len(was.Owner) == 2 {
		m.named = &owner{was.Owner[0], was.Owner[1]}
	}
	var lower statter = &evidence{layer: have.forest, below: b.stackOf(ctx, next, was.Layer, maxUnasked)}
	if linked {
		lower = newForest()
	}
	nodes, err := m.file(ctx, file, lower)
	if err != nil {
		return made{}, err
	}
	if digestOf(nodes) == was.Outcome {
		return was, nil
	}
	p, err := pack(ctx, nodes, next.Layers[was.Layer].MediaType)
	if err != nil {
		return made{}, err
	}
	p.Repository = next.Repository
	markMade(file, p.files)
	next.Layers[was.Layer] = &p.layer
	d.fresh = append(d.fresh, p)
	was.Nodes, was.Outcome = nodes, digestOf(nodes)
	return was, nil
}

func withFiles(l *layer, files *listing) *layer {
	c := *l
	c.files = files
	return &c
}

// newest is the time of the youngest file.
func newest(nodes []*node) time.Time {
	var t time.Time
	for _, n := range nodes {
		if n.Time.After(t) && !n.isDir() {
			t = n.Time
		}
	}
	return t
}

// write makes configuration and manifest of a draft, which differ from those before in what names the new layers.
func (d *draft) write(when time.Time) (manifest []byte, err error) {
	if d.manifest != nil {
		return d.manifest, nil
	}
	diffs := make([]string, len(d.layers))
	for i, l := range d.layers {
		diffs[i] = l.DiffID
	}
	if d.config, err = edit(d.seen.Config, func(c map[string]json.RawMessage) error {
		return d.editConfig(c, diffs, when)
	}); err != nil {
		return nil, err
	}
	return edit(d.seen.Manifest, func(m map[string]json.RawMessage) error {
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(m["layers"], &list); err != nil {
			return err
		}
		for i, l := range d.layers {
			list[i]["digest"], list[i]["size"] = quote(l.Digest), quote(l.Size)
		}
		conf := map[string]json.RawMessage{}
		if err := json.Unmarshal(m["config"], &conf); err != nil {
			return err
		}
		conf["digest"], conf["size"] = quote(image.Sum(d.config)), quote(len(d.config))
		m["layers"], m["config"] = quote(list), quote(conf)
		return nil
	})
}

func (d *draft) editConfig(c map[string]json.RawMessage, diffs []string, when time.Time) error {
	root := map[string]json.RawMessage{}
	if err := json.Unmarshal(c["rootfs"], &root); err != nil {
		return err
	}
	root["diff_ids"] = quote(diffs)
	var history []map[string]json.RawMessage
	if err := json.Unmarshal(c["history"], &history); err != nil {
		return err
	}
	fresh := map[string]bool{}
	for _, p := range d.fresh {
		fresh[p.Digest] = true
	}
	for _, s := range d.seen.Steps {
		if fresh[d.layers[s.Layer].Digest] {
			history[s.History]["created"] = quote(when)
		}
	}
	c["rootfs"], c["history"], c["created"] = quote(root), quote(history), quote(when)
	return nil
}

// edit changes some keys of a JSON object and keeps the others as they are.
func edit(data []byte, change func(map[string]json.RawMessage) error) ([]byte, error) {
	object := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, err
	}
	if err := change(object); err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

func quote(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // strings, numbers and times always can be written
	}
	return data
}
