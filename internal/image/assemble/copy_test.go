package assemble

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/pb"
	reference "github.com/tonistiigi/fsutil/copy"

	"github.com/skiff-dev/skiff/internal/tree"
)

// A copy has to come out as BuildKit's own code makes it on a real file system, with all that only newer engines know: patterns of
// --parents and --exclude, and --chmod in letters.
func TestCopiesComeOutAsBuildKitMakesThem(t *testing.T) {
	const cases = 150
	failed := 0
	for seed := range uint64(cases) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		src, dst := t.TempDir(), t.TempDir()
		grow(t, rnd, src, 12)
		grow(t, rnd, dst, 5)
		action := someCopy(rnd)
		before := treeOf(t, dst)
		mine, mineErr := mineOf(t, src, before, action)
		wantErr := theirs(t, src, dst, action)
		if (mineErr == nil) != (wantErr == nil) {
			// What cannot be told for certain is built in full, so to be too careful is no fault.
			if mineErr == nil {
				t.Errorf("seed %d: BuildKit fails with %v, this does not: %v", seed, wantErr, action)
				failed++
			}
			continue
		}
		if mineErr == nil {
			if diff := cmp.Diff(lines(treeOf(t, dst)), lines(mine)); diff != "" {
				t.Errorf("seed %d: %v (-BuildKit +this):\n%s", seed, action, diff)
				failed++
			}
		}
		if failed > 5 {
			t.Fatal("too many")
		}
	}
}

// grow makes random files, folders and links.
func grow(t *testing.T, rnd *rand.Rand, dir string, n int) {
	t.Helper()
	folders, names := []string{"", "a", "a/b", "a/b/c", "d", "e.x"}, []string{"f", "g.go", "h.txt", "a", "b", "[k]"}
	for range n {
		at := filepath.Join(dir, folders[rnd.IntN(len(folders))], names[rnd.IntN(len(names))])
		if os.MkdirAll(filepath.Dir(at), 0o755) != nil {
			continue
		}
		if _, err := os.Lstat(at); err == nil {
			continue
		}
		switch rnd.IntN(6) {
		case 0:
			_ = os.Symlink([]string{"f", "../a", "b/c", "/d", "nowhere", ".."}[rnd.IntN(6)], at)
		case 1:
			_ = os.Mkdir(at, 0o755)
			_ = os.Chmod(at, []fs.FileMode{0o700, 0o755, 0o775}[rnd.IntN(3)])
		default:
			_ = os.WriteFile(at, fmt.Append(nil, rnd.IntN(100)), 0o644)
			_ = os.Chmod(at, []fs.FileMode{0o600, 0o644, 0o755, 0o444}[rnd.IntN(4)])
		}
	}
}

func someCopy(rnd *rand.Rand) *pb.FileActionCopy {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	a := &pb.FileActionCopy{
		Src: pick("/", "/a", "/a/b", "/d", "/f", "/*", "/a/*", "/*.x", "/*/g.go", "/?", "/[a-d]"), Dest: pick("/", "/x", "/x/", "/x/y/z", "/a", "/a/", "/a/b", "/d/", "/f"),
		Mode: -1, FollowSymlink: true, DirCopyContents: true, CreateDestPath: true, AllowWildcard: true, AllowEmptyWildcard: true, Timestamp: -1,
	}
	if rnd.IntN(3) == 0 {
		a.ModeStr = pick("u+x", "go-r", "a=rwX", "g+w,o-rwx", "u=rw,g=r,o=")
	}
	for range rnd.IntN(3) * rnd.IntN(2) {
		a.IncludePatterns = append(a.IncludePatterns, pick("a/b", "a", "**/g.go", "*.x/*", "a/*/c", "d/f"))
	}
	for range rnd.IntN(3) * rnd.IntN(2) {
		a.ExcludePatterns = append(a.ExcludePatterns, pick("*.go", "**/*.txt", "a/b", "!a/b/c", "b", "**/f", "d/**"))
	}
	return a
}

func treeOf(t *testing.T, dir string) *forest {
	t.Helper()
	index, err := tree.OpenIndex("")
	if err != nil {
		t.Fatal(err)
	}
	f, err := readContext(t.Context(), dir, nil, nil, index)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mineOf(t *testing.T, src string, before *forest, action *pb.FileActionCopy) (*forest, error) {
	t.Helper()
	d := newDisk(before, newest(before.sorted()))
	if err := copyInto(t.Context(), treeOf(t, src), d, action, nil, 0); err != nil {
		return nil, err
	}
	nodes, err := d.result()
	for _, n := range nodes {
		before.put(n)
	}
	return before, err
}

// theirs does the same with BuildKit's code.
func theirs(t *testing.T, src, dst string, a *pb.FileActionCopy) error {
	t.Helper()
	matches, err := reference.ResolveWildcards(src, a.Src, a.FollowSymlink)
	if err != nil {
		return err
	}
	for _, m := range matches {
		err := reference.Copy(t.Context(), src, m, dst, a.Dest, func(ci *reference.CopyInfo) {
			ci.IncludePatterns, ci.ExcludePatterns, ci.ModeStr = a.IncludePatterns, a.ExcludePatterns, a.ModeStr
			ci.CopyDirContents, ci.FollowLinks = a.DirCopyContents, a.FollowSymlink
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func lines(f *forest) map[string]string {
	all := map[string]string{}
	for _, p := range f.paths() {
		n := f.nodes[p]
		all[p] = fmt.Sprintf("%v %s %.6s", n.Mode, n.Link, n.Digest)
		if n.isLink() {
			all[p] = "-> " + n.Link
		}
		if n.isFile() {
			all[p] += fmt.Sprint(" ", n.Time.UnixNano())
		}
	}
	return all
}
