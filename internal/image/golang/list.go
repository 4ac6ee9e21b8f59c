package golang

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// pkg is what of one package of `go list` counts here.
type pkg struct {
	Dir, ImportPath, Name string
	Standard, DepOnly     bool
	CgoFiles              []string
	EmbedPatterns         []string
	Module                *module
	Error                 *struct{ Err string }
}

type module struct {
	Path, Version, Dir, GoMod string
	Main                      bool
	Replace                   *module
}

// fields are those of pkg: go list spares itself what nobody asks for.
const fields = "Dir,ImportPath,Name,Standard,DepOnly,CgoFiles,EmbedPatterns,Module,Error"

// list asks the go command which packages a program consists of. Packages that cannot be loaded are in it with their error.
func (b *Builder) list(ctx context.Context, rec recipe) ([]pkg, error) {
	args := []string{"go", "list", "-e", "-deps", "-json=" + fields}
	args = append(append(args, listFlags(rec.Flags)...), rec.Package)
	var out, said strings.Builder
	err := b.o.Guard.Run(ctx, proc.Command{Args: args, Dir: rec.Dir, Env: b.environ(rec, b.listPlatform())}, func(l proc.Line) {
		if l.Stderr {
			said.WriteString(l.Text + "\n")
		} else {
			out.WriteString(l.Text + "\n")
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, diag.Errorf("cd "+rec.Dir+" && go list "+rec.Package, "list the packages of %s: %s", rec.Package, orText(said.String(), err))
	}
	var all []pkg
	for in := json.NewDecoder(strings.NewReader(out.String())); ; {
		var p pkg
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("what go list printed: %w", err)
		}
		all = append(all, p)
	}
}

func orText(text string, err error) string {
	if text = strings.TrimSpace(text); text != "" {
		return text
	}
	return err.Error()
}

// listFlags are the build flags that decide about packages; go list takes them, apart from where the result goes.
func listFlags(flags []string) []string {
	var kept []string
	for i := 0; i < len(flags); i++ {
		name, _, joined := strings.Cut(strings.TrimLeft(flags[i], "-"), "=")
		switch name {
		case "tags", "mod", "modfile", "overlay", "race", "msan", "asan", "cover", "C", "compiler":
			kept = append(kept, flags[i])
			if takesValue := name != "race" && name != "msan" && name != "asan" && name != "cover"; takesValue && !joined && i+1 < len(flags) {
				i++
				kept = append(kept, flags[i])
			}
		}
	}
	return kept
}

// listing is what a program is made of, and by what one can tell that it still is.
type listing struct {
	Recipe  string             `json:"recipe"` // of which recipe
	Import  string             `json:"import"` // of the main package
	Main    string             `json:"main"`   // its folder
	Fault   string             `json:"-"`      // why it cannot be built, if go list says so
	Folders map[string]*folder `json:"folders"`
	Roots   []string           `json:"roots"`   // folders that hold all of Folders
	Singles map[string]stamp   `json:"singles"` // go.mod, go.sum, go.work, …: whether they exist or not
}

// folder is the folder of one package.
type folder struct {
	Files  map[string]source `json:"files"`
	Embeds []string          `json:"embeds,omitempty"`
	Cgo    bool              `json:"cgo,omitempty"`
}

// listingOf is the listing of an artifact: the one that is known, as long as no file's imports changed, or a new one.
func (b *Builder) listingOf(ctx context.Context, a *config.Artifact, rec recipe) (*listing, error) {
	mark := b.mark(rec)
	b.mu.Lock()
	known := b.lists[a.Image]
	b.mu.Unlock()
	if known == nil {
		known = b.readListing(mark)
	}
	if known != nil && known.Recipe == mark {
		if still, changed := known.refresh(); still != nil {
			b.keep(a.Image, still, changed)
			return still, nil
		}
	}
	began := time.Now()
	pkgs, err := b.list(ctx, rec)
	if err != nil {
		return nil, err
	}
	fresh, err := newListing(mark, rec, pkgs)
	if err != nil {
		return nil, err
	}
	fresh.distrust(began)
	b.keep(a.Image, fresh, true)
	return fresh, nil
}

// mark tells the listings of different recipes apart.
func (b *Builder) mark(rec recipe) string {
	env := slices.Clone(rec.Env)
	for _, name := range obeyed {
		v, _ := lookup(b.o.Environ, name)
		env = append(env, name+"="+v)
	}
	data, err := json.Marshal([]any{rec.Dir, rec.Package, env, listFlags(rec.Flags), b.listPlatform(), b.toolchain(rec.Dir)})
	if err != nil {
		return ""
	}
	return string(data)
}

func newListing(mark string, rec recipe, pkgs []pkg) (*listing, error) {
	l := &listing{Recipe: mark, Folders: map[string]*folder{}, Singles: map[string]stamp{}}
	singles := []string{filepath.Join(rec.Dir, settingsFile)}
	var roots []string
	for _, p := range pkgs {
		if !p.DepOnly {
			l.Import, l.Main, l.Fault = p.ImportPath, p.Dir, fault(p)
		}
		if p.Dir == "" {
			p = awaited(p, pkgs)
		}
		root, counts := p.root()
		if !counts || p.Dir == "" {
			continue
		}
		files, err := readFolder(p.Dir, nil)
		if err != nil {
			return nil, err
		}
		l.Folders[p.Dir] = &folder{Files: files, Embeds: p.EmbedPatterns, Cgo: len(p.CgoFiles) > 0}
		roots = append(roots, root)
		if p.Module != nil && p.Module.GoMod != "" {
			singles = append(singles, p.Module.GoMod, strings.TrimSuffix(p.Module.GoMod, ".mod")+".sum", filepath.Join(root, "vendor", "modules.txt"))
		}
	}
	singles = append(singles, workFiles(rec.Dir)...)
	for _, file := range singles {
		l.Singles[file] = stampOf(file)
	}
	slices.Sort(roots)
	l.Roots = slices.Compact(roots)
	return l, nil
}

// awaited is a package of ours that is not there yet, at its place: whoever writes it wants to see it built.
func awaited(p pkg, pkgs []pkg) pkg {
	for _, known := range pkgs {
		m := known.Module
		if m == nil || !m.Main {
			continue
		}
		if rel, ok := strings.CutPrefix(p.ImportPath, m.Path+"/"); ok {
			p.Module, p.Dir = m, filepath.Join(m.Dir, filepath.FromSlash(rel))
			return p
		}
	}
	return p
}

// fault is why the main package is none.
func fault(p pkg) string {
	switch {
	case p.Error != nil:
		return p.Error.Err
	case p.Name != "main":
		return fmt.Sprintf("package %s is no program: it is package %s, not main", p.ImportPath, p.Name)
	}
	return ""
}

// root is the folder of the module that a package belongs to, and whether the package is one that people edit: not the standard
// library's, and not one that was downloaded.
func (p pkg) root() (string, bool) {
	m := p.Module
	switch {
	case p.Standard:
		return "", false
	case m == nil:
		return p.Dir, p.Dir != ""
	case m.Main:
		return m.Dir, true
	case m.Replace != nil && m.Replace.Version == "":
		return m.Dir, m.Dir != ""
	case strings.Contains(filepath.ToSlash(p.Dir), "/vendor/"):
		i := strings.LastIndex(filepath.ToSlash(p.Dir), "/vendor/")
		return p.Dir[:i], true
	}
	return "", false
}

// workFiles are where a workspace may be described.
func workFiles(dir string) []string {
	var files []string
	for {
		files = append(files, filepath.Join(dir, "go.work"))
		if _, err := os.Stat(files[len(files)-1]); err == nil {
			return append(files, filepath.Join(dir, "go.work.sum"))
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			// There is none; whoever adds one does so next to a go.mod.
			return files[:1]
		}
		dir = parent
	}
}

// program is the main package of a recipe, or why it is none.
func (b *Builder) program(ctx context.Context, a *config.Artifact, rec recipe) (*listing, error) {
	l, err := b.listingOf(ctx, a, rec)
	if err != nil {
		return nil, err
	}
	if l.Fault != "" && (l.Import == "" || l.Main == "" || strings.Contains(l.Fault, "is no program")) {
		return nil, diag.Errorf(`correct "ko.main" of the artifact, or "context"`, "%s", strings.TrimSpace(l.Fault))
	}
	return l, nil
}

// Inputs are the files of the packages that the program is made of, what they embed, kodata, and the files of the modules.
func (b *Builder) Inputs(ctx context.Context, a *config.Artifact) (image.Inputs, error) {
	rec, err := b.recipe(image.Request{Artifact: a, Ref: a.Image})
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", a.Image, err)
	}
	var more image.Inputs
	var ignore []string
	if d := a.Ko.Dependencies; d != nil {
		ignore = d.Ignore
		if more, err = image.Globs(a.Context, d.Paths, d.Ignore); err != nil {
			return nil, fmt.Errorf("image %q: %w", a.Image, err)
		}
	}
	l, err := b.listingOf(ctx, a, rec)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// The build will say what is wrong; whatever may mend it is to be seen.
		singles := append(workFiles(rec.Dir), filepath.Join(rec.Dir, settingsFile))
		return image.Globs(a.Context, []string{"**/*.go", "**/go.mod", "**/go.sum"}, ignore, singles...)
	}
	return newInputs(a.Context, l, b.listPlatform(), more, ignore)
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
