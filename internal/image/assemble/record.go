package assemble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerui"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skiff-dev/skiff/internal/image"
)

// record is what is remembered of an image, so that the next one can be made from it: what it was built of, and, once that was looked
// at, which layer each step made. It is kept on disk, one for each artifact and place that its images go to.
type record struct {
	Version    int                   `json:"version"`
	Dockerfile string                `json:"dockerfile"` // digest
	Ignore     string                `json:"ignore"`     // digest
	Args       map[string]string     `json:"args"`
	Target     string                `json:"target"`
	Platform   string                `json:"platform"`
	Bases      map[string]baseConfig `json:"bases"` // by reference
	Context    []*node               `json:"context"`
	Digest     string                `json:"digest"` // of the image's manifest; empty: it is in the engine only
	ID         string                `json:"id"`
	Repository string                `json:"repository"`
	WorkDir    string                `json:"workDir"`

	Image *seen `json:"image,omitempty"` // nil: not looked at yet
}

// seen is an image whose layers were matched with the steps.
type seen struct {
	Repository string          `json:"repository"`
	MediaType  string          `json:"mediaType"`
	Manifest   json.RawMessage `json:"manifest,omitempty"`
	Config     json.RawMessage `json:"config"`
	Layers     []*layer        `json:"layers"`
	Steps      []made          `json:"steps"` // the steps from the top down to the first that is not done here; the lowest first
}

// made is one step whose layer is known.
type made struct {
	Layer   int     `json:"layer"`   // index into the layers
	History int     `json:"history"` // index into the image's history
	Nodes   []*node `json:"nodes"`   // what the layer's archive holds
	Owner   []int   `json:"owner,omitempty"`
	Outcome string  `json:"outcome"`        // what the step did with the context of then
	Kept    bool    `json:"kept,omitempty"` // it copies from other stages: the layer is kept, and nothing else is known of it
}

const recordVersion = 1

// cellar keeps records in files.
type cellar struct{ dir string }

// name is the file for an artifact: as it is built here, for this place.
func (c cellar) name(d image.Dockerfile, r image.Request) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %v", d.Context, d.File, d.Target, repository(r.Ref), r.Platform, r.Push))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:12])+".json")
}

func (c cellar) load(name string) *record {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	rec := &record{}
	if json.Unmarshal(data, rec) != nil || rec.Version != recordVersion {
		return nil
	}
	return rec
}

func (c cellar) save(name string, rec *record) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return replace(name, data)
}

// inputs is what one build of a Dockerfile reads, and what its text says.
type inputs struct {
	image.Dockerfile
	text     []byte
	textSum  string
	ignore   []string
	ignores  string
	platform ocispecs.Platform
}

// readInputs reads what decides about an image besides the files that go into it.
func readInputs(d image.Dockerfile, platform string) (*inputs, error) {
	in := &inputs{Dockerfile: d, platform: platforms.Normalize(platforms.DefaultSpec())}
	in.platform.OS = "linux"
	if platform != "" {
		p, err := platforms.Parse(platform)
		if err != nil {
			return nil, &uncertain{"the platform " + platform + " is not known here"}
		}
		in.platform = platforms.Normalize(p)
	}
	var err error
	if in.text, err = os.ReadFile(d.File); err != nil {
		return nil, err
	}
	if in.ignore, err = readIgnore(d.Ignore); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(in.text)
	in.textSum = hex.EncodeToString(sum[:])
	sum = sha256.Sum256(fmt.Appendf(nil, "%q", in.ignore))
	in.ignores = hex.EncodeToString(sum[:])
	return in, nil
}

func (in *inputs) argSums() map[string]string {
	sums := map[string]string{}
	for name, value := range in.Args {
		sums[name] = image.Sum([]byte(value))
	}
	return sums
}

// recipe reads the Dockerfile.
func (in *inputs) recipe(ctx context.Context, find bases) (*recipe, error) {
	if other := foreign(in.text); other != "" {
		return nil, &uncertain{"the Dockerfile asks for the syntax " + other}
	}
	return readRecipe(ctx, in.text, dockerui.Config{BuildArgs: in.Args, Target: in.Target}, in.platform, find)
}

// files reads as much of the context as the recipe may take.
func (in *inputs) files(ctx context.Context, r *recipe, index image.Digester) (*forest, error) {
	paths := map[string]bool{}
	whole := r.last.contextPaths(paths, map[*step]bool{})
	if !r.last.usesContext() {
		return newForest(), nil
	}
	return readContext(ctx, in.Dockerfile.Context, in.ignore, narrow(paths, whole), index)
}

// remember finds out of what an image is made, before it is built; the image itself is filled in afterwards.
func (b *Builder) remember(ctx context.Context, in *inputs, platform string) (*record, error) {
	rec := &record{
		Version: recordVersion, Dockerfile: in.textSum, Ignore: in.ignores, Args: in.argSums(), Target: in.Target, Platform: platform,
		Bases: map[string]baseConfig{},
	}
	r, err := in.recipe(ctx, func(ctx context.Context, ref string, p *ocispecs.Platform) (baseConfig, error) {
		c, err := b.base(ctx, ref, p)
		if err == nil {
			b.mu.Lock()
			rec.Bases[ref] = c
			b.mu.Unlock()
		}
		return c, err
	})
	if err != nil {
		return nil, err
	}
	files, err := in.files(ctx, r, b.o.Index)
	if err != nil {
		return nil, err
	}
	rec.Context = files.sorted()
	return rec, nil
}

func (f *forest) sorted() []*node {
	var list []*node
	for _, p := range f.paths() {
		list = append(list, f.nodes[p])
	}
	return list
}

func forestOf(nodes []*node) *forest {
	f := newForest()
	for _, n := range nodes {
		f.put(n)
	}
	return f
}

// differs says what is not as it was when the image was made, in words; empty when only files may differ.
func (rec *record) differs(in *inputs, platform string) string {
	switch {
	case rec.Dockerfile != in.textSum:
		return filepath.Base(in.File) + " changed"
	case rec.Ignore != in.ignores:
		return filepath.Base(in.Dockerfile.Ignore) + " changed"
	case rec.Target != in.Target:
		return "the target changed"
	case rec.Platform != platform:
		return "the platform changed"
	}
	sums := in.argSums()
	for _, name := range sortedKeys(sums) {
		if old, ok := rec.Args[name]; !ok || old != sums[name] {
			return "build argument " + name + " changed"
		}
	}
	if len(rec.Args) != len(in.Args) {
		return "the build arguments changed"
	}
	return ""
}

// bases finds the images that the Dockerfile started from when the record was made.
func (rec *record) bases(_ context.Context, ref string, _ *ocispecs.Platform) (baseConfig, error) {
	c, ok := rec.Bases[ref]
	if !ok {
		return baseConfig{}, &uncertain{"the image below, " + ref + ", is not known"}
	}
	return c, nil
}

// changed names the paths of the context that are not what they were, whatever their times are.
func changed(old, now *forest) []string {
	var list []string
	for p, n := range now.nodes {
		if was := old.nodes[p]; was == nil || digestOf([]*node{was}) != digestOf([]*node{n}) {
			list = append(list, p)
		}
	}
	for p := range old.nodes {
		if now.nodes[p] == nil {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}
