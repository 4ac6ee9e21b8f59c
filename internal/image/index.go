package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Part is the image of one platform in an index.
type Part struct {
	Platform string // "linux/arm64"
	Digest   string // in the repository of the index
}

// Index writes an index of images that its repository has already, and returns its digest.
func (r *Registry) Index(ctx context.Context, ref string, parts []Part) (string, error) {
	tag, err := name.NewTag(ref, r.nameOptions(ref)...)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", ref, err)
	}
	pull, push, err := r.clients()
	if err != nil {
		return "", err
	}
	index := mutate.IndexMediaType(empty.Index, types.DockerManifestList)
	for _, p := range parts {
		platform, err := v1.ParsePlatform(p.Platform)
		if err != nil {
			return "", fmt.Errorf("platform %q: %w", p.Platform, err)
		}
		found, err := pull.Get(ctx, tag.Context().Digest(p.Digest))
		if err != nil {
			return "", fmt.Errorf("look up %s@%s: %w", tag.Context(), p.Digest, err)
		}
		img, err := found.Image()
		if err != nil {
			return "", fmt.Errorf("read %s@%s: %w", tag.Context(), p.Digest, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
	}
	if err := push.Push(ctx, tag, index); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", fmt.Errorf("index %s: %w", ref, err)
	}
	return digest.String(), nil
}

// Insecure says whether the registry of a reference is spoken to without TLS because the user says so.
func (r *Registry) Insecure(ref string) bool {
	parsed, err := name.ParseReference(ref)
	return err == nil && r.insecure[parsed.Context().RegistryStr()]
}
