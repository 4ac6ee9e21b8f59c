package assemble

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skiff-dev/skiff/internal/image"
)

// parse is the layers of an image.
func parse(m *image.Manifest) (*seen, error) {
	list, err := m.Layers()
	if err != nil {
		return nil, err
	}
	conf := &ocispecs.Image{}
	if err := json.Unmarshal(m.Config, conf); err != nil {
		return nil, fmt.Errorf("configuration of %s: %w", m.Repository, err)
	}
	s := &seen{Repository: m.Repository, MediaType: m.MediaType, Manifest: m.Raw, Config: m.Config}
	if len(list)-1 != len(conf.RootFS.DiffIDs) {
		return nil, &uncertain{"the image's layers and its configuration do not fit"}
	}
	for i, d := range list[1:] {
		if len(d.URLs) > 0 {
			return nil, &uncertain{"the image has layers that are not in its registry"}
		}
		s.Layers = append(s.Layers, &layer{
			Digest: d.Digest.String(), DiffID: conf.RootFS.DiffIDs[i].String(), Size: d.Size, MediaType: string(d.MediaType), Repository: m.Repository,
		})
	}
	return s, nil
}

// look matches the layers of a built image with the steps that made them, as far down from the top as the steps are of a kind that
// is done here. Every match is proved: the step is done with the files of then, and has to come out as the layer is.
func (b *Builder) look(ctx context.Context, rec *record, r *recipe, s *seen) (*seen, error) {
	conf := &ocispecs.Image{}
	if err := json.Unmarshal(s.Config, conf); err != nil {
		return nil, fmt.Errorf("configuration of the image before: %w", err)
	}
	steps, _, err := r.chain()
	if err != nil {
		return nil, err
	}
	places, err := place(r, conf, len(s.Layers))
	if err != nil {
		return nil, err
	}
	old := forestOf(rec.Context)
	// From the lowest of the trailing steps upwards: each one is looked at with what those below are known to have made.
	first := len(steps)
	for first > 0 && (doable(steps[first-1]) || keepable(steps[first-1])) && places[first-1].layer != 0 {
		first--
	}
	for i := first; i < len(steps); i++ {
		p := places[i]
		at := s.Layers[p.layer-1]
		if !doable(steps[i]) {
			s.Steps = append(s.Steps, made{Layer: p.layer - 1, History: p.history, Kept: true})
			continue
		}
		if err := b.shelf.get(ctx, at, maxUnasked); err != nil {
			return nil, err
		}
		done, err := b.prove(ctx, steps[i], s, p.layer-1, old)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			return nil, &uncertain{fmt.Sprintf("layer %d is not what %q makes: %s", p.layer, conf.History[p.history].CreatedBy, reason(err))}
		}
		done.Layer, done.History = p.layer-1, p.history
		s.Steps = append(s.Steps, done)
	}
	return s, s.check()
}

// keyword is the instruction that made an entry of a history; how the rest is written differs between versions of BuildKit.
func keyword(createdBy string) string {
	word, _, _ := strings.Cut(createdBy, " ")
	return word
}

// madeUp marks entries of a history that no step made.
const madeUp = "buildkit.exporter.image.v0"

// check makes sure that some step takes files of the context.
func (s *seen) check() error {
	for _, m := range s.Steps {
		if !m.Kept {
			return nil
		}
	}
	return &uncertain{"none of its last steps is a COPY or ADD of the context"}
}

// keepable says whether a step copies from stages and images only: its layer stays as long as what these take does not change.
func keepable(s *step) bool {
	file, _ := layerStep(s)
	if file == nil || file.op.GetFile() == nil {
		return false
	}
	for i, a := range file.op.GetFile().Actions {
		if a.GetCopy() == nil || file.input(a.SecondaryInput) == nil || file.input(a.SecondaryInput).isContext() || i > 0 && int(a.Input) != len(file.inputs)+i-1 {
			return false
		}
	}
	return true
}

