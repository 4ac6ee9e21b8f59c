package jib

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// files is what the plugin says about a project: its build files, its sources, and what lies in them and does not count.
type files struct {
	Build  []string `json:"build"`
	Inputs []string `json:"inputs"`
	Ignore []string `json:"ignore"`
}

// syncMap is what the plugin puts into the image: files as they are, and files that were made of others.
type syncMap struct {
	Direct []struct {
		Src  string `json:"src"`
		Dest string `json:"dest"`
	} `json:"direct"`
}

// Inputs are the files that the plugin names. It is asked again when a build file changes.
func (b *Builder) Inputs(ctx context.Context, a *config.Artifact) (image.Inputs, error) {
	t, err := b.tool(a)
	if err != nil {
		return nil, err
	}
	args := append([]string{t.command()}, t.files(*a.Jib)...)
	return b.listed.Get(ctx, a.Image, a.Context+"\x00"+strings.Join(args, "\x00"), func(ctx context.Context) (image.Inputs, []string, error) {
		var said files
		found, err := b.ask(ctx, a, args, &said)
		if err == nil && !found {
			err = diag.Errorf("use version "+minimum+" or later of the jib plugin; by hand: cd "+a.Context+" && "+strings.Join(args, " "), "%s printed no list of files", filepath.Base(args[0]))
		}
		if err != nil {
			return nil, nil, fmt.Errorf("image %q: %w", a.Image, err)
		}
		return without{image.Fixed(slices.Concat(said.Build, said.Inputs)), image.Fixed(said.Ignore)}, said.Build, nil
	})
}

// ask runs the tool and reads the JSON that the plugin prints after a line of its own; a project of several modules prints several,
// and the last one is that of the project itself.
func (b *Builder) ask(ctx context.Context, a *config.Artifact, args []string, into any) (found bool, err error) {
	var out bytes.Buffer
	var said []string
	err = b.o.Guard.Run(ctx, proc.Command{Args: args, Dir: a.Context, Env: b.o.Environ, Stdout: &out}, func(l proc.Line) { said = append(said, l.Text) })
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		said = append(said, strings.Split(strings.TrimSpace(out.String()), "\n")...)
		return false, diag.Errorf("by hand: cd "+a.Context+" && "+strings.Join(args, " "), "%s failed: %w: %s", filepath.Base(args[0]), err, firstError(said))
	}
	marked := false
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		if marked && strings.HasPrefix(line, "{") {
			if err := json.Unmarshal([]byte(line), into); err != nil {
				return false, fmt.Errorf("what %s printed: %w", filepath.Base(args[0]), err)
			}
			found = true
		}
		marked = strings.HasPrefix(line, "BEGIN JIB JSON")
	}
	return found, nil
}

// firstError is the line that tells most.
func firstError(lines []string) string {
	for _, l := range lines {
		if strings.Contains(l, "ERROR") || strings.Contains(l, "went wrong") {
			return strings.TrimSpace(l)
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// readSync learns which files get into the image as they are. Without it a change is a build, which is slower and no fault.
func (b *Builder) readSync(ctx context.Context, a *config.Artifact, t tool, out func(line string)) {
	var said syncMap
	found, err := b.ask(ctx, a, append([]string{t.command()}, t.syncMap(*a.Jib)...), &said)
	if err != nil || !found {
		if ctx.Err() == nil {
			out("nothing will be synced, only built: the plugin does not tell where files go")
		}
		return
	}
	known := map[string]string{}
	for _, d := range said.Direct {
		known[filepath.Clean(d.Src)] = d.Dest
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.synced[a.Image] = known
}

// without is inputs less others.
type without struct {
	image.Inputs
	ignored image.Inputs
}

// Has says whether a path counts and is not ignored.
func (w without) Has(path string) bool { return w.Inputs.Has(path) && !w.ignored.Has(path) }

// Roots are those of the inputs, without the folders that are ignored.
func (w without) Roots() []image.Root {
	roots := w.Inputs.Roots()
	for i, r := range roots {
		roots[i].Skip = func(rel string) bool {
			return r.Skip != nil && r.Skip(rel) || w.ignored.Has(filepath.Join(r.Dir, filepath.FromSlash(rel)))
		}
	}
	return roots
}

// Singles are those of the inputs that are not ignored.
func (w without) Singles() []string {
	return slices.DeleteFunc(w.Inputs.Singles(), w.ignored.Has)
}

// Files are those that count.
func (w without) Files(ctx context.Context) ([]string, error) { return image.FilesOf(ctx, w) }
