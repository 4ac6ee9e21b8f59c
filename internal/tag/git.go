package tag

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/skiff-dev/skiff/internal/config"
)

// repository is what a git repository says of one folder in it.
type repository interface {
	// describe is the newest tag, with the number of commits since and the short commit; the short commit where there is no tag.
	describe(ctx context.Context) (string, error)
	commit(ctx context.Context, short bool) (string, error)
	// tree is the folder's tree at HEAD.
	tree(ctx context.Context, dir string, short bool) (string, error)
	// branch is empty when HEAD is on none.
	branch(ctx context.Context) (string, error)
	// dirty says whether the folder holds something that HEAD does not, new files counted.
	dirty(ctx context.Context, dir string) (bool, error)
}

// gitPolicy makes a tag of the state of the git repository that holds the artifact's context.
type gitPolicy struct {
	variant       string
	prefix        string
	ignoreChanges bool
}

// variants are the known ones, in lower case; empty is the default.
var variants = []string{"", "tags", "commitsha", "abbrevcommitsha", "treesha", "abbrevtreesha", "branches"}

func newGit(c *config.GitTagger) (policy, error) {
	variant := strings.ToLower(c.Variant)
	for _, known := range variants {
		if variant == known {
			return gitPolicy{variant, c.Prefix, c.IgnoreChanges}, nil
		}
	}
	return nil, fmt.Errorf("gitCommit: unknown variant %q (Tags, CommitSha, AbbrevCommitSha, TreeSha, AbbrevTreeSha, Branches)", c.Variant)
}

func (g gitPolicy) tag(ctx context.Context, p *pass, a *config.Artifact) (string, error) {
	dir, err := filepath.Abs(a.Context)
	if err != nil {
		return "", err
	}
	repo, err := p.repos.open(dir)
	if err != nil {
		return "", err
	}
	text, err := g.text(ctx, repo, dir)
	if err != nil {
		return "", fmt.Errorf("git: %w", err)
	}
	text = sanitize(text)
	if text == "" {
		text = Latest // HEAD is on no branch
	}
	if !g.ignoreChanges {
		dirty, err := repo.dirty(ctx, dir)
		if err != nil {
			return "", fmt.Errorf("git: %w", err)
		}
		if dirty {
			text += "-dirty"
		}
	}
	return g.prefix + text, nil
}

func (g gitPolicy) text(ctx context.Context, repo repository, dir string) (string, error) {
	switch g.variant {
	case "commitsha":
		return repo.commit(ctx, false)
	case "abbrevcommitsha":
		return repo.commit(ctx, true)
	case "treesha":
		return repo.tree(ctx, dir, false)
	case "abbrevtreesha":
		return repo.tree(ctx, dir, true)
	case "branches":
		name, err := repo.branch(ctx)
		if err != nil {
			return repo.commit(ctx, true)
		}
		return name, nil
	}
	return repo.describe(ctx)
}

var (
	odd     = regexp.MustCompile(`[^A-Za-z0-9._-]`)
	leading = regexp.MustCompile(`^[-.]+`)
)

// sanitize makes a valid tag of the name of a tag or a branch.
func sanitize(s string) string {
	s = odd.ReplaceAllString(s, "_")
	s = leading.ReplaceAllStringFunc(s, func(m string) string { return strings.Repeat("_", len(m)) })
	if len(s) > 128 {
		s = s[:128]
	}
	return s
}

// repos are the repositories of one pass, each opened once.
type repos struct {
	mu      sync.Mutex
	environ []string
	byRoot  map[string]opened
}

type opened struct {
	repo repository
	err  error
}

func newRepos(environ []string) *repos { return &repos{environ: environ, byRoot: map[string]opened{}} }

var errNoRepository = errors.New("the context lies in no git repository")

// open finds the repository around a folder. It is read in process where that is certain to give what git gives, and by
// starting git where it is not.
func (r *repos) open(dir string) (repository, error) {
	root := findRoot(dir)
	if root == "" {
		return nil, errNoRepository
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, ok := r.byRoot[root]; ok {
		return have.repo, have.err
	}
	repo, err := r.openRoot(root)
	r.byRoot[root] = opened{repo, err}
	return repo, err
}

func (r *repos) openRoot(root string) (repository, error) {
	command := newCommand(root, r.environ)
	if reason := unusual(root, r.environ); reason != "" {
		if !command.found() {
			return nil, fmt.Errorf("%s, which needs git itself, and there is none in PATH", reason)
		}
		return command, nil
	}
	if large(root) && command.found() {
		return command, nil
	}
	native, err := openNative(root, r.environ)
	if err != nil {
		if command.found() {
			return command, nil
		}
		return nil, err
	}
	native.fallback = command
	return native, nil
}

// findRoot is the folder at or above dir that holds .git, empty if there is none.
func findRoot(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}