// where is the place of a step in an image. layer counts from 1; 0 is none.
type where struct{ history, layer int }

// place finds for each step its entry of the history and its layer, from the top down. The history has to be what the Dockerfile says.
func place(r *recipe, conf *ocispecs.Image, layers int) ([]where, error) {
	steps, _, err := r.chain()
	if err != nil {
		return nil, err
	}
	own, all := r.ownHistory(), conf.History
	// Where the image below has layers without a history, the engine makes up for them at the end.
	for len(all) > 0 && all[len(all)-1].Comment == madeUp {
		all = all[:len(all)-1]
	}
	offset := len(all) - len(own)
	if offset < 0 {
		return nil, &uncertain{"its history is not what the Dockerfile says"}
	}
	filled := 0
	for _, h := range conf.History {
		if !h.EmptyLayer {
			filled++
		}
	}
	// A base without any history has layers all the same.
	if filled != layers && len(all) > len(own) {
		return nil, &uncertain{"its history does not fit its layers"}
	}
	places := make([]where, len(steps))
	next, at := layers, len(steps)-1
	for i := len(own) - 1; i >= 0; i-- {
		h := all[offset+i]
		if keyword(h.CreatedBy) != keyword(own[i].CreatedBy) {
			return nil, &uncertain{fmt.Sprintf("its history says %q where the Dockerfile says %q", h.CreatedBy, own[i].CreatedBy)}
		}
		if own[i].EmptyLayer {
			if !h.EmptyLayer {
				return nil, &uncertain{"its history does not fit its layers"}
			}
			continue
		}
		if at < 0 {
			return nil, &uncertain{"its history does not fit the steps"}
		}
		places[at] = where{history: offset + i}
		if !h.EmptyLayer {
			places[at].layer = next
			next--
		}
		if next < 0 {
			return nil, &uncertain{"its history does not fit its layers"}
		}
		at--
	}
	if at >= 0 {
		return nil, &uncertain{"its history does not fit the steps"}
	}
	return places, nil
}

// doable says whether a step takes files of the context, or its own, and nothing else.
func doable(s *step) bool {
	switch op := s.op.Op.(type) {
	case *pb.Op_Merge:
		over := s.input(op.Merge.Inputs[1].Input)
		return over != nil && over.op.GetFile() != nil && over.fileBase() == nil && doable(over)
	case *pb.Op_File:
		for i, a := range op.File.Actions {
			if i > 0 && int(a.Input) != len(s.inputs)+i-1 {
				return false
			}
			switch a.Action.(type) {
			case *pb.FileAction_Mkdir, *pb.FileAction_Mkfile:
			case *pb.FileAction_Copy:
				from := s.input(a.SecondaryInput)
				if !from.isContext() && !inline(from) {
					return false
				}
			default:
				return false
			}
		}
		return true
	}
	return false
}

// inline says whether a step is the text of a here-document.
func inline(s *step) bool {
	if s == nil || s.op.GetFile() == nil || len(s.inputs) > 0 {
		return false
	}
	return !slices.ContainsFunc(s.op.GetFile().Actions, func(a *pb.FileAction) bool { return a.GetMkfile() == nil })
}

// layerStep is the step whose files a layer holds: of COPY --link what is linked.
func layerStep(s *step) (file *step, linked bool) {
	if merge := s.op.GetMerge(); merge != nil {
		return s.input(merge.Inputs[1].Input), true
	}
	return s, false
}

// evidence is what an image is known to have below a step whose layer is known: the folders that the layer names, and no file where it
// has one. What it does not name is asked below.
type evidence struct {
	layer *forest
	below statter // nil: nothing more is known, and is taken to be not there
}

func (e *evidence) stat(p string) (*node, error) {
	if n := e.layer.nodes[p]; n != nil {
		if n.isDir() {
			return n, nil
		}
		return nil, nil
	}
	if e.below == nil {
		return nil, nil
	}
	return e.below.stat(p)
}

