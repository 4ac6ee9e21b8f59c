package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

func TestRoots(t *testing.T) {
	for _, tt := range []struct {
		name  string
		make  func(t *testing.T, dir string)
		roots []string
		act   func(t *testing.T, dir string)
		want  []string
	}{
		{
			"a root that appears later, with all that is in it",
			func(t *testing.T, dir string) {},
			[]string{"a/b"},
			func(t *testing.T, dir string) { mkdir(t, dir+"/a/b/c"); write(t, dir+"/a/b/c/f", "1") },
			[]string{"a/b/c/f"},
		},
		{
			"a root that is replaced by another folder",
			func(t *testing.T, dir string) { mkdir(t, dir+"/a/b"); mkdir(t, dir+"/n"); write(t, dir+"/n/g", "1") },
			[]string{"a"},
			func(t *testing.T, dir string) {
				must(t, os.RemoveAll(dir+"/a"))
				must(t, os.Rename(dir+"/n", dir+"/a"))
			},
			[]string{"a/b", "a/g"},
		},
		{
			"a root that is a symbolic link, under the name it was given",
			func(t *testing.T, dir string) { mkdir(t, dir+"/real/x"); must(t, os.Symlink("real", dir+"/a")) },
			[]string{"a"},
			func(t *testing.T, dir string) { write(t, dir+"/real/x/f", "1") },
			[]string{"a/x/f"},
		},
		{
			"a root that is a symbolic link which is turned to another folder",
			func(t *testing.T, dir string) {
				mkdir(t, dir+"/one")
				mkdir(t, dir+"/two")
				write(t, dir+"/two/g", "1")
				must(t, os.Symlink("one", dir+"/a"))
			},
			[]string{"a"},
			func(t *testing.T, dir string) {
				must(t, os.Symlink("two", dir+"/b"))
				must(t, os.Rename(dir+"/b", dir+"/a"))
			},
			[]string{"a/g"},
		},
		{
			"two names of one folder",
			func(t *testing.T, dir string) { mkdir(t, dir+"/a"); must(t, os.Symlink("a", dir+"/b")) },
			[]string{"a", "b"},
			func(t *testing.T, dir string) { write(t, dir+"/a/f", "1") },
			[]string{"a/f", "b/f"},
		},
		{
			"a root inside a root, each path once",
			func(t *testing.T, dir string) { mkdir(t, dir+"/a/b/c") },
			[]string{"a/b", "a"},
			func(t *testing.T, dir string) { write(t, dir+"/a/b/c/f", "1") },
			[]string{"a/b/c/f"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, dir)
			var roots []Root
			for _, r := range tt.roots {
				roots = append(roots, Root{Dir: filepath.Join(dir, r)})
			}
			s := begin(t, Options{}, roots)
			tt.act(t, dir)
			var want []string
			for _, p := range tt.want {
				want = append(want, filepath.Join(dir, p))
			}
			got := s.until(want...)
			// What is new there is watched like the rest.
			last := filepath.Join(dir, tt.roots[0], "last")
			write(t, last, "1")
			s.until(last)
			if n := strings.Count(strings.Join(got, "\n")+"\n", want[0]+"\n"); n != 1 {
				t.Errorf("%q is reported %d times", want[0], n)
			}
		})
	}
}

func TestSetKeepsWhatStays(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, dir+"/a/deep")
	mkdir(t, dir+"/b")
	roots := []Root{{Dir: dir + "/a"}}
	s := begin(t, Options{}, roots)
	before := s.w.notify.fs.WatchList()
	for range 3 {
		s.set(roots)
	}
	after := s.w.notify.fs.WatchList()
	slices.Sort(before)
	slices.Sort(after)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("watches changed (-before +after):\n%s", diff)
	}
	mkdir(t, dir+"/a/new")
	s.until(dir + "/a/new")
	s.set([]Root{{Dir: dir + "/a"}, {Dir: dir + "/b"}})
	write(t, dir+"/a/new/f", "1")
	write(t, dir+"/a/deep/f", "1")
	write(t, dir+"/b/f", "1")
	s.until(dir+"/a/new/f", dir+"/a/deep/f", dir+"/b/f")
	s.set([]Root{{Dir: dir + "/b"}})
	write(t, dir+"/a/deep/f", "2")
	s.exactly(dir + "/b/f")
	if got := s.w.notify.fs.WatchList(); !slices.Equal(got, []string{dir + "/b"}) {
		t.Errorf("still watched: %q", got)
	}
}

func TestSetWithAnotherSkip(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, dir+"/vendor/x")
	s := begin(t, Options{}, []Root{{Dir: dir, Skip: skipNames("vendor", "made")}})
	mkdir(t, dir+"/made")
	write(t, dir+"/vendor/x/f", "1")
	s.exactly(dir + "/mark")
	s.set([]Root{{Dir: dir}})
	write(t, dir+"/vendor/x/f", "2")
	write(t, dir+"/made/f", "1")
	s.until(dir+"/vendor/x/f", dir+"/made/f")
	s.set([]Root{{Dir: dir, Skip: skipNames("vendor")}})
	write(t, dir+"/vendor/x/f", "3")
	write(t, dir+"/made/f", "2")
	s.exactly(dir+"/mark", dir+"/made/f")
}

