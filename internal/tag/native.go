package tag

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5"
	gitconfig "github.com/go-git/go-git/v5/plumbing/format/config"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// native reads a repository in process, once for one pass. It is safe for concurrent use.
type native struct {
	mu       sync.Mutex // of all but the comparison of files
	root     string
	environ  map[string]string
	repo     *git.Repository
	head     *object.Commit
	settings *gitconfig.Config
	names    shorts
	fallback command

	status    *worktree // read when it is first asked for
	statusErr error
	described string // what describe found
}

var _ repository = (*native)(nil)

// hugePacks is the size of pack indexes from which on git is asked where there is one: a million objects.
const hugePacks = 32 << 20

// telling are the variables that change which repository git reads, or what describe and status say of it.
var telling = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE",
	"GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_REPLACE_REF_BASE", "GIT_NO_REPLACE_OBJECTS", "GIT_GRAFT_FILE",
	"GIT_SHALLOW_FILE",
}

// unusual says why a repository is not read in process, empty when it is.
func unusual(root string, environ []string) string {
	dir := filepath.Join(root, ".git")
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return "the repository is a worktree or a submodule"
	}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(telling, name) || strings.HasPrefix(name, "GIT_ATTR_") || strings.HasSuffix(name, "_PATHSPECS") && strings.HasPrefix(name, "GIT_") {
			return name + " is set"
		}
	}
	for name, reason := range map[string]string{
		"objects/info/alternates": "the repository borrows objects", "shallow": "the repository is shallow",
		"info/sparse-checkout": "the checkout is sparse", "modules": "the repository has submodules",
		"info/grafts": "the repository has grafts", "refs/replace": "the repository has replaced objects",
		"reftable": "the repository keeps its references in tables", "info/attributes": "the repository has attributes",
	} {
		if exists(filepath.Join(dir, filepath.FromSlash(name))) {
			return reason
		}
	}
	return ""
}

// large says whether git, which maps its files into memory, is faster than reading them whole.
func large(root string) bool {
	var size int64
	packs, _ := filepath.Glob(filepath.Join(root, ".git", "objects", "pack", "*.idx")) // the pattern is good
	for _, pack := range packs {
		if info, err := os.Stat(pack); err == nil {
			size += info.Size()
		}
	}
	return size > hugePacks
}

func openNative(root string, environ []string) (*native, error) {
	repo, err := git.PlainOpen(root)
	if err != nil {
		return nil, fmt.Errorf("git repository %s: %w", root, err)
	}
	n := &native{root: root, environ: environMap(environ), repo: repo, names: shorts{dir: filepath.Join(root, ".git", "objects")}}
	if n.settings, err = readSettings(root, n.environ); err != nil {
		return nil, err
	}
	ref, err := repo.Head()
	if err != nil {
		return nil, fmt.Errorf("git repository %s: HEAD: %w", root, err)
	}
	if n.head, err = repo.CommitObject(ref.Hash()); err != nil {
		return nil, fmt.Errorf("git repository %s: HEAD: %w", root, err)
	}
	return n, nil
}

func (n *native) commit(ctx context.Context, short bool) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.headName(ctx, short)
}

func (n *native) headName(ctx context.Context, short bool) (string, error) {
	return n.name(ctx, n.head.Hash.String(), short)
}

func (n *native) name(ctx context.Context, hash string, short bool) (string, error) {
	if !short {
		return hash, nil
	}
	if v := n.option("core", "abbrev"); v != "" && v != "auto" {
		return n.fallback.run(ctx, n.root, "rev-parse", "--short", hash)
	}
	return n.names.short(hash)
}

func (n *native) tree(ctx context.Context, dir string, short bool) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	rel, err := filepath.Rel(n.root, dir)
	if err != nil {
		return "", err
	}
	hash := n.head.TreeHash
	if rel != "." {
		tree, err := n.head.Tree()
		if err != nil {
			return "", err
		}
		entry, err := tree.FindEntry(filepath.ToSlash(rel))
		if err != nil {
			return "", fmt.Errorf("%s is not in HEAD", rel)
		}
		hash = entry.Hash
	}
	return n.name(ctx, hash.String(), short)
}

func (n *native) branch(context.Context) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ref, err := n.repo.Head()
	if err != nil || !ref.Name().IsBranch() {
		return "", err
	}
	return ref.Name().Short(), nil
}

// dirty reads the status in process, and asks git where it meets what it does not understand.
func (n *native) dirty(ctx context.Context, dir string) (bool, error) {
	dirty, err := n.isDirty(ctx, dir)
	if errors.Is(err, errAskGit) && n.fallback.found() {
		return n.fallback.dirty(ctx, dir)
	}
	return dirty, err
}

// option is a setting of the repository or the user, the last one that is written.
func (n *native) option(section, key string) string {
	return n.settings.Section(section).Option(key)
}

// readSettings reads the user's and the repository's configuration. One that includes further files is left to git.
func readSettings(root string, environ map[string]string) (*gitconfig.Config, error) {
	all := gitconfig.New()
	files := []string{"/etc/gitconfig"}
	if home := environ["HOME"]; home != "" {
		files = append(files, filepath.Join(configHome(environ), "git", "config"), filepath.Join(home, ".gitconfig"))
	}
	files = append(files, filepath.Join(root, ".git", "config"))
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		err = gitconfig.NewDecoder(f).Decode(all)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, name := range []string{"include", "includeIf"} {
		if all.HasSection(name) {
			return nil, errAskGit
		}
	}
	if all.Section("extensions").Option("objectformat") == "sha256" {
		return nil, errAskGit
	}
	return all, nil
}

func configHome(environ map[string]string) string {
	if dir := environ["XDG_CONFIG_HOME"]; dir != "" {
		return dir
	}
	return filepath.Join(environ["HOME"], ".config")
}

// errAskGit is a repository that has something that is not understood here.
var errAskGit = errors.New("this needs git itself")

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
