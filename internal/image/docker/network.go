package docker

import (
	"context"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
)

// network settles how the steps are connected. BuildKit knows no network but its own, the host's and none: the one of a container,
// or one that the user made, needs the classic builder.
func (b *Builder) network(ctx context.Context, known string, o *engine.BuildOptions) error {
	kind, name, _ := strings.Cut(o.Network, ":")
	switch strings.ToLower(o.Network) {
	case "", "default", "bridge":
		o.Network = ""
		return nil
	case "none", "host":
		o.Network = strings.ToLower(o.Network)
		return nil
	}
	if len(o.Secrets) > 0 || len(o.SSH) > 0 || o.Builder == engine.BuildKit {
		return diag.Errorf("use the network default, none or host, or build without secrets, ssh and useBuildkit: true",
			"docker.network %q needs the engine's classic builder: BuildKit does not know it", o.Network)
	}
	o.Builder = engine.Classic
	if !strings.EqualFold(kind, "container") {
		return nil
	}
	name, err := b.expand("docker.network", name, known)
	if err != nil {
		return err
	}
	o.Network = "container:" + name
	runs, err := b.o.Engine.Running(ctx, name)
	if err != nil {
		return err
	}
	if !runs {
		return diag.Errorf("docker ps", "docker.network: the container %q does not run", name)
	}
	return nil
}

// caches settles from which images layers may be taken. The artifact's own name means the image under the tag that is made now; to
// be of use there later, the image then carries its cache with it. Only a BuildKit that stands by itself takes any kind of cache.
func caches(o *engine.BuildOptions, image, ref string, any bool) error {
	var list []string
	for _, from := range o.CacheFrom {
		if strings.Contains(from, "type=") && !any {
			fields := map[string]string{}
			for _, f := range strings.Split(from, ",") {
				key, value, _ := strings.Cut(strings.TrimSpace(f), "=")
				fields[key] = value
			}
			if fields["type"] != "registry" || fields["ref"] == "" {
				return diag.Errorf("name an image, or write type=registry,ref=IMAGE", "docker.cacheFrom %q: the engine takes layers from images only", from)
			}
			from = fields["ref"]
		}
		if from == image {
			from = ref
			if _, given := o.Args[inlineCache]; !given && o.Builder != engine.Classic {
				yes := "1"
				o.Args[inlineCache] = &yes
			}
		}
		list = append(list, from)
	}
	o.CacheFrom = list
	return nil
}

// inlineCache is the build argument by which BuildKit's Dockerfile frontend leaves the cache in the image.
const inlineCache = "BUILDKIT_INLINE_CACHE"
