package image

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/skiff-dev/skiff/internal/engine"
)

// Registry asks registries about images without an engine. It is safe for concurrent use, and keeps its connections and tokens.
type Registry struct {
	insecure map[string]bool
	options  []remote.Option
	mu       sync.Mutex
	puller   *remote.Puller
	asker    *remote.Puller // asks once: whoever only wants to know does not wait for a registry that is down
	pusher   *remote.Pusher
	creds    *engine.Auth
	links    map[string]*link // by repository
}

// NewRegistry uses the credentials of a docker configuration (nil: nobody's) and speaks plain HTTP to the insecure hosts;
// it does so to localhost in any case.
func NewRegistry(creds *engine.Auth, insecure []string) *Registry {
	r := &Registry{insecure: map[string]bool{}, creds: creds, options: []remote.Option{remote.WithUserAgent("skiff")}}
	for _, host := range insecure {
		r.insecure[host] = true
	}
	if creds != nil {
		r.options = append(r.options, remote.WithAuthFromKeychain(keychain{creds}))
	}
	return r
}

// Digest is what a reference points at in its registry.
func (r *Registry) Digest(ctx context.Context, ref string) (string, error) {
	parsed, err := r.parse(ref)
	if err != nil {
		return "", err
	}
	if _, _, err := r.clients(); err != nil {
		return "", err
	}
	d, err := r.asker.Head(ctx, parsed)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", ref, err)
	}
	return d.Digest.String(), nil
}

// Ensure proves that the registry has the manifest with digest under ref's tag. Where it has it without the tag, it gets the
// tag; nothing is pulled.
func (r *Registry) Ensure(ctx context.Context, ref, digest string) error {
	if have, err := r.Digest(ctx, ref); err == nil && have == digest {
		return nil
	}
	tag, err := name.NewTag(ref, r.nameOptions(ref)...)
	if err != nil {
		return fmt.Errorf("image %q: %w", ref, err)
	}
	pull, push, err := r.clients()
	if err != nil {
		return err
	}
	manifest, err := pull.Get(ctx, tag.Context().Digest(digest))
	if err != nil {
		return fmt.Errorf("look up %s@%s: %w", tag.Context(), digest, err)
	}
	if err := push.Push(ctx, tag, manifest); err != nil {
		return fmt.Errorf("tag %s: %w", ref, err)
	}
	return nil
}

// Config is the configuration of an image in its registry.
func (r *Registry) Config(ctx context.Context, ref string) (*v1.Config, error) {
	parsed, err := r.parse(ref)
	if err != nil {
		return nil, err
	}
	pull, _, err := r.clients()
	if err != nil {
		return nil, err
	}
	desc, err := pull.Get(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", ref, err)
	}
	img, err := desc.Image()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", ref, err)
	}
	return &file.Config, nil
}

func (r *Registry) parse(ref string) (name.Reference, error) {
	parsed, err := name.ParseReference(ref, r.nameOptions(ref)...)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", ref, err)
	}
	return parsed, nil
}

func (r *Registry) nameOptions(ref string) []name.Option {
	parsed, err := name.ParseReference(ref)
	if err == nil && r.insecure[parsed.Context().RegistryStr()] {
		return []name.Option{name.Insecure}
	}
	return nil
}

// clients are made once: they remember what a registry answered to the first handshake.
func (r *Registry) clients() (*remote.Puller, *remote.Pusher, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.puller != nil {
		return r.puller, r.pusher, nil
	}
	puller, err := remote.NewPuller(r.options...)
	if err != nil {
		return nil, nil, fmt.Errorf("registry client: %w", err)
	}
	pusher, err := remote.NewPusher(r.options...)
	if err != nil {
		return nil, nil, fmt.Errorf("registry client: %w", err)
	}
	once := remote.WithRetryBackoff(remote.Backoff{Steps: 1})
	if r.asker, err = remote.NewPuller(append(slices.Clone(r.options), once)...); err != nil {
		return nil, nil, fmt.Errorf("registry client: %w", err)
	}
	r.puller, r.pusher = puller, pusher
	return puller, pusher, nil
}

// Keychain is the credentials that the client was made with, for libraries that speak to registries by themselves; nil: nobody's.
func (r *Registry) Keychain() authn.Keychain {
	if r.creds == nil {
		return nil
	}
	return keychain{r.creds}
}

// keychain gives the docker configuration's credentials to the registry client.
type keychain struct{ creds *engine.Auth }

// Resolve is the credential of a registry; anonymous when there is none.
func (k keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	c, err := k.creds.Lookup(target.RegistryStr())
	if err != nil {
		return nil, err
	}
	if c == (engine.Credential{}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
	}), nil
}
