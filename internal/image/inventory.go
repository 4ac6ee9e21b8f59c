package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/tree"
)

// Inventory is everything that decides about an image, part by part. No part holds a value, only what it digests to: build
// arguments may be secrets.
type Inventory struct {
	Builder  string            `json:"builder"`
	Name     string            `json:"name"` // the repository that it goes to
	Push     bool              `json:"push"`
	Platform string            `json:"platform,omitempty"`
	Settings map[string]string `json:"settings,omitempty"` // by their place: "docker.target", "args.VERSION"
	Needs    map[string]string `json:"needs,omitempty"`    // the images that it requires, by alias
	Bases    map[string]string `json:"bases,omitempty"`    // the images that it starts from
	Files    []InputFile       `json:"-"`                  // sorted by path
}

// InputFile is one file that an image is made from.
type InputFile struct {
	Path   string // relative to the context, so that two checkouts of a project share what they build
	Mode   fs.FileMode
	Digest string
}

// Inventory takes stock of what decides about an image now.
func (c *Cache) Inventory(ctx context.Context, b Builder, r Request) (*Inventory, error) {
	inv := &Inventory{Builder: b.Name(), Name: repository(r.Ref), Push: r.Push, Platform: r.Platform, Needs: needKeys(r.Needs)}
	settings, err := b.Settings(r)
	if err != nil {
		return nil, err
	}
	if inv.Settings, err = flatten(settings); err != nil {
		return nil, fmt.Errorf("settings of image %q: %w", r.Artifact.Image, err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		inv.Bases, err = c.basesOf(gctx, b, r)
		return err
	})
	g.Go(func() error {
		inputs, err := b.Inputs(gctx, r.Artifact)
		if err != nil {
			return err
		}
		files, err := inputs.Files(gctx)
		if err != nil {
			return err
		}
		inv.Files, err = inputFiles(gctx, c.o.Index, r.Artifact.Context, files)
		return err
	})
	return inv, g.Wait()
}

// keyVersion changes when the way of computing keys does, so that old entries are not found any more.
const keyVersion = "skiff image key 2"

// Key is the digest of all of it.
func (inv *Inventory) Key() (string, error) {
	h := sha256.New()
	head, err := json.Marshal(inv)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s\n%s\n", keyVersion, head)
	var line []byte
	for _, f := range inv.Files {
		// The length goes first: a name may hold any byte but 0 and a slash.
		line = strconv.AppendInt(line[:0], int64(len(f.Path)), 10)
		line = append(line, ' ')
		line = append(line, f.Path...)
		line = append(line, ' ')
		line = strconv.AppendUint(line, uint64(f.Mode), 8)
		line = append(line, ' ')
		line = append(line, f.Digest...)
		line = append(line, '\n')
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// flatten is the digest of each setting, by its place in the JSON of v.
func flatten(v any) (map[string]string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, err
	}
	flat := map[string]string{}
	var visit func(place string, v any) error
	visit = func(place string, v any) error {
		if m, ok := v.(map[string]any); ok {
			for key, below := range m {
				if err := visit(strings.TrimPrefix(place+"."+key, "."), below); err != nil {
					return err
				}
			}
			return nil
		}
		if v == nil || v == "" || v == false {
			return nil // as good as not there
		}
		text, err := json.Marshal(v)
		flat[place] = short(sha256.New(), text)
		return err
	}
	return flat, visit("", tree)
}

func short(h hash.Hash, text []byte) string {
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// needKeys are the required images by what they hold, whatever they are tagged.
func needKeys(needs map[string]Result) map[string]string {
	keys := map[string]string{}
	for alias, res := range needs {
		keys[alias] = repository(res.Ref) + "@" + res.Digest + res.ID
	}
	return keys
}

// inputFiles takes stock of the files that exist; one that vanished is left out.
func inputFiles(ctx context.Context, index Digester, dir string, paths []string) ([]InputFile, error) {
	files := make([]InputFile, len(paths))
	look := tree.LookOf(ctx)
	g, ctx := errgroup.WithContext(ctx)
	workers := min(runtime.GOMAXPROCS(0), len(paths)/64+1)
	for w := range workers {
		g.Go(func() error {
			for i := w; i < len(paths); i += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				f, err := digestOf(index, look, paths[i])
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return fmt.Errorf("digest of %s: %w", paths[i], err)
				}
				files[i] = InputFile{Path: relative(dir, paths[i]), Mode: f.Mode, Digest: f.Digest}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	there := files[:0]
	for _, f := range files {
		if f.Path != "" {
			there = append(there, f)
		}
	}
	return there, nil
}

func digestOf(index Digester, look *tree.Look, path string) (tree.File, error) {
	if look == nil {
		return index.File(path)
	}
	stamp, err := look.Stamp(path)
	if err != nil {
		// Where small and capital letters are the same, a file may be asked for by another name than its folder has.
		return index.File(path)
	}
	return index.Stamped(path, stamp)
}

// relative is a path below dir as the inventory has it.
func relative(dir, path string) string {
	if rest, ok := strings.CutPrefix(path, dir); ok && len(rest) > 1 && rest[0] == filepath.Separator {
		return filepath.ToSlash(rest[1:])
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		rel = path
	}
	return filepath.ToSlash(rel)
}
