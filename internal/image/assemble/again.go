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
		err = b.lookAt(ctx, rec, r)
	} else {
		err = rec.Image.check()
	}
	if err != nil {
		return nil, err
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
		s, err := b.saved(ctx, rec.ID)
		if err != nil {
			return err
		}
		rec.Image, err = b.look(ctx, rec, r, s)
		return err
	}
	m, err := b.o.Registry.Fetch(ctx, rec.Repository+"@"+rec.Digest, ggcrPlatform(rec.Platform))
	if err != nil {
		return err
	}
	s, err := parse(m)
	if err != nil {
		return err
	}
	rec.Image, err = b.look(ctx, rec, r, s)
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
	for _, f := range []*forest{old, now} {
		below, whole := rest(steps, rec.Image.Steps, f)
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

// rest are the files of the context that reach the image in another way than by the last steps; whole says that all may.
func rest(steps []*step, last []made, f *forest) (below map[string]bool, whole bool) {
	seen, below := map[*step]bool{}, map[string]bool{}
	tail := steps[len(steps)-len(last):]
	for i, s := range tail {
		file, _ := layerStep(s)
		seen[s], seen[file] = true, !last[i].Kept
	}
	for i, s := range steps {
		at := i - (len(steps) - len(last))
		if at >= 0 && !last[at].Kept {
			continue
		}
		file, _ := layerStep(s)
		for _, one := range []*step{s, file} {
			if at >= 0 {
				delete(seen, one)
			}
			for p := range used(one, f, &whole, seen) {
				below[p] = true
			}
		}
	}
	return below, whole
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
	var moved []move
	for i, was := range im.Steps {
		s := steps[len(steps)-len(im.Steps)+i]
		done := was
		if was.Kept {
			err = b.stays(ctx, next.Layers[was.Layer], moved)
		} else {
			done, err = b.redoStep(ctx, m, s, was, next, d, moved)
		}
		if err != nil {
			d.close()
			return nil, err
		}
		moved = append(moved, moves(was.Nodes, done.Nodes)...)
		next.Steps = append(next.Steps, done)
	}
	d.layers = next.Layers
	copied := *rec
	copied.Context, copied.Image = now.sorted(), next
	d.record = &copied
	return d, nil
}

func (b *Builder) redoStep(ctx context.Context, m *maker, s *step, was made, next *seen, d *draft, moved []move) (made, error) {
	file, linked := layerStep(s)
	have := (&listing{Nodes: was.Nodes}).index(nil)
	markMade(file, have)
	next.Layers[was.Layer] = withFiles(next.Layers[was.Layer], have)
	if err := undisturbed(have.forest, moved, false); err != nil && !linked {
		return made{}, err
	}
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

// move is a path that came, went or became something else in a layer, or a folder that belongs to another or has another mode now.
type move struct {
	path string
	link bool // it leads, or led, elsewhere
}

func moves(before, after []*node) []move {
	old, now := forestOf(before), forestOf(after)
	var list []move
	for _, p := range changed(old, now) {
		a, b := old.nodes[p], now.nodes[p]
		if a == nil || b == nil || a.Mode.Type() != b.Mode.Type() || a.isLink() || a.isDir() {
			list = append(list, move{p, a.isLink() || b.isLink()})
		}
	}
	return list
}

// undisturbed makes sure that a step does over layers that changed their shape what it did over those of before.
func undisturbed(layer *forest, moved []move, all bool) error {
	for _, m := range moved {
		if n := layer.nodes[m.path]; m.link || n.isDir() || n != nil && all {
			return &uncertain{"a step after the changed one also writes /" + m.path}
		}
	}
	return nil
}

// stays makes sure that the layer of a copy from another stage would come out as before.
func (b *Builder) stays(ctx context.Context, l *layer, moved []move) error {
	if len(moved) == 0 {
		return nil
	}
	if err := b.shelf.get(ctx, l, maxUnasked); err != nil {
		return err
	}
	return undisturbed(l.files.forest, moved, true)
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
	if len(d.seen.Manifest) == 0 {
		return nil, nil // it is in the engine, which has none
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
