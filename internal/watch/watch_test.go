package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// session is a Watcher that runs until the test ends.
type session struct {
	t     testing.TB
	w     *Watcher
	out   chan Batch
	mu    sync.Mutex
	notes []string
}

func begin(t testing.TB, o Options, roots []Root, files ...string) *session {
	t.Helper()
	s := &session{t: t, out: make(chan Batch)}
	o.Note = func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.notes = append(s.notes, text)
	}
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.w = w
	s.set(roots, files...)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(ctx, s.out); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return s
}

func (s *session) set(roots []Root, files ...string) {
	s.t.Helper()
	if err := s.w.Set(roots, files); err != nil {
		s.t.Fatal(err)
	}
}

// until gathers what changes until all of want did, and returns everything.
func (s *session) until(want ...string) []string {
	s.t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	var got []string
	for {
		select {
		case b := <-s.out:
			got = append(got, b.Paths...)
		case <-deadline.C:
			s.t.Fatalf("never heard of all of %q, only of %q", want, got)
		}
		missing := false
		for _, w := range want {
			missing = missing || !slices.Contains(got, w)
		}
		if !missing {
			slices.Sort(got)
			return slices.Compact(got)
		}
	}
}

// exactly gathers what changes until mark, a file that is written last, did, and compares it without mark.
func (s *session) exactly(mark string, want ...string) {
	s.t.Helper()
	write(s.t, mark, time.Now().String())
	got := slices.DeleteFunc(s.until(mark), func(p string) bool { return p == mark })
	if diff := cmp.Diff(want, got, cmp.Transformer("empty", func(p []string) []string { return append([]string{}, p...) })); diff != "" {
		s.t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	must(t, os.MkdirAll(path, 0o755))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func skipNames(names ...string) func(string) bool {
	return func(rel string) bool {
		return slices.ContainsFunc(strings.Split(rel, "/"), func(p string) bool { return slices.Contains(names, p) })
	}
}

// TestChangesOfATree runs every case against both ways of noticing.
func TestChangesOfATree(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir string)
		act  func(t *testing.T, dir string)
		want []string
		// temporary says that something comes and goes, which polling may see or not.
		temporary bool
	}{
		{
			"a saved file",
			func(t *testing.T, dir string) { write(t, dir+"/a", "1") },
			func(t *testing.T, dir string) { write(t, dir+"/a", "two") },
			[]string{"a"},
			false,
		},
		{
			"a new file and a deleted one",
			func(t *testing.T, dir string) { write(t, dir+"/old", "1") },
			func(t *testing.T, dir string) { write(t, dir+"/new", "1"); must(t, os.Remove(dir+"/old")) },
			[]string{"new", "old"},
			false,
		},
		{
			"a renamed file, under both names",
			func(t *testing.T, dir string) { write(t, dir+"/a", "1") },
			func(t *testing.T, dir string) { must(t, os.Rename(dir+"/a", dir+"/b")) },
			[]string{"a", "b"},
			false,
		},
		{
			"a file that another one was renamed over",
			func(t *testing.T, dir string) { write(t, dir+"/a", "1") },
			func(t *testing.T, dir string) {
				write(t, dir+"/.a.tmp", "22")
				must(t, os.Rename(dir+"/.a.tmp", dir+"/a"))
			},
			[]string{"a"},
			true,
		},
		{
			"the backup dance of vim, without its temporary files",
			func(t *testing.T, dir string) { write(t, dir+"/a", "1") },
			func(t *testing.T, dir string) {
				write(t, dir+"/4913", "")
				must(t, os.Remove(dir+"/4913"))
				must(t, os.Rename(dir+"/a", dir+"/a~"))
				write(t, dir+"/a", "22")
				must(t, os.Chmod(dir+"/a", 0o644))
				must(t, os.Remove(dir+"/a~"))
			},
			[]string{"a"},
			true,
		},
		{
			"a file that became executable",
			func(t *testing.T, dir string) { write(t, dir+"/a", "1") },
			func(t *testing.T, dir string) { must(t, os.Chmod(dir+"/a", 0o755)) },
			[]string{"a"},
			false,
		},
		{
			"a new folder with all that is in it",
			func(t *testing.T, dir string) {},
			func(t *testing.T, dir string) { mkdir(t, dir+"/x/y/z"); write(t, dir+"/x/y/z/a", "1") },
			[]string{"x", "x/y", "x/y/z", "x/y/z/a"},
			false,
		},
		{
			"a renamed folder with all that was and is in it",
			func(t *testing.T, dir string) {
				mkdir(t, dir+"/x/y")
				write(t, dir+"/x/a", "1")
				write(t, dir+"/x/y/b", "1")
			},
			func(t *testing.T, dir string) { must(t, os.Rename(dir+"/x", dir+"/z")) },
			[]string{"x", "x/a", "x/y", "x/y/b", "z", "z/a", "z/y", "z/y/b"},
			false,
		},
		{
			"a deleted folder with all that was in it",
			func(t *testing.T, dir string) { mkdir(t, dir+"/x/y"); write(t, dir+"/x/y/b", "1") },
			func(t *testing.T, dir string) { must(t, os.RemoveAll(dir+"/x")) },
			[]string{"x", "x/y", "x/y/b"},
			false,
		},
		{
			"a folder moved away with all that was in it",
			func(t *testing.T, dir string) { mkdir(t, dir+"/x/y"); write(t, dir+"/x/y/b", "1") },
			func(t *testing.T, dir string) { must(t, os.Rename(dir+"/x", t.TempDir()+"/x")) },
			[]string{"x", "x/y", "x/y/b"},
			false,
		},
		{
			"nothing of what is skipped",
			func(t *testing.T, dir string) { mkdir(t, dir+"/.git/objects"); mkdir(t, dir+"/src") },
			func(t *testing.T, dir string) {
				write(t, dir+"/.git/index", "1")
				write(t, dir+"/.git/objects/aa", "1")
				mkdir(t, dir+"/src/.git")
				write(t, dir+"/src/.git/a", "1")
				write(t, dir+"/src/a", "1")
			},
			[]string{"src/a"},
			false,
		},
		{
			"a symbolic link that points elsewhere now",
			func(t *testing.T, dir string) { must(t, os.Symlink("one", dir+"/link")) },
			func(t *testing.T, dir string) {
				must(t, os.Remove(dir+"/link"))
				must(t, os.Symlink("another", dir+"/link"))
			},
			[]string{"link"},
			false,
		},
		{
			"no end of a loop of symbolic links",
			func(t *testing.T, dir string) { mkdir(t, dir+"/x"); must(t, os.Symlink("..", dir+"/x/up")) },
			func(t *testing.T, dir string) { write(t, dir+"/x/a", "1") },
			[]string{"x/a"},
			false,
		},
	} {
		for _, trigger := range []string{"notify", "polling"} {
			if tt.temporary && trigger == "polling" {
				continue
			}
			t.Run(tt.name+" is noticed by "+trigger, func(t *testing.T) {
				dir := t.TempDir()
				tt.make(t, dir)
				settleClock(t, dir)
				s := begin(t, Options{Trigger: trigger, Interval: 5 * time.Millisecond, Quiet: 40 * time.Millisecond}, []Root{{Dir: dir, Skip: skipNames(".git")}})
				tt.act(t, dir)
				var want []string
				for _, p := range tt.want {
					want = append(want, filepath.Join(dir, p))
				}
				s.exactly(dir+"/zz-mark", want...)
			})
		}
	}
}

