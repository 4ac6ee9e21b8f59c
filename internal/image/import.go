package image

import (
	"context"
	"fmt"
)

// imports says whether the project takes an image that has the wanted tag already, whoever made it: build.local.tryImportMissing.
func imports(r Request) bool {
	c := r.Artifact.Config
	return c != nil && c.Build.Local != nil && c.Build.Local.TryImportMissing && len(r.Platforms()) <= 1
}

// importMissing takes the image of the wanted tag: from its registry, or from the engine, which fetches it where it can. It is
// remembered as if it had been built here.
func (c *Cache) importMissing(ctx context.Context, r Request, key string) (Result, error) {
	res := Result{Image: r.Artifact.Image}
	if r.Push {
		digest, err := c.o.Registry.Digest(ctx, r.Ref)
		if err != nil {
			return Result{}, fmt.Errorf("nothing was made from the same inputs before, and the registry has no %s to import", r.Ref)
		}
		conf, err := c.o.Registry.Config(ctx, Pinned(repository(r.Ref), digest))
		if err != nil {
			return Result{}, err
		}
		res.Digest, res.Ref, res.Cached, res.Pushed = digest, Pinned(r.Ref, digest), "registry", true
		res.WorkDir = workDir(conf.WorkingDir)
		return res, c.Save(key, res)
	}
	if c.o.Engine == nil {
		return Result{}, errUnknown
	}
	im, err := c.o.Engine.Inspect(ctx, r.Ref)
	if err != nil {
		if err := c.o.Engine.Pull(ctx, r.Ref, func(string) {}); err != nil {
			return Result{}, fmt.Errorf("nothing was made from the same inputs before, and %s cannot be imported", r.Ref)
		}
		if im, err = c.o.Engine.Inspect(ctx, r.Ref); err != nil {
			return Result{}, err
		}
	}
	res.ID, res.Ref, res.Cached, res.WorkDir = im.ID, ByID(r.Ref, im.ID), "engine", workDir(im.Config.WorkingDir)
	if err := c.o.Engine.Tag(ctx, im.ID, res.Ref); err != nil {
		return Result{}, err
	}
	return res, c.Save(key, res)
}

// workDir is the working folder of an image that names none.
func workDir(named string) string {
	if named == "" {
		return "/"
	}
	return named
}