// prove does a step with the files of then, and compares what comes out with its layer.
func (b *Builder) prove(ctx context.Context, s *step, im *seen, at int, old *forest) (made, error) {
	files, linked := layerStep(s)
	have := im.Layers[at].files
	if len(have.Gone)+len(have.Opaque) > 0 {
		return made{}, &uncertain{"it takes files away"}
	}
	done := made{Nodes: have.Nodes}
	m := &maker{context: old}
	if named := namedOwner(files); named != nil {
		who, err := ownerIn(have.Nodes)
		if err != nil {
			return made{}, err
		}
		m.named, done.Owner = who, []int{who.uid, who.gid}
	}
	lower := statter(&evidence{layer: have.forest})
	if linked {
		lower = newForest()
	}
	nodes, err := m.file(ctx, files, lower)
	if err == nil {
		err = same(nodes, have.Nodes)
	}
	if err != nil && !linked && ctx.Err() == nil {
		// Where the destination is reached by links of the image below, only that knows.
		if nodes, err = m.file(ctx, files, b.stackOf(ctx, im, at, maxUnasked)); err == nil {
			err = same(nodes, have.Nodes)
		}
	}
	if err != nil {
		return made{}, err
	}
	markMade(files, have)
	done.Outcome = digestOf(nodes)
	return done, nil
}

// namedOwner is the owner of a step that has to be looked up in the image.
func namedOwner(s *step) *pb.ChownOpt {
	for _, a := range s.op.GetFile().GetActions() {
		if o := ownerOf(a); isNamed(o) {
			return o
		}
	}
	return nil
}

// ownerIn is who all files of a layer belong to.
func ownerIn(nodes []*node) (*owner, error) {
	var who *owner
	for _, n := range nodes {
		if n.isDir() {
			continue
		}
		if who == nil {
			who = &owner{n.UID, n.GID}
		} else if *who != (owner{n.UID, n.GID}) {
			return nil, &uncertain{"its files belong to several users"}
		}
	}
	if who == nil {
		return nil, &uncertain{"it has no file that shows its owner"}
	}
	return who, nil
}

// same compares what a step makes with what a layer holds. Times do not count: a builder takes a step from its cache when only times
// differ.
func same(want, have []*node) error {
	mine, theirs := forestOf(want), forestOf(have)
	for _, p := range theirs.paths() {
		if mine.nodes[p] == nil {
			return &uncertain{fmt.Sprintf("it has /%s besides", p)}
		}
	}
	for _, p := range mine.paths() {
		a, b := mine.nodes[p], theirs.nodes[p]
		if b == nil {
			return &uncertain{fmt.Sprintf("it lacks /%s", p)}
		}
		if plain(a) != plain(b) {
			return &uncertain{fmt.Sprintf("/%s is another one there", p)}
		}
	}
	return nil
}

// plain is a node without what archives write in several ways.
func plain(n *node) string {
	c := *n
	c.Inode = ""
	if c.isDir() {
		c.Size = 0
	}
	if c.isLink() {
		c.Size, c.Mode = 0, c.Mode.Type()
	}
	return digestOf([]*node{&c})
}

// markMade notes the folder that WORKDIR made: below it there is nothing of the layers below.
func markMade(s *step, l *listing) {
	for _, a := range s.op.GetFile().GetActions() {
		if mk := a.GetMkdir(); mk != nil && l.forest.nodes[inside(mk.Path)].isDir() {
			l.made[inside(mk.Path)] = true
		}
	}
}

// stackOf is the layers of an image below one of them.
func (b *Builder) stackOf(ctx context.Context, im *seen, below int, limit int64) *stack {
	return &stack{layers: im.Layers[:below], read: func(l *layer) error { return b.shelf.get(ctx, l, limit) }}
}

var errNothing = errors.New("nothing is known of the image before")
