package tag

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// command asks the user's own git. It is the fallback for repositories that are not read in process.
type command struct {
	root    string
	environ []string
	path    string
}

var _ repository = command{}

func newCommand(root string, environ []string) command {
	path, _ := exec.LookPath("git")
	return command{root, environ, path}
}

func (c command) found() bool { return c.path != "" }

func (c command) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.path, append([]string{"-C", dir}, args...)...)
	// Without optional locks git does not rewrite its index, which a watcher would take for a change.
	cmd.Env = append(append([]string{}, c.environ...), "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		text, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		if text == "" {
			return "", fmt.Errorf("git %s: %w", args[0], err)
		}
		return "", fmt.Errorf("git %s: %s", args[0], text)
	}
	return strings.TrimRight(string(out), "\n"), nil
}

func (c command) describe(ctx context.Context) (string, error) {
	return c.run(ctx, c.root, "describe", "--tags", "--always")
}

func (c command) commit(ctx context.Context, short bool) (string, error) {
	if short {
		return c.run(ctx, c.root, "rev-parse", "--short", "HEAD")
	}
	return c.run(ctx, c.root, "rev-parse", "HEAD")
}

func (c command) tree(ctx context.Context, dir string, short bool) (string, error) {
	rel, err := filepath.Rel(c.root, dir)
	if err != nil {
		return "", err
	}
	name := "HEAD^{tree}"
	if rel != "." {
		name = "HEAD:" + filepath.ToSlash(rel)
	}
	if short {
		return c.run(ctx, c.root, "rev-parse", "--short", name)
	}
	return c.run(ctx, c.root, "rev-parse", name)
}

func (c command) branch(ctx context.Context) (string, error) {
	return c.run(ctx, c.root, "branch", "--show-current")
}

func (c command) dirty(ctx context.Context, dir string) (bool, error) {
	if !c.found() {
		return false, errors.New("git is not in PATH")
	}
	out, err := c.run(ctx, dir, "status", ".", "--porcelain")
	return out != "", err
}
