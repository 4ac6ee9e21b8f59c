package tag

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shell is a git repository that a test changes with the real git.
type shell struct {
	t    *testing.T
	dir  string
	env  []string
	tick int64
}

func newShell(t *testing.T) *shell {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	s := &shell{t: t, dir: t.TempDir(), tick: 1700000000}
	s.env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	s.git("init", "-q", "-b", "main")
	return s
}

func (s *shell) git(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func (s *shell) try(args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", s.dir}, args...)...)
	date := fmt.Sprintf("%d +0000", s.tick)
	cmd.Env = append(s.env, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
		"GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (s *shell) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shell) native() *native {
	s.t.Helper()
	if reason := unusual(s.dir, s.env); reason != "" {
		s.t.Fatal(reason)
	}
	n, err := openNative(s.dir, s.env)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// compare asks both ways of reading the repository the same questions.
func (s *shell) compare(dirs ...string) {
	s.t.Helper()
	ctx := s.t.Context()
	real, ours := newCommand(s.dir, s.env), s.native()
	check := func(what, want, got string, err1, err2 error) {
		s.t.Helper()
		if (err1 == nil) != (err2 == nil) || (err1 == nil && want != got) {
			s.t.Errorf("%s: git says %q (%v), we say %q (%v)", what, want, err1, got, err2)
		}
	}
	want, err1 := real.describe(ctx)
	got, err2 := ours.describe(ctx)
	check("describe", want, got, err1, err2)
	want, err1 = real.commit(ctx, true)
	got, err2 = ours.commit(ctx, true)
	check("short commit", want, got, err1, err2)
	want, err1 = real.branch(ctx)
	got, err2 = ours.branch(ctx)
	check("branch", want, got, err1, err2)
	for _, dir := range dirs {
		abs := filepath.Join(s.dir, dir)
		want, err1 := real.tree(ctx, abs, true)
		got, err2 := ours.tree(ctx, abs, true)
		check("tree of "+dir, want, got, err1, err2)
		if _, err := os.Stat(abs); err != nil {
			continue
		}
		// Asked before git is: git may write what it finds to its index.
		isDirty, err2 := ours.isDirty(ctx, abs)
		mustBe, err1 := real.dirty(ctx, abs)
		if err1 != nil || err2 != nil || isDirty != mustBe {
			s.t.Errorf("dirty %q: git says %v (%v), we say %v (%v)\n%s", dir, mustBe, err1, isDirty, err2, s.git("status", "--porcelain"))
		}
	}
}

func TestRandomHistoriesAreDescribedAsGitDescribesThem(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			s, r := newShell(t), rand.New(rand.NewPCG(seed, 1))
			branches := []string{"main"}
			for i := range 25 {
				s.tick += r.Int64N(3) * 100
				s.write(fmt.Sprintf("f%d", i), "x")
				s.git("add", "-A")
				s.git("commit", "-q", "-m", fmt.Sprint("c", i))
				switch r.IntN(9) {
				case 0:
					s.git("tag", fmt.Sprintf("light-%d", i))
				case 1:
					s.git("tag", "-a", "-m", "m", fmt.Sprintf("v1.%d", i))
				case 2:
					name := fmt.Sprintf("feature/%d", i)
					s.git("checkout", "-q", "-b", name)
					branches = append(branches, name)
				case 3:
					s.git("checkout", "-q", branches[r.IntN(len(branches))])
				case 4:
					s.tick += 50
					_, _ = s.try("merge", "-q", "--no-ff", "-m", "merge", branches[r.IntN(len(branches))])
				case 5:
					s.git("tag", "-f", "-a", "-m", "m", "both")
				case 6:
					if r.IntN(3) == 0 {
						s.git("gc", "-q")
					}
				}
				if i%6 == 5 {
					s.compare(".")
				}
			}
			s.git("checkout", "-q", "--detach")
			s.compare(".")
		})
	}
}

func TestRandomWorkingTreesAreDirtyWhereGitSaysSo(t *testing.T) {
	dirs := []string{".", "a", "a/b", "c", "build"}
	names := []string{"x.go", "y.txt", "a/x.go", "a/b/y.log", "a/b/z.go", "c/keep.log", "build/o", "a/build/p", "c/d/e/f.txt", "c/.hidden"}
	patterns := []string{"*.log", "/build", "build/", "!keep.log", "a/**/z.go", "c/d/", "**/e", "# no", "\\!x", "y.*", "[xy].go", "c/*", "!c/.hidden", "a/b/**", "*.txt "}
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			s, r := newShell(t), rand.New(rand.NewPCG(seed, 2))
			change := func() {
				name := names[r.IntN(len(names))]
				file := filepath.Join(s.dir, name)
				switch r.IntN(9) {
				case 0:
					_ = os.Remove(file)
				case 1:
					_ = os.Chmod(file, 0o755)
				case 2:
					_, _ = s.try("add", name)
				case 3:
					_ = os.Remove(file)
					_ = os.MkdirAll(filepath.Dir(file), 0o755)
					_ = os.Symlink("target", file)
				case 4:
					s.write([]string{".gitignore", "a/.gitignore", "c/.gitignore"}[r.IntN(3)], patterns[r.IntN(len(patterns))]+"\n"+patterns[r.IntN(len(patterns))]+"\n")
				case 5:
					now := time.Unix(s.tick, 0)
					_ = os.Chtimes(file, now, now)
				case 6:
					_, _ = s.try("rm", "-q", "--cached", name)
				default:
					_ = os.Remove(file)
					s.write(name, strings.Repeat("l\n", r.IntN(3)))
				}
			}
			for range 8 {
				change()
			}
			s.git("add", "-A")
			s.git("commit", "-q", "--allow-empty", "-m", "one")
			for range 12 {
				s.compare(dirs...)
				for range 1 + r.IntN(3) {
					change()
				}
				if r.IntN(4) == 0 {
					s.git("add", "-A")
					s.git("commit", "-q", "--allow-empty", "-m", "more")
				}
			}
		})
	}
}

func TestARepositoryThatIsNotReadHereIsLeftToGit(t *testing.T) {
	s := newShell(t)
	s.write("f", "x")
	s.git("add", "-A")
	s.git("commit", "-q", "-m", "one")
	s.git("tag", "v1")
	other := filepath.Join(t.TempDir(), "tree")
	s.git("worktree", "add", "-q", other)
	repo, err := newRepos(s.env).open(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := repo.(command); !ok {
		t.Errorf("%T", repo)
	}
	if got, err := repo.describe(t.Context()); err != nil || got != "v1" {
		t.Errorf("describe: %q, %v", got, err)
	}
}
