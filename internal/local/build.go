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
	"slices"
	"strings"
	"time"

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
	own, err := t.make(ctx, a, img, out)
	if err != nil {
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
	watched, err := t.Watches(ctx, a).Files(ctx)
	if err != nil {
		return "", "", diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", a.Image, err))
	}
	mark, err := t.mark(ctx, img, ignore, watched, own)
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

// make compiles: as skiff.yaml says, or what was recognised. own says that it was the former: nobody knows which files that made.
func (t *Target) make(ctx context.Context, a *config.Artifact, img Image, out func(string)) (own bool, err error) {
	for _, s := range t.services(ctx, a.Image) {
		if s.Build == "" {
			continue
		}
		if err := t.compile(ctx, a, Compile{Dir: img.Context, Args: shellOf(t.Host.OS, s.Build)}, "", out); err != nil {
			return true, err
		}
		own = true
	}
	if own {
		return true, nil
	}
	done := map[string]bool{}
	for _, c := range img.Compiles {
		c.File = "" // a folder is made as a whole, and once
		program := Program(t.State, img.Name, c)
		if done[program] {
			continue
		}
		done[program] = true
		if err := t.compile(ctx, a, c, program, out); err != nil {
			return false, err
		}
	}
	return false, nil
}

// compile runs one compile step with this machine's tools.
func (t *Target) compile(ctx context.Context, a *config.Artifact, c Compile, program string, out func(string)) error {
	args := c.Args
	if program != "" {
		if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
			return err
		}
		if c.From != "" {
			program += string(filepath.Separator) // so go build takes it for a folder
		}
		args = slices.Concat(c.Args, []string{"-o", program, c.Package}, c.Rest)
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

// mark is a short name for the state of what a process is made of, by the stamps of its files. Nothing is read. What a command of the
// project's own made is a new program every time.
func (t *Target) mark(ctx context.Context, img Image, ignore *tree.Ignore, more []string, own bool) (string, error) {
	sum := sha256.New()
	if own {
		fmt.Fprintf(sum, "%d\x00", time.Now().UnixNano())
	}
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
		program := Program(t.State, img.Name, c)
		more = append(more, program)
		if c.Folder {
			found, _ := filepath.Glob(filepath.Join(program, "*")) // the pattern is right
			more = append(more, found...)
		}
	}
	for _, file := range more {
		if err := note(file); err != nil {
			return "", err
		}
	}
	err := eachFile(ctx, img, ignore, func(source, _ string) error { return note(source) })
	return hex.EncodeToString(sum.Sum(nil))[:12], err
}
