package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"sort"

	"golang.org/x/sync/errgroup"
)

// keyVersion changes when the way of computing keys does, so that old entries are not found any more.
const keyVersion = "skiff image key 1"

// Key is the digest of everything that decides about an image: what it is called, how it is built, the images it requires, and
// the name, mode and contents of each of its files.
func (c *Cache) Key(ctx context.Context, b Builder, r Request) (string, error) {
	settings, err := b.Settings(r)
	if err != nil {
		return "", err
	}
	inputs, err := b.Inputs(ctx, r.Artifact)
	if err != nil {
		return "", err
	}
	files, err := inputs.Files(ctx)
	if err != nil {
		return "", err
	}
	digests, err := fileDigests(ctx, c.o.Index, files)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	head := map[string]any{
		"version": keyVersion, "builder": b.Name(), "settings": settings, "platform": r.Platform,
		"name": repository(r.Ref), "push": r.Push, "needs": needKeys(r.Needs),
	}
	if err := json.NewEncoder(h).Encode(head); err != nil {
		return "", fmt.Errorf("settings of image %q: %w", r.Artifact.Image, err)
	}
	for i, file := range files {
		if digests[i] != "" {
			// Relative to the context, so that two checkouts of a project share what they build.
			rel, err := filepath.Rel(r.Artifact.Context, file)
			if err != nil {
				rel = file
			}
			fmt.Fprintf(h, "%q %s\n", filepath.ToSlash(rel), digests[i])
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// needKeys are the required images by what they hold, whatever they are tagged.
func needKeys(needs map[string]Result) []string {
	var keys []string
	for alias, res := range needs {
		keys = append(keys, alias+"="+repository(res.Ref)+"@"+res.Digest+res.ID)
	}
	sort.Strings(keys)
	return keys
}

// fileDigests is mode and contents of each file; empty for one that is gone.
func fileDigests(ctx context.Context, index Digester, files []string) ([]string, error) {
	digests := make([]string, len(files))
	g, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() error {
			for i := w; i < len(files); i += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				d, err := fileDigest(index, files[i])
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("digest of %s: %w", files[i], err)
				}
				digests[i] = d
			}
			return nil
		})
	}
	return digests, g.Wait()
}

func fileDigest(index Digester, file string) (string, error) {
	f, err := index.File(file)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%o %s", f.Mode, f.Digest), nil
}
