package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
)

// ErrNotFound is an image that the engine does not have.
var ErrNotFound = errors.New("no such image")

// Image is what an engine knows of an image.
type Image struct {
	ID           string // "sha256:…"
	Tags         []string
	Digests      []string // "name@sha256:…", of the registries it came from or went to
	OS           string
	Architecture string
	Config       Config
	Size         int64
	OCI          []byte // its configuration as JSON, without a history
}

// Config is what a container of an image runs, and how.
type Config struct {
	WorkingDir string
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
	Labels     map[string]string
	Ports      []string // "8080/tcp"
}

// Inspect looks an image up by reference or ID; one that is not there is ErrNotFound.
func (e *Engine) Inspect(ctx context.Context, ref string) (Image, error) {
	found, err := e.client.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return Image{}, fmt.Errorf("image %s: %w", ref, ErrNotFound)
	}
	if err != nil {
		return Image{}, fmt.Errorf("inspect %s: %w", ref, e.unreachable(ctx, err))
	}
	im := Image{ID: found.ID, Tags: found.RepoTags, Digests: found.RepoDigests, OS: found.Os, Architecture: found.Architecture, Size: found.Size}
	if c := found.Config; c != nil {
		im.Config = Config{
			WorkingDir: c.WorkingDir, User: c.User, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Labels: c.Labels,
		}
		for port := range c.ExposedPorts {
			im.Config.Ports = append(im.Config.Ports, port)
		}
		im.OCI, _ = json.Marshal(map[string]any{ // what was read as JSON can be written
			"os": found.Os, "architecture": found.Architecture, "variant": found.Variant, "config": c,
			"rootfs": map[string]any{"type": "layers", "diff_ids": found.RootFS.Layers},
		})
	}
	return im, nil
}

// Exists asks whether the engine has an image.
func (e *Engine) Exists(ctx context.Context, ref string) (bool, error) {
	_, err := e.Inspect(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Tag gives an image one more name.
func (e *Engine) Tag(ctx context.Context, source, target string) error {
	_, err := e.client.ImageTag(ctx, client.ImageTagOptions{Source: source, Target: target})
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("tag %s as %s: %w", source, target, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("tag %s as %s: %w", source, target, e.unreachable(ctx, err))
	}
	return nil
}

// Remove takes a name from an image, and the image away with its last name.
func (e *Engine) Remove(ctx context.Context, ref string) error {
	_, err := e.client.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove %s: %w", ref, e.unreachable(ctx, err))
	}
	return nil
}

// Push sends an image to its registry and returns the digest under which the registry has it.
func (e *Engine) Push(ctx context.Context, ref string, out func(line string)) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("push %q: %w", ref, err)
	}
	header, err := e.authHeader(reference.Domain(named))
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	stream, err := e.client.ImagePush(ctx, ref, client.ImagePushOptions{RegistryAuth: header})
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, e.unreachable(ctx, err))
	}
	defer stream.Close()
	var digest string
	err = readMessages(stream, func(m message) error {
		if m.Error != nil {
			return errors.New(strings.TrimSpace(m.Error.Message))
		}
		if len(m.Aux) > 0 {
			var aux struct{ Digest string }
			if json.Unmarshal(m.Aux, &aux) == nil && aux.Digest != "" {
				digest = aux.Digest
			}
		}
		if line := statusLine(m); line != "" {
			out(line)
		}
		return nil
	})
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err == nil && digest == "" {
		err = errors.New("the registry named no digest")
	}
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	return digest, nil
}

func (e *Engine) authHeader(host string) (string, error) {
	c, err := e.auth.Lookup(host)
	if err != nil {
		return "", err
	}
	return authconfig.Encode(registry.AuthConfig{
		Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
		ServerAddress: authKey(host),
	})
}
