package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/proc"
	"github.com/skiff-dev/skiff/internal/tree"
)

// bulk are folders that no image is made of although they lie among the sources: looking into them would take long.
var bulk = []string{".git", "node_modules", ".venv", "venv", "__pycache__", ".pytest_cache", ".mypy_cache"}

// Build makes what an artifact needs to run here: it compiles, and stages files where the Dockerfile puts a folder together. What
// comes back names this state of the sources, as a reference of an image does (another one is another program), and the image's
// working folder.
func (t *Target) Build(ctx context.Context, a *config.Artifact, out func(line string)) (ref, dir string, err error) {
	img, err := t.image(a)
	if err != nil {
		return "", "", err
	}
	if err := t.make(ctx, a, img, out); err != nil {
		return "", "", err
	}
	ignore, err := ignored(img)
	if err != nil {
		return "", "", diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", a.Image, err))
	}
	if l := layout(img, StageDir(t.State, img.Name)); l.Staged != "" {
		if err := stageAll(ctx, img, l.Staged, ignore); err != nil {
			return "", "", diag.WithCode(diag.CodeBuild, fmt.Errorf("stage the files of image %q: %w", a.Image, err))
		}
	}
	mark, err := t.mark(ctx, img, ignore)
	if err != nil {
		return "", "", diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", a.Image, err))
	}
	ref = strings.TrimPrefix(a.Image, "ko://") + ":" + mark
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refs[ref] = a.Image
	return ref, img.Dir, nil
}

// ignored is what of the context no image is made of.
func ignored(img Image) (*tree.Ignore, error) {
	rules, err := tree.ReadIgnore(filepath.Join(img.Context, ".dockerignore"))
	if err != nil {
		return nil, err
	}
	return rules.WithNames(bulk...), nil
}

// make compiles: as skiff.yaml says, or what was recognised.
func (t *Target) make(ctx context.Context, a *config.Artifact, img Image, out func(string)) error {
	t.mu.Lock()
	own := t.settings.service(a.Image)
	t.mu.Unlock()
	if own.Build != "" {
		return t.compile(ctx, a, Compile{Dir: img.Context, Args: shellOf(t.Host.OS, own.Build)}, "", out)
	}
	for _, c := range img.Compiles {
		if err := t.compile(ctx, a, c, Program(t.State, img.Name, c), out); err != nil {
			return err
		}
	}
	return nil
}

// compile runs one compile step with this machine's tools.
func (t *Target) compile(ctx context.Context, a *config.Artifact, c Compile, program string, out func(string)) error {
	args := c.Args
	if program != "" {
		if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
			return err
		}
		args = append(append([]string{}, c.Args...), "-o", program, c.Package)
	}
	env := append(append([]string{}, t.Environ...), c.Env...)
	err := t.Guard.Run(ctx, proc.Command{Args: args, Dir: c.Dir, Env: env}, func(l proc.Line) { out(l.Text) })
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case errors.As(err, new(proc.Exit)):
		e := diag.Errorf("save what mends it; what ran before goes on", "image %q: %q failed with %w (its last lines are above)", a.Image, strings.Join(c.Args, " "), err)
		e.Code = diag.CodeBuild
		return e
	}
	return diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", a.Image, err))
}

// mark is a short name for the state of what a process is made of, by the stamps of its files. Nothing is read.
func (t *Target) mark(ctx context.Context, img Image, ignore *tree.Ignore) (string, error) {
	sum := sha256.New()
	note := func(path string) error {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			fmt.Fprintf(sum, "%s\x00%+v\x00", path, tree.StampOf(info))
		}
		return nil
	}
	for _, c := range img.Compiles {
		if err := note(Program(t.State, img.Name, c)); err != nil {
			return "", err
		}
	}
	err := eachFile(ctx, img, ignore, func(source, _ string) error { return note(source) })
	return hex.EncodeToString(sum.Sum(nil))[:12], err
}