func TestAFolderMadeJustBeforeSetStaysWatched(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, Options{Quiet: 50 * time.Millisecond}, []Root{{Dir: dir}})
	for i := range 20 {
		sub := filepath.Join(dir, "d"+string(rune('a'+i)))
		mkdir(t, sub)
		s.set([]Root{{Dir: dir}})
		write(t, sub+"/f", "1")
		s.until(sub + "/f")
	}
}

func TestTruncateThenWriteIsOneBatch(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "1")
	s := begin(t, Options{}, []Root{{Dir: dir}})
	truncated := time.Now()
	f, err := os.Create(dir + "/f")
	must(t, err)
	defer f.Close()
	pause := time.NewTimer(6 * time.Millisecond)
	<-pause.C
	_, err = f.WriteString("2")
	must(t, err)
	if time.Since(truncated) > patience {
		t.Skip("the machine is too busy to write in time")
	}
	b := <-s.out
	if data, _ := os.ReadFile(b.Paths[0]); string(data) != "2" {
		t.Errorf("the file holds %q when it is handed out", data)
	}
	pause.Reset(50 * time.Millisecond)
	select {
	case b := <-s.out:
		t.Errorf("a second batch: %+v", b)
	case <-pause.C:
	}
}

func TestBatchesMergeWhileNobodyReads(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, Options{}, []Root{{Dir: dir}})
	began := time.Now()
	write(t, dir+"/a", "1")
	pause := time.NewTimer(30 * time.Millisecond)
	<-pause.C
	second := time.Now()
	write(t, dir+"/b", "1")
	pause.Reset(30 * time.Millisecond)
	<-pause.C
	b := <-s.out
	if diff := cmp.Diff([]string{dir + "/a", dir + "/b"}, b.Paths); diff != "" {
		t.Errorf("Paths (-want +got):\n%s", diff)
	}
	if b.First.Before(began) || b.First.After(second) {
		t.Errorf("First is %v after the first write", b.First.Sub(began))
	}
}

func TestLostNotificationsAreARescan(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, dir+"/a/b")
	s := begin(t, Options{}, []Root{{Dir: dir}}, dir+"/single/file")
	s.w.queue.push(raw{lost: true, at: time.Now()})
	b := <-s.out
	if !b.Rescan {
		t.Fatalf("batch %+v is no rescan", b)
	}
	write(t, dir+"/a/b/f", "1")
	s.until(dir + "/a/b/f")
	mkdir(t, dir+"/single")
	write(t, dir+"/single/file", "1")
	s.until(dir + "/single/file")
}

func TestWhatCannotBeWatchedIsPolled(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, dir+"/a/b")
	mkdir(t, dir+"/c")
	s := begin(t, Options{Interval: 5 * time.Millisecond}, []Root{{Dir: dir + "/a"}, {Dir: dir + "/c"}})
	w := s.w
	w.mu.Lock()
	w.giveUp(w.targets[0], syscall.ENOSPC, time.Now())
	w.mu.Unlock()
	w.queue.push(raw{event: fsnotify.Event{}, at: time.Now()})
	if b := <-s.out; !b.Rescan {
		t.Errorf("the change of the way of noticing is no rescan: %+v", b)
	}
	if got := w.notify.fs.WatchList(); !slices.Equal(got, []string{dir + "/c"}) {
		t.Errorf("still watched: %q", got)
	}
	write(t, dir+"/a/b/f", "1")
	write(t, dir+"/c/f", "1")
	s.until(dir+"/a/b/f", dir+"/c/f")
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) != 1 || !strings.Contains(s.notes[0], "sudo sysctl fs.inotify.max_user_watches=") {
		t.Errorf("notes: %q", s.notes)
	}
}

func TestPollingLosesNothingBetweenTwoLooksAndASet(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a", "1")
	settleClock(t, dir)
	s := begin(t, Options{Trigger: "polling", Interval: 40 * time.Millisecond}, []Root{{Dir: dir}})
	write(t, dir+"/a", "22")
	s.set([]Root{{Dir: dir}})
	write(t, dir+"/b", "22")
	s.until(dir+"/a", dir+"/b")
}

func TestUnknownTriggerIsAUsageError(t *testing.T) {
	if _, err := New(Options{Trigger: "magic"}); err == nil || !strings.Contains(err.Error(), `"magic"`) {
		t.Errorf("New: %v", err)
	}
	w, err := New(Options{})
	must(t, err)
	if err := w.Set([]Root{{Dir: "relative"}}, nil); err == nil {
		t.Error("a relative root is accepted")
	}
	must(t, w.Close())
}

func TestNotesNameTheWayOut(t *testing.T) {
	for _, tt := range []struct {
		name string
		path string
		err  error
		want string
	}{
		{"too few watches", "/p", syscall.ENOSPC, "sudo sysctl fs.inotify.max_user_watches="},
		{"too few instances", "", syscall.EMFILE, "sudo sysctl fs.inotify.max_user_instances="},
		{"too few open files", "/p", syscall.EMFILE, "ulimit -n"},
		{"a shared folder of a virtual machine", "/p", errCannotNotify, "a disk of this machine"},
		{"anything else", "/p", errors.New("odd"), "odd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := whyPolling(tt.path, tt.err); !strings.Contains(got, tt.want) {
				t.Errorf("note %q does not say %q", got, tt.want)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	w, err := New(Options{})
	must(t, err)
	must(t, w.Set([]Root{{Dir: t.TempDir()}}, nil))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.Run(ctx, make(chan Batch)); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	cancel()
	running.Wait()
}
