package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Push writes an image or an index with all that it consists of, and returns its digest. What the registry has already is not
// sent, layers of a Base in the same registry are taken over there.
func (r *Registry) Push(ctx context.Context, ref string, what remote.Taggable) (string, error) {
	parsed, err := r.parse(ref)
	if err != nil {
		return "", err
	}
	digest, err := r.push(ctx, parsed, what)
	if err != nil && ctx.Err() == nil && r.forget() && lost(err) {
		// The client remembers what it has sent; a registry that was emptied meanwhile has it no more.
		digest, err = r.push(ctx, parsed, what)
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", explainPush(ref, parsed.Context().RegistryStr(), err)
	}
	return digest, nil
}

func (r *Registry) push(ctx context.Context, ref name.Reference, what remote.Taggable) (string, error) {
	_, push, err := r.clients()
	if err != nil {
		return "", err
	}
	if err := push.Push(ctx, ref, what); err != nil {
		return "", err
	}
	described, ok := what.(partial.Describable)
	if !ok {
		return r.Digest(ctx, ref.String())
	}
	digest, err := described.Digest()
	return digest.String(), err
}

// forget lets the clients go: after a failure they would repeat it. It is true for the sake of its caller's condition.
func (r *Registry) forget() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.puller, r.pusher = nil, nil
	return true
}

// lost says whether a registry misses a part that was sent before.
func lost(err error) bool {
	var refused *transport.Error
	if !errors.As(err, &refused) {
		return false
	}
	for _, d := range refused.Errors {
		switch d.Code {
		case transport.BlobUnknownErrorCode, transport.ManifestBlobUnknownErrorCode, transport.NameUnknownErrorCode, transport.ManifestUnknownErrorCode:
			return true
		}
	}
	return false
}

func explainPush(ref, host string, err error) error {
	var refused *transport.Error
	if !errors.As(err, &refused) {
		return &diag.Error{
			What: fmt.Sprintf("push %s: the registry %s does not answer: %v", ref, host, err),
			Hint: "look whether it runs, or choose another with --default-repo", Code: diag.CodeCluster, Err: err,
		}
	}
	hint := ""
	if refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden {
		hint = fmt.Sprintf("run: docker login %s; or choose another place with --default-repo", host)
	}
	return &diag.Error{What: fmt.Sprintf("push %s: %v", ref, err), Hint: hint, Code: diag.CodeBuild, Err: err}
}

// Base is an image that others are made on top of. Only its manifest and its configuration were fetched; layers are fetched when
// they are needed, which they are not where both images are in one registry.
type Base struct {
	Ref      string // as it was asked for
	Digest   v1.Hash
	Config   *v1.ConfigFile
	registry *Registry
	from     name.Repository
	media    types.MediaType
	manifest []byte
	config   []byte
}

// Base looks up the image of a platform; a nil platform takes whatever the reference names. A reference that names a single
// image is taken as it is.
func (r *Registry) Base(ctx context.Context, ref string, platform *v1.Platform) (*Base, error) {
	parsed, err := r.parse(ref)
	if err != nil {
		return nil, err
	}
	pull, _, err := r.clients()
	if err != nil {
		return nil, err
	}
	found, err := pull.Get(ctx, parsed)
	if err == nil && found.MediaType.IsIndex() {
		var digest string
		if digest, err = choose(found, platform); err == nil {
			found, err = pull.Get(ctx, parsed.Context().Digest(digest))
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			r.forget()
		}
		return nil, fmt.Errorf("look up %s: %w", ref, err)
	}
	img, err := found.Image()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	b := &Base{Ref: ref, Digest: found.Digest, registry: r, from: parsed.Context(), media: found.MediaType, manifest: found.Manifest}
	if b.config, err = img.RawConfigFile(); err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", ref, err)
	}
	if b.Config, err = v1.ParseConfigFile(strings.NewReader(string(b.config))); err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", ref, err)
	}
	return b, nil
}

// choose is the image of an index for a platform.
func choose(index *remote.Descriptor, platform *v1.Platform) (string, error) {
	idx, err := index.ImageIndex()
	if err != nil {
		return "", err
	}
	list, err := idx.IndexManifest()
	if err != nil {
		return "", err
	}
	var have []string
	for _, m := range list.Manifests {
		if m.Platform == nil || !m.MediaType.IsImage() || m.Platform.OS == "unknown" {
			continue
		}
		if platform == nil || satisfies(*m.Platform, *platform) {
			return m.Digest.String(), nil
		}
		have = append(have, m.Platform.String())
	}
	return "", diag.Errorf("choose one of its platforms with --platform, or another base image",
		"it has no image for %s, only for %s", platform, strings.Join(have, ", "))
}

// satisfies says whether an image of one platform runs on another: a variant that is not named may be any.
func satisfies(have, want v1.Platform) bool {
	if want.Architecture == "arm64" && want.Variant == "v8" || have.Variant == "" {
		want.Variant = ""
	}
	return have.Satisfies(want)
}

// Image is the base for work that lasts as long as ctx.
func (b *Base) Image(ctx context.Context) (v1.Image, error) {
	img, err := partial.CompressedToImage(&baseImage{b, ctx})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", b.Ref, err)
	}
	return &mountable{img, b.from.Digest(b.Digest.String())}, nil
}

// baseImage is what the library makes an image of. It lives no longer than the call whose context it holds.
type baseImage struct {
	*Base
	ctx context.Context
}

// RawConfigFile is the configuration as the registry has it.
func (b *baseImage) RawConfigFile() ([]byte, error) { return b.config, nil }

// RawManifest is the manifest as the registry has it.
func (b *baseImage) RawManifest() ([]byte, error) { return b.manifest, nil }

// MediaType is that of the manifest.
func (b *baseImage) MediaType() (types.MediaType, error) { return b.media, nil }

// LayerByDigest is a layer that is fetched when it is read.
func (b *baseImage) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	manifest, err := v1.ParseManifest(strings.NewReader(string(b.manifest)))
	if err != nil {
		return nil, err
	}
	for _, d := range append(manifest.Layers, manifest.Config) {
		if d.Digest == h {
			return &baseLayer{b, d}, nil
		}
	}
	return nil, fmt.Errorf("%s has no layer %s", b.Ref, h)
}

type baseLayer struct {
	*baseImage
	desc v1.Descriptor
}

// Digest is that of the layer as it is stored.
func (l *baseLayer) Digest() (v1.Hash, error) { return l.desc.Digest, nil }

// Size is that of the layer as it is stored.
func (l *baseLayer) Size() (int64, error) { return l.desc.Size, nil }

// MediaType is that of the layer.
func (l *baseLayer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }

// Compressed fetches the layer.
func (l *baseLayer) Compressed() (io.ReadCloser, error) {
	pull, _, err := l.registry.clients()
	if err != nil {
		return nil, err
	}
	layer, err := pull.Layer(l.ctx, l.from.Digest(l.desc.Digest.String()))
	if err != nil {
		return nil, err
	}
	return layer.Compressed()
}

// mountable makes the layers of an image ones that a registry can take over from another repository.
type mountable struct {
	v1.Image
	from name.Reference
}

// Layers are those of the image.
func (m *mountable) Layers() ([]v1.Layer, error) {
	layers, err := m.Image.Layers()
	for i, l := range layers {
		layers[i] = &remote.MountableLayer{Layer: l, Reference: m.from}
	}
	return layers, err
}

// LayerByDigest is one of Layers.
func (m *mountable) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	l, err := m.Image.LayerByDigest(h)
	if err != nil {
		return nil, err
	}
	return &remote.MountableLayer{Layer: l, Reference: m.from}, nil
}
