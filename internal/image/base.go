package image

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/skiff-dev/skiff/internal/engine"
)

// Origin is an image that another one starts from or copies from, and that the project does not build.
type Origin struct {
	Ref   string
	Fresh bool // the registry decides, also where the engine has the image
}

// Based is a Builder whose images start from others. Their digests are part of the cache's key.
type Based interface {
	// Bases are those images, as far as they can be told without asking anybody.
	Bases(r Request) ([]Origin, error)
}

const (
	// baseAge is how long the answer of a registry elsewhere is believed: a tag moves seldom, and a build asks often.
	baseAge = 5 * time.Minute
	// baseNear is the same for the engine and for registries on this machine, which answer at once: as long as one pass.
	baseNear = time.Second
	// baseWait is how long a registry may take before what it said last is believed, baseFirst when it never said anything.
	baseWait, baseFirst = 2 * time.Second, 5 * time.Second
)

// baseDigests knows what the references of base images point at. Without a network it knows what it knew last.
type baseDigests struct {
	o      CacheOptions
	now    func() time.Time
	flight singleflight.Group
	mu     sync.Mutex
	said   map[string]baseAnswer // by reference: what the registry said; kept in the file
	near   map[string]baseAnswer // what the engine said
	read   bool
}

// baseAnswer is what was said of a reference, and when.
type baseAnswer struct {
	Digest string    `json:"digest"`
	Asked  time.Time `json:"asked"` // also when nobody answered
}

// basesOf is the digests of the images that a request starts from. One of which nothing can be learned is left out: the build says
// what is wrong with it.
func (c *Cache) basesOf(ctx context.Context, b Builder, r Request) (map[string]string, error) {
	based, ok := As[Based](b)
	if !ok {
		return nil, nil
	}
	list, err := based.Bases(r)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	digests := make([]string, len(list))
	g, ctx := errgroup.WithContext(ctx)
	for i, base := range list {
		g.Go(func() error {
			digests[i] = c.bases.digest(ctx, base)
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for i, base := range list {
		if digests[i] != "" {
			found[base.Ref] = digests[i]
		}
	}
	return found, nil
}

func (d *baseDigests) digest(ctx context.Context, b Origin) string {
	if _, digest, ok := strings.Cut(b.Ref, "@"); ok {
		return digest
	}
	if !b.Fresh {
		if found := d.inEngine(ctx, b.Ref); found != "" {
			return found
		}
	}
	return d.inRegistry(ctx, b.Ref)
}

// inEngine is the image as the engine has it, which is what a build there starts from. One that came from a registry is called by
// what it is there, so that it does not matter whether the engine has it.
func (d *baseDigests) inEngine(ctx context.Context, ref string) string {
	if d.o.Engine == nil {
		return ""
	}
	if known, ok := d.recent(&d.near, ref, baseNear); ok {
		return known.Digest
	}
	answer, _, _ := d.flight.Do("engine "+ref, func() (any, error) {
		im, err := d.o.Engine.Inspect(ctx, ref)
		if ctx.Err() != nil {
			return "", nil
		}
		digest := ""
		if err == nil {
			digest = ownDigest(im, ref)
		}
		d.keep(&d.near, ref, digest)
		return digest, nil
	})
	return answer.(string)
}

func ownDigest(im engine.Image, ref string) string {
	want, err := name.ParseReference(ref)
	if err != nil {
		return im.ID
	}
	for _, text := range im.Digests {
		if have, err := name.NewDigest(text); err == nil && have.Context().Name() == want.Context().Name() {
			return have.DigestStr()
		}
	}
	return im.ID
}

func (d *baseDigests) inRegistry(ctx context.Context, ref string) string {
	if d.o.Registry == nil {
		return ""
	}
	d.load()
	age := baseAge
	if onThisMachine(ref) {
		age = baseNear
	}
	if known, ok := d.recent(&d.said, ref, age); ok {
		return known.Digest
	}
	answer, _, _ := d.flight.Do("registry "+ref, func() (any, error) { return d.ask(ctx, ref), nil })
	return answer.(string)
}

// ask asks the registry, and falls back on what it said last.
func (d *baseDigests) ask(ctx context.Context, ref string) string {
	last, wait := d.last(ref), baseFirst
	if last != "" {
		wait = baseWait
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	digest, err := d.o.Registry.Digest(limited, ref)
	if ctx.Err() != nil {
		return last
	}
	if err != nil {
		digest = last // and nobody is asked again for a while
	}
	d.keep(&d.said, ref, digest)
	d.save()
	return digest
}

func (d *baseDigests) recent(list *map[string]baseAnswer, ref string, age time.Duration) (baseAnswer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known, ok := (*list)[ref]
	since := d.now().Sub(known.Asked)
	return known, ok && since >= 0 && since < age
}

func (d *baseDigests) last(ref string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said[ref].Digest
}

func (d *baseDigests) keep(list *map[string]baseAnswer, ref, digest string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if *list == nil {
		*list = map[string]baseAnswer{}
	}
	(*list)[ref] = baseAnswer{digest, d.now().UTC()}
}

// load reads what earlier sessions were told. What cannot be read is asked again.
func (d *baseDigests) load() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.read || d.o.Bases == "" {
		return
	}
	d.read = true
	data, err := os.ReadFile(d.o.Bases)
	said := map[string]baseAnswer{}
	if err != nil || json.Unmarshal(data, &said) != nil {
		return
	}
	maps.Copy(said, d.said)
	d.said = said
}

// save writes down what was said. A session beside this one may write at the same time: then one answer is asked for again.
func (d *baseDigests) save() {
	if d.o.Bases == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for ref, answer := range d.said {
		if d.now().Sub(answer.Asked) > 30*24*time.Hour {
			delete(d.said, ref)
		}
	}
	if data, err := json.Marshal(d.said); err == nil {
		_ = replaceFile(d.o.Bases, data) // a cache that cannot be written costs a question
	}
}

// onThisMachine says whether a reference's registry answers without a network.
func onThisMachine(ref string) bool {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return false
	}
	host := parsed.Context().RegistryStr()
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
