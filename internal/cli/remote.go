package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

// clones is the repositories that projects require, kept in a folder and brought up to date as the flags say.
type clones struct {
	cache  string // the folder
	dir    string // that relative addresses start from
	policy string // "always", "missing" or "never"
	out    io.Writer
}

// clones is the repositories that the flags of a command ask for. Commands that only look do not wait for the network.
func (w World) clones(o *options, command string) *clones {
	c := &clones{cache: filepath.Join(w.State, "repos"), dir: w.Dir, policy: o.syncRemoteCache, out: w.Err}
	if o.remoteCacheDir != "" {
		c.cache = w.path(o.remoteCacheDir)
	}
	if c.policy == "" {
		c.policy = "always"
		if slices.Contains([]string{"diagnose", "inspect", "lint", "why"}, command) {
			c.policy = "missing"
		}
	}
	return c
}

// fetch is the folder with a repository at the wanted state.
func (c *clones) fetch(ctx context.Context, g *config.GitSource) (string, error) {
	if strings.HasPrefix(g.Repo, "-") || strings.HasPrefix(g.Ref, "-") {
		return "", diag.Errorf("correct them", "the address and the ref of a repository cannot begin with a dash")
	}
	sum := sha256.Sum256([]byte(g.Repo + "\x00" + g.Ref))
	dir := filepath.Join(c.cache, hex.EncodeToString(sum[:16]))
	there := isClone(dir)
	switch {
	case there && (c.policy != "always" || g.Sync != nil && !*g.Sync):
		return dir, nil
	case !there && c.policy == "never":
		return "", diag.Errorf("run once with --sync-remote-cache=missing", "%s is not in the cache, and --sync-remote-cache=never does not fetch it", g.Repo)
	}
	unlock, err := locked(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	if !there && isClone(dir) {
		return dir, nil // another skiff has fetched it meanwhile
	}
	// The project is not loaded yet, so no event can say why it takes a moment.
	fmt.Fprintf(c.out, "fetching %s\n", g.Repo)
	if there {
		err = git(dir).to(ctx, c.address(g.Repo), g.Ref)
	} else {
		err = cloned(ctx, dir, c.address(g.Repo), g.Ref)
	}
	if err != nil {
		return "", fetchFault(g, err, there)
	}
	return dir, nil
}

// locked keeps every other skiff away from a clone: two that fetch at once would stand in each other's way.
func locked(ctx context.Context, dir string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, fmt.Errorf("wait for another skiff that fetches the same repository: %w", err)
	}
	return func() { _ = lock.Close() }, nil // the file stays: who waits for it holds it open
}

// address is where git finds the repository: a folder is named from the working folder, not from the clone.
func (c *clones) address(repo string) string {
	if path := filepath.Join(c.dir, repo); !filepath.IsAbs(repo) && !strings.Contains(repo, ":") {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
	}
	return repo
}

func fetchFault(g *config.GitSource, err error, there bool) error {
	hint := fmt.Sprintf("try it by hand: git ls-remote %s", g.Repo)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		hint = "install git"
	case there:
		hint = "use the clone of the last time with --sync-remote-cache=missing"
	case g.Ref != "" && strings.Contains(err.Error(), g.Ref):
		hint = fmt.Sprintf("correct the ref; the repository has: git ls-remote %s", g.Repo)
	}
	return diag.Errorf(hint, "%s cannot be fetched: %w", g.Repo, err)
}

// cloned makes the clone beside its place and moves it there at the end, so that a half one is never taken for a whole.
func cloned(ctx context.Context, dir, repo, ref string) error {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "clone-*")
	if err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	run := git(tmp)
	_, err = run.do(ctx, "init", "-q")
	if err == nil {
		_, err = run.do(ctx, "remote", "add", "origin", repo)
	}
	if err == nil {
		err = run.to(ctx, repo, ref)
	}
	if err == nil {
		err = os.Rename(tmp, dir)
		if errors.Is(err, fs.ErrExist) || isClone(dir) {
			err = nil // another skiff was faster
		}
	}
	return errors.Join(err, os.RemoveAll(tmp))
}

func isClone(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ".git"))
	return err == nil
}

// git runs git in a folder.
type git string

var isCommit = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// to brings the folder to a branch, a tag or a commit of the repository; "" is master, else main, else what it is cloned to.
func (g git) to(ctx context.Context, repo, ref string) error {
	if _, err := g.do(ctx, "remote", "set-url", "origin", repo); err != nil {
		return err
	}
	if ref == "" {
		heads, err := g.do(ctx, "ls-remote", "--heads", "origin", "refs/heads/master", "refs/heads/main")
		if err != nil {
			return err
		}
		switch {
		case strings.Contains(heads, "refs/heads/master"):
			ref = "refs/heads/master"
		case strings.Contains(heads, "refs/heads/main"):
			ref = "refs/heads/main"
		default:
			ref = "HEAD"
		}
	}
	at := "FETCH_HEAD"
	if _, err := g.do(ctx, "fetch", "-q", "--depth", "1", "origin", ref); err != nil {
		if !isCommit.MatchString(ref) {
			return err
		}
		// A server need not hand out single commits: then all of the history is fetched, and the commit looked up in it.
		args := []string{"fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"}
		if _, shallow := os.Stat(filepath.Join(string(g), ".git", "shallow")); shallow == nil {
			args = slices.Insert(args, 2, "--unshallow")
		}
		if _, err := g.do(ctx, args...); err != nil {
			return err
		}
		at = ref
	}
	_, err := g.do(ctx, "reset", "-q", "--hard", at)
	return err
}

// do runs one command of git and is its output.
func (g git) do(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = string(g)
	// A hook of git that runs skiff names its own repository in the environment. Nobody is there to answer a question.
	cmd.Env = append(slices.DeleteFunc(cmd.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}, name)
	}), "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.Output()
	if err == nil {
		return string(out), nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if text := strings.TrimSpace(string(exit.Stderr)); text != "" {
			lines := strings.Split(text, "\n")
			return "", errors.New(strings.TrimPrefix(lines[len(lines)-1], "fatal: "))
		}
	}
	return "", fmt.Errorf("git %s: %w", args[0], err)
}
