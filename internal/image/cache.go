package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/tree"
)

// Engine is what the cache needs of the Docker engine.
type Engine interface {
	Inspect(ctx context.Context, ref string) (engine.Image, error)
	Tag(ctx context.Context, source, target string) error
	Pull(ctx context.Context, ref string, out func(line string)) error
	Push(ctx context.Context, ref string, out func(line string)) (string, error)
}

// Digester tells the digest and the mode of a file; tree.Index is one that reads no file twice.
type Digester interface {
	File(path string) (tree.File, error)
	// Stamped is File for a path whose stamp was taken already.
	Stamped(path string, s tree.Stamp) (tree.File, error)
}

// CacheOptions says where a Cache keeps what it knows, and whom it asks whether that is still true.
type CacheOptions struct {
	File     string    // JSON; its folder is made when needed
	Index    Digester  // digests of files
	Registry *Registry // for images that are pushed
	Engine   Engine    // for images that are not; nil: there is none
	Bases    string    // file that keeps what base images point at; empty: it is asked each time
	History  string    // folder that keeps what each artifact was made from last; empty: nobody can say why one is made again
	Warn     func(text string)
}

// Cache remembers which image was made from which inputs. Several sessions may use one file at once.
type Cache struct {
	o      CacheOptions
	mu     sync.Mutex
	read   bool
	warned bool // of a spoiled file
	have   map[string]entry

	bases   *baseDigests
	history history
}

// entry is what is remembered of one image.
type entry struct {
	Digest  string    `json:"digest,omitempty"`
	ID      string    `json:"id,omitempty"`
	WorkDir string    `json:"workDir,omitempty"`
	Made    time.Time `json:"made"`
}

// maxEntries keeps the file small: what was made longest ago goes first.
const maxEntries = 2000

// NewCache is a cache over a file, which is read when the first image is looked up.
func NewCache(o CacheOptions) *Cache {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	return &Cache{o: o, bases: &baseDigests{o: o, now: time.Now}, history: history{dir: o.History}}
}

// Find is the image that was made from the inputs of key before, if it is proved to be there still. It has the wanted
// reference then, given without a build or a pull.
func (c *Cache) Find(ctx context.Context, r Request, key string) (Result, bool) {
	res, err := c.find(ctx, r, key)
	return res, err == nil
}

// errUnknown is a key under which nothing was ever made.
var errUnknown = errors.New("nothing was made from the same inputs before")

// find is Find with the reason why nothing was found.
func (c *Cache) find(ctx context.Context, r Request, key string) (Result, error) {
	e, ok := c.lookup(key)
	if !ok && imports(r) {
		return c.importMissing(ctx, r, key)
	}
	if !ok {
		return Result{}, errUnknown
	}
	res := Result{Image: r.Artifact.Image, Digest: e.Digest, ID: e.ID, WorkDir: e.WorkDir}
	found, where := c.inEngine, "engine"
	if r.Push {
		found, where = c.inRegistry, "registry"
	}
	// A registry or an engine that does not answer is a miss: the build says what is wrong with it.
	if err := found(ctx, r, &res); err != nil {
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		return Result{}, fmt.Errorf("the %s no longer has the image that was made from the same inputs", where)
	}
	return res, nil
}

// inRegistry proves an image by a HEAD of the registry; under another tag it gets the wanted one there, and where only the
// engine has it, it is pushed.
func (c *Cache) inRegistry(ctx context.Context, r Request, res *Result) error {
	if res.Digest != "" {
		err := c.o.Registry.Ensure(ctx, r.Ref, res.Digest)
		if err == nil {
			res.Ref, res.Cached, res.Pushed = Pinned(r.Ref, res.Digest), "registry", true
			return nil
		}
	}
	if res.ID == "" || c.o.Engine == nil {
		return errNotThere
	}
	if err := c.o.Engine.Tag(ctx, res.ID, r.Ref); err != nil {
		return err
	}
	digest, err := c.o.Engine.Push(ctx, r.Ref, func(string) {})
	if err != nil {
		return err
	}
	res.Digest, res.Ref, res.Cached, res.Pushed = digest, Pinned(r.Ref, digest), "engine", true
	return nil
}