// settleClock gives everything in dir times that a look at it can trust.
func settleClock(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(tick + 5*time.Millisecond)
	probe := filepath.Join(t.TempDir(), "probe")
	for {
		write(t, probe, "")
		if info, err := os.Stat(probe); err == nil && info.ModTime().After(old) {
			return
		}
	}
}

func TestSingleFiles(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir string)
		file string
		acts []func(t *testing.T, dir string)
	}{
		{
			"a file that is saved twice",
			func(t *testing.T, dir string) { write(t, dir+"/f", "1") },
			"f",
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { write(t, dir+"/f", "2") },
				func(t *testing.T, dir string) { write(t, dir+"/f", "3") },
			},
		},
		{
			"a file that is renamed over, again and again",
			func(t *testing.T, dir string) { write(t, dir+"/f", "1") },
			"f",
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { write(t, dir+"/t", "2"); must(t, os.Rename(dir+"/t", dir+"/f")) },
				func(t *testing.T, dir string) { write(t, dir+"/t", "3"); must(t, os.Rename(dir+"/t", dir+"/f")) },
			},
		},
		{
			"a file that comes and goes",
			func(t *testing.T, dir string) {},
			"f",
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { write(t, dir+"/f", "1") },
				func(t *testing.T, dir string) { must(t, os.Remove(dir+"/f")) },
				func(t *testing.T, dir string) { write(t, dir+"/f", "1") },
			},
		},
		{
			"a file whose folders come and go",
			func(t *testing.T, dir string) {},
			"a/b/f",
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { mkdir(t, dir+"/a/b"); write(t, dir+"/a/b/f", "1") },
				func(t *testing.T, dir string) { write(t, dir+"/a/b/f", "2") },
				func(t *testing.T, dir string) { must(t, os.RemoveAll(dir+"/a")) },
				func(t *testing.T, dir string) { mkdir(t, dir+"/a/b"); write(t, dir+"/a/b/f", "3") },
				func(t *testing.T, dir string) { must(t, os.Rename(dir+"/a/b", dir+"/a/c")) },
				func(t *testing.T, dir string) { must(t, os.Rename(dir+"/a/c", dir+"/a/b")) },
				func(t *testing.T, dir string) { write(t, dir+"/a/b/f", "4") },
			},
		},
		{
			"a file behind symbolic links, as a mounted ConfigMap has them",
			func(t *testing.T, dir string) {
				mkdir(t, dir+"/..1")
				write(t, dir+"/..1/f", "1")
				must(t, os.Symlink("..1", dir+"/..data"))
				must(t, os.Symlink("..data/f", dir+"/f"))
			},
			"f",
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { write(t, dir+"/..1/f", "2") },
				func(t *testing.T, dir string) {
					mkdir(t, dir+"/..2")
					write(t, dir+"/..2/f", "3")
					must(t, os.Symlink("..2", dir+"/..tmp"))
					must(t, os.Rename(dir+"/..tmp", dir+"/..data"))
					must(t, os.RemoveAll(dir+"/..1"))
				},
				func(t *testing.T, dir string) { write(t, dir+"/..2/f", "4") },
			},
		},
		{
			"a link to a file that does not exist yet",
			func(t *testing.T, dir string) { must(t, os.Symlink("there/f", dir+"/f")) },
			"f",
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { mkdir(t, dir+"/there"); write(t, dir+"/there/f", "2") },
				func(t *testing.T, dir string) { write(t, dir+"/there/f", "3") },
			},
		},
		{
			"a link to itself that is mended",
			func(t *testing.T, dir string) { must(t, os.Symlink("f", dir+"/f")) },
			"f",
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { must(t, os.Remove(dir+"/f")); write(t, dir+"/f", "2") },
			},
		},
	} {
		for _, trigger := range []string{"notify", "polling"} {
			t.Run(tt.name+" is noticed by "+trigger, func(t *testing.T) {
				dir := t.TempDir()
				tt.make(t, dir)
				settleClock(t, dir)
				file := filepath.Join(dir, tt.file)
				s := begin(t, Options{Trigger: trigger, Interval: 5 * time.Millisecond}, nil, file)
				for i, act := range tt.acts {
					act(t, dir)
					// Everything but the file is noise.
					if got := s.until(file); len(got) != 1 {
						t.Errorf("after step %d: %q", i, got)
					}
					s.drain(file)
				}
			})
		}
	}
}

// drain takes what is still said of a step, so that the next step is heard for itself.
func (s *session) drain(file string) {
	s.t.Helper()
	quiet := time.NewTimer(40 * time.Millisecond)
	defer quiet.Stop()
	for {
		select {
		case b := <-s.out:
			if len(b.Paths) != 1 || b.Paths[0] != file {
				s.t.Errorf("heard of %q", b.Paths)
			}
		case <-quiet.C:
			return
		}
	}
}

func TestAFileNextToItIsNotNoticed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "1")
	s := begin(t, Options{}, nil, dir+"/f")
	write(t, dir+"/other", "1")
	s.exactly(dir + "/f")
}
