package assemble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// baseConfig is an image that a Dockerfile starts from, as far as that decides about what is made of it.
type baseConfig struct {
	Digest string          `json:"digest"` // of the manifest, or of the engine's image
	JSON   json.RawMessage `json:"json"`
}

// bases finds the images that stages start from.
type bases func(ctx context.Context, ref string, platform *ocispecs.Platform) (baseConfig, error)

// ResolveImageConfig is what BuildKit's frontend asks.
func (b bases) ResolveImageConfig(ctx context.Context, ref string, o sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var platform *ocispecs.Platform
	if o.ImageOpt != nil {
		platform = o.ImageOpt.Platform
	}
	c, err := b(ctx, ref, platform)
	if err != nil {
		return "", "", nil, err
	}
	return ref, digest.Digest(c.Digest), c.JSON, nil
}

// step is one step of a Dockerfile that makes a layer, or that others copy from.
type step struct {
	op     *pb.Op
	inputs []input
	sign   string // what it does and to what, without the contents of the build context
}

// input is what a step starts from.
type input struct {
	*step
	index int64
}

// recipe is what a Dockerfile says, as BuildKit's own frontend reads it.
type recipe struct {
	last  *step // nil: an image without a layer
	image *dockerspec.DockerOCIImage
	base  *dockerspec.DockerOCIImage // nil: it starts from nothing
}

// contextName is how the build context is called in a recipe.
const contextName = "local://context"

// readRecipe converts a Dockerfile into the steps that make its target.
func readRecipe(ctx context.Context, dockerfile []byte, o dockerui.Config, platform ocispecs.Platform, find bases) (*recipe, error) {
	caps := pb.Caps.CapSet(pb.Caps.All())
	main := llb.Local("context", llb.LocalUniqueID("context"))
	converted, err := dockerfile2llb.Dockerfile2LLB(ctx, dockerfile, dockerfile2llb.ConvertOpt{
		Config: o, MainContext: &main, TargetPlatform: &platform, MetaResolver: find, LLBCaps: &caps,
	})
	if err != nil {
		return nil, err
	}
	def, err := converted.State.Marshal(ctx, llb.Platform(platform))
	if err != nil {
		return nil, err
	}
	r := &recipe{image: converted.Image, base: converted.BaseImage}
	r.last, err = readSteps(def)
	return r, err
}

// readSteps links the operations of a definition; the last one only names the result.
func readSteps(def *llb.Definition) (*step, error) {
	if len(def.Def) == 0 {
		return nil, nil
	}
	steps := map[string]*step{}
	var last *step
	for _, data := range def.Def {
		op := &pb.Op{}
		if err := op.UnmarshalVT(data); err != nil {
			return nil, fmt.Errorf("read the steps of the Dockerfile: %w", err)
		}
		s := &step{op: op}
		for _, in := range op.Inputs {
			from := steps[in.Digest]
			if from == nil {
				return nil, errors.New("read the steps of the Dockerfile: they are not in order")
			}
			s.inputs = append(s.inputs, input{from, in.Index})
		}
		s.sign = s.signature()
		steps[string(digest.FromBytes(data))] = s
		last = s
	}
	if last.op.Op == nil && len(last.inputs) > 0 {
		last = last.inputs[0].step
	}
	return last, nil
}

// signature is equal for steps that do the same to the same.
func (s *step) signature() string {
	h := sha256.New()
	for _, in := range s.inputs {
		fmt.Fprintf(h, "%s %d\n", in.sign, in.index)
	}
	op := s.op.CloneVT()
	op.Inputs = nil
	data, _ := op.MarshalVT() // a message that was read can be written
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// chain is the steps that make the layers of the image above its base, in their order, and the base: a source, or nil for an empty
// image.
func (r *recipe) chain() (steps []*step, base *step, err error) {
	for at := r.last; at != nil; {
		switch op := at.op.Op.(type) {
		case *pb.Op_Source:
			reverse(steps)
			return steps, at, nil
		case *pb.Op_Exec:
			steps = append(steps, at)
			at = at.root(op.Exec)
		case *pb.Op_File:
			steps = append(steps, at)
			at = at.fileBase()
		case *pb.Op_Merge:
			if len(op.Merge.Inputs) != 2 {
				return nil, nil, &uncertain{"a step joins more than two file systems"}
			}
			steps = append(steps, at)
			at = at.input(op.Merge.Inputs[0].Input)
		default:
			return nil, nil, &uncertain{fmt.Sprintf("a step of a kind that is not known here: %T", op)}
		}
	}
	reverse(steps)
	return steps, nil, nil
}

func reverse(list []*step) {
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
}

// input is the step behind one of the inputs; nil for an empty file system.
func (s *step) input(i int64) *step {
	if i < 0 || int(i) >= len(s.inputs) {
		return nil
	}
	return s.inputs[i].step
}

// root is what a RUN step works on.
func (s *step) root(exec *pb.ExecOp) *step {
	for _, m := range exec.Mounts {
		if m.Dest == "/" {
			return s.input(m.Input)
		}
	}
	return nil
}

// fileBase is what the first action of a file step changes.
func (s *step) fileBase() *step {
	for _, a := range s.op.GetFile().Actions {
		if int(a.Input) < len(s.inputs) {
			return s.input(a.Input)
		}
	}
	return nil
}

// isContext says whether the step is the build context.
func (s *step) isContext() bool {
	return s != nil && s.op.GetSource() != nil && s.op.GetSource().Identifier == contextName
}

// usesContext says whether the step or one that it needs takes files of the build context.
func (s *step) usesContext() bool {
	if s == nil {
		return false
	}
	if s.isContext() {
		return true
	}
	for _, in := range s.inputs {
		if in.step.usesContext() {
			return true
		}
	}
	return false
}

// takesContext says whether the step itself puts files of the context into its layer.
func (s *step) takesContext() bool {
	for _, a := range s.op.GetFile().GetActions() {
		if a.GetCopy() != nil && s.input(a.SecondaryInput).usesContext() {
			return true
		}
	}
	return false
}

// runs says whether the step or one that it needs runs a command.
func (s *step) runs() bool {
	if s == nil {
		return false
	}
	if s.op.GetExec() != nil {
		return true
	}
	for _, in := range s.inputs {
		if in.step.runs() {
			return true
		}
	}
	return false
}

// contextPaths are the paths of the context that the step and those it needs may take; whole says that it may be any.
func (s *step) contextPaths(paths map[string]bool, seen map[*step]bool) (whole bool) {
	if s == nil || seen[s] {
		return false
	}
	seen[s] = true
	if file := s.op.GetFile(); file != nil {
		for _, a := range file.Actions {
			c := a.GetCopy()
			if c == nil || !s.input(a.SecondaryInput).isContext() {
				continue
			}
			src := inside(c.Src)
			if src == "" {
				whole = true
			}
			paths[src] = true
		}
	} else {
		for _, in := range s.inputs {
			whole = whole || in.step.isContext() // a mount of the context
		}
	}
	for _, in := range s.inputs {
		if in.step.contextPaths(paths, seen) {
			whole = true
		}
	}
	return whole
}

// ownHistory is the history of the steps above the base image.
func (r *recipe) ownHistory() []ocispecs.History {
	all := r.image.History
	if r.base != nil {
		return all[min(len(r.base.History), len(all)):]
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// reason is an error as one line for the user: the words of an uncertain one, whatever libraries put around it.
func reason(err error) string {
	text := err.Error()
	var u *uncertain
	if errors.As(err, &u) {
		text = u.why
	}
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func isUncertain(err error) bool {
	var u *uncertain
	return errors.As(err, &u)
}