// inEngine proves an image by inspecting it, and gives it the wanted names.
func (c *Cache) inEngine(ctx context.Context, r Request, res *Result) error {
	if res.ID == "" || c.o.Engine == nil {
		return errNotThere
	}
	im, err := c.o.Engine.Inspect(ctx, res.ID)
	if err != nil {
		return err
	}
	res.Ref, res.Cached, res.Digest = ByID(r.Ref, res.ID), "engine", ""
	for _, name := range []string{r.Ref, res.Ref} {
		if hasTag(im.Tags, name) {
			continue
		}
		if err := c.o.Engine.Tag(ctx, res.ID, name); err != nil {
			return err
		}
	}
	return nil
}

var errNotThere = errors.New("not there")

func hasTag(tags []string, want string) bool {
	for _, t := range tags {
		if t == want {
			return true
		}
	}
	return false
}

// Save remembers an image under its key.
func (c *Cache) Save(key string, res Result) error {
	return c.update(func(have map[string]entry) {
		have[key] = entry{Digest: res.Digest, ID: res.ID, WorkDir: res.WorkDir, Made: time.Now().UTC()}
	})
}

func (c *Cache) lookup(key string) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.read {
		c.have, c.read = c.readFile(), true
	}
	e, ok := c.have[key]
	return e, ok
}

// update changes the file under a lock that other sessions respect, on top of what they wrote meanwhile.
func (c *Cache) update(change func(map[string]entry)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(c.o.File), 0o755); err != nil {
		return fmt.Errorf("image cache: %w", err)
	}
	unlock, err := lockFile(c.o.File + ".lock")
	if err != nil {
		return fmt.Errorf("image cache: %w", err)
	}
	defer unlock()
	have := c.readFile()
	for key, e := range c.have {
		if _, ok := have[key]; !ok {
			have[key] = e
		}
	}
	change(have)
	trim(have)
	c.have, c.read = have, true
	return writeEntries(c.o.File, have)
}

// readFile is the file's entries. One that is spoiled is told once, and costs a build and no more.
func (c *Cache) readFile() map[string]entry {
	have, err := readEntries(c.o.File)
	if err != nil && !c.warned {
		c.warned = true
		c.o.Warn(fmt.Sprintf("%v; images are looked up anew, and the file is written again", err))
	}
	return have
}

// readEntries is the entries in a file, in JSON or, as Skaffold writes it, in YAML. A file that is missing has none.
func readEntries(file string) (map[string]entry, error) {
	have := map[string]entry{}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(data)) == 0 {
		return have, nil
	}
	if err != nil {
		return have, fmt.Errorf("the cache of images cannot be read: %w", err)
	}
	if err = json.Unmarshal(data, &have); err != nil {
		have = map[string]entry{}
		err = yaml.Unmarshal(data, &have)
	}
	if err != nil || have == nil {
		return map[string]entry{}, fmt.Errorf("the cache of images in %s is spoiled", file)
	}
	return have, nil
}

// writeEntries replaces the file at once, so that no reader sees half of it.
func writeEntries(file string, have map[string]entry) error {
	data, err := json.MarshalIndent(have, "", " ")
	if err == nil {
		err = replaceFile(file, data)
	}
	if err != nil {
		return fmt.Errorf("image cache: %w", err)
	}
	return nil
}

// replaceFile writes a file whole or not at all. Its folder is made when needed.
func replaceFile(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

func trim(have map[string]entry) {
	for len(have) > maxEntries {
		oldest := ""
		for key, e := range have {
			if oldest == "" || e.Made.Before(have[oldest].Made) {
				oldest = key
			}
		}
		delete(have, oldest)
	}
}

// Pinned is the reference of a pushed image: name:tag@digest.
func Pinned(ref, digest string) string { return ref + "@" + digest }

// ByID is the reference of an image that stays in the engine: its own ID is its tag, so that a new build is a new name.
func ByID(ref, id string) string { return repository(ref) + ":" + strings.TrimPrefix(id, "sha256:") }

// repository is a reference without its tag and digest.
func repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}
