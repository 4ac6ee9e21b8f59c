package filesync

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// roads runs a test over every kind of image that can take files.
func roads(t *testing.T, test func(t *testing.T, m *machine)) {
	for _, tt := range []struct {
		name     string
		busybox  bool
		programs []string
	}{
		{"an image with a shell and GNU tar", false, everything},
		{"an image of BusyBox", true, everything},
		{"an image with GNU tar and no shell", false, []string{"tar", "rm"}},
		{"an image with BusyBox tar and no shell", true, []string{"tar", "rm"}},
		{"an image with a shell and tar but no head", false, []string{"sh", "tar", "rm"}},
	} {
		t.Run(tt.name, func(t *testing.T) { test(t, newMachine(t, tt.busybox, tt.programs...)) })
	}
}

// pair is a working tree and the folder that stands for the container's.
type pair struct{ src, dst string }

func newPair(t *testing.T) pair { return pair{t.TempDir(), t.TempDir()} }

func (p pair) local(name string) string  { return filepath.Join(p.src, name) }
func (p pair) remote(name string) string { return filepath.Join(p.dst, name) }
func (p pair) copies(name string) Op {
	return Op{Local: p.local(name), Remote: p.remote(name), Root: p.src}
}

func (p pair) deletes(name string) Op {
	op := p.copies(name)
	op.Delete = true
	return op
}

func mustPush(t *testing.T, s *session, ops ...Op) {
	t.Helper()
	if err := s.Push(t.Context(), "web", ops, time.Now()); err != nil {
		t.Fatalf("Push = %v", err)
	}
}

func TestPushMakesTheContainerEqualToTheWorkingTree(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{})
		s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		long := strings.Repeat("long/", 40) + strings.Repeat("n", 120)
		for _, name := range []string{"app.py", "sub/with blank.py", " edges ", "-dash", "näme", "'quote\"", long} {
			write(t, p.local(name), "one "+name)
			mustPush(t, s, p.copies(name))
			if diff := cmp.Diff("one "+name, content(p.remote(name))); diff != "" {
				t.Fatalf("after the first push (-want +got):\n%s", diff)
			}
			write(t, p.local(name), "two")
			mustPush(t, s, p.copies(name))
			if diff := cmp.Diff("two", content(p.remote(name))); diff != "" {
				t.Fatalf("after the second push (-want +got):\n%s", diff)
			}
			os.Remove(p.local(name))
			mustPush(t, s, p.deletes(name))
			if diff := cmp.Diff("(no such file or directory)", content(p.remote(name))); diff != "" {
				t.Fatalf("after the deletion (-want +got):\n%s", diff)
			}
		}
	})
}

func TestOneBatchCopiesAndDeletes(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{})
		s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		var ops []Op
		for i := range 500 {
			name := fmt.Sprintf("d%d/f%d", i%7, i)
			write(t, p.local("new/"+name), strings.Repeat(name, i*10))
			write(t, p.remote("old/"+name), "old")
			ops = append(ops, p.copies("new/"+name), p.deletes("old/"+name))
		}
		write(t, p.remote("old/line\nbreak"), "old")
		ops = append(ops, p.deletes("old/line\nbreak"))
		mustPush(t, s, ops...)
		for i := range 500 {
			name := fmt.Sprintf("d%d/f%d", i%7, i)
			if got := content(p.remote("new/" + name)); got != strings.Repeat(name, i*10) {
				t.Fatalf("%s has %d bytes", name, len(got))
			}
		}
		left, err := filepath.Glob(p.remote("old/*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range left {
			if files, _ := filepath.Glob(f + "/*"); len(files) > 0 || strings.Contains(f, "\n") {
				t.Errorf("%q is still there with %q", f, files)
			}
		}
		e := s.events.all()[0]
		e.Took = 0
		if len(e.Copied) != 500 || len(e.Deleted) != 501 || e.Bytes == 0 || e.Image != "web" || e.Pod != "web" || e.Container != "main" || e.Replay {
			t.Errorf("event: %d copied, %d deleted, %+v", len(e.Copied), len(e.Deleted), e)
		}
	})
}

func TestFilesKeepTheirModeAndGetTheTimeOfNow(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{})
		s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		for _, mode := range []os.FileMode{0o755, 0o600, 0o664} {
			write(t, p.local("run.sh"), "x")
			old := time.Now().Add(-24 * time.Hour)
			if err := errors.Join(os.Chmod(p.local("run.sh"), mode), os.Chtimes(p.local("run.sh"), old, old)); err != nil {
				t.Fatal(err)
			}
			mustPush(t, s, p.copies("run.sh"))
			info, err := os.Stat(p.remote("run.sh"))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != mode || time.Since(info.ModTime()) > time.Minute {
				t.Errorf("mode %v, time %v; want mode %v, time of now", info.Mode(), info.ModTime(), mode)
			}
		}
	})
}

func TestSymlinksStaySymlinksWithinTheContext(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{})
		s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		outside := write(t, filepath.Join(t.TempDir(), "secret"), "from outside")
		write(t, p.local("a/real"), "real")
		if err := errors.Join(os.Symlink("a/real", p.local("inner")), os.Symlink(outside, p.local("outer")), os.Symlink("nowhere", p.local("broken"))); err != nil {
			t.Fatal(err)
		}
		mustPush(t, s, p.copies("a/real"), p.copies("inner"), p.copies("outer"), p.copies("broken"))
		link := func(name string) string { l, _ := os.Readlink(p.remote(name)); return l }
		got := map[string]string{"inner": link("inner"), "inner's": content(p.remote("inner")), "outer": link("outer"), "outer's": content(p.remote("outer")), "broken": link("broken")}
		want := map[string]string{"inner": "a/real", "inner's": "real", "outer": "", "outer's": "from outside", "broken": "nowhere"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
	})
}

func TestWhatIsNoFileIsLeftOut(t *testing.T) {
	m := newMachine(t, false, everything...)
	p, s := newPair(t), begin(t, m)
	s.Select(all{})
	s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
	write(t, p.local("dir/file"), "x")
	write(t, p.local("back"), "it is there again")
	mustPush(t, s, p.copies("dir"), p.copies("vanished"), p.copies("dir/file"), p.copies("dir/file/below"), p.deletes("back"))
	want := []string{p.remote("back"), p.remote("dir/file")}
	if diff := cmp.Diff(want, s.events.all()[0].Copied); diff != "" {
		t.Errorf("copied (-want +got):\n%s", diff)
	}
}

func TestContentIsNeverTakenForAnOrder(t *testing.T) {
	m := newMachine(t, false, everything...)
	p, s := newPair(t), begin(t, m)
	s.Select(all{})
	s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
	precious := write(t, p.remote("precious"), "x")
	// tar gives up at a folder in the way, long before it has read the many lines behind.
	write(t, p.remote("a/full"), "x")
	write(t, p.local("a"), "file")
	write(t, p.local("z"), strings.Repeat("r"+precious+"\nx\nt0\nskiff-x 1\n", 100_000))
	err := s.Push(t.Context(), "web", []Op{p.copies("a"), p.copies("z")}, time.Now())
	if err == nil {
		t.Error("Push = nil, want what tar said")
	}
	if got := content(precious); got != "x" {
		t.Errorf("the file named in the content: %s", got)
	}
}

func TestANewInstanceGetsWhatWasPushedSinceItsImageWasBuilt(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{old: []string{"web:1"}})
		s.Built("web", "web:1", s.Mark())
		s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		write(t, p.local("before"), "1")
		mustPush(t, s, p.copies("before"))
		mark := s.Mark()
		write(t, p.local("during"), "1")
		mustPush(t, s, p.copies("during"), p.deletes("gone"))
		s.Built("web", "web:2", mark)
		write(t, p.local("after"), "1")
		mustPush(t, s, p.copies("after"))
		write(t, p.local("after"), "the latest, though never pushed")

		replays := func(pod, id, image string) ([]string, []string) {
			n := len(s.events.all())
			for _, f := range []string{"before", "during", "after"} {
				os.Remove(p.remote(f))
			}
			s.Pod(kube.PodEvent{Pod: life(pod, image, id)})
			l := s.events.await(t, func(l []event.Synced) bool { return len(l) > n })
			if e := l[len(l)-1]; !e.Replay || e.Pod != pod {
				t.Errorf("event = %+v, want a replay", e)
			}
			return l[len(l)-1].Copied, l[len(l)-1].Deleted
		}
		copied, deleted := replays("web-2", "c2", "web:2")
		if diff := cmp.Diff([]string{p.remote("after"), p.remote("during")}, copied); diff != "" {
			t.Errorf("new image (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{p.remote("gone")}, deleted); diff != "" {
			t.Errorf("new image, deletions (-want +got):\n%s", diff)
		}
		if got := content(p.remote("after")); got != "the latest, though never pushed" {
			t.Errorf("after = %q", got)
		}
		copied, _ = replays("web", "c1-restarted", "web:1")
		if diff := cmp.Diff([]string{p.remote("after"), p.remote("before"), p.remote("during")}, copied); diff != "" {
			t.Errorf("restart of the old image (-want +got):\n%s", diff)
		}
	})
}

func TestAFolderThatBecomesAFile(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{})
		s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		write(t, p.local("either/x.txt"), "in the folder")
		mustPush(t, s, p.copies("either/x.txt"))
		if err := os.RemoveAll(p.local("either")); err != nil {
			t.Fatal(err)
		}
		write(t, p.local("either"), "the file")
		mustPush(t, s, p.deletes("either/x.txt"), p.copies("either"))
		if got := content(p.remote("either")); got != "the file" {
			t.Fatalf("either = %q", got)
		}
	})
}

func TestALaterSessionSetsRightWhatAnEarlierOneLeft(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, file := newPair(t), filepath.Join(t.TempDir(), "synced", "p.jsonl")
		write(t, p.local("kept"), "tried out")
		write(t, p.local("extra"), "tried out")
		first := begin(t, m, file)
		first.Select(all{})
		first.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		mustPush(t, first, p.copies("kept"), p.copies("extra"))
		first.end()

		write(t, p.local("kept"), "as it was")
		if err := os.Remove(p.local("extra")); err != nil {
			t.Fatal(err)
		}
		second := begin(t, m, file)
		second.Select(all{})
		second.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		second.events.await(t, func(l []event.Synced) bool { return len(l) > 0 })
		if diff := cmp.Diff([]string{"as it was", "(no such file or directory)"}, []string{content(p.remote("kept")), content(p.remote("extra"))}); diff != "" {
			t.Errorf("the container that outlived its session (-want +got):\n%s", diff)
		}
		second.Pod(kube.PodEvent{Pod: life("web", "web:1", "c2")})
		write(t, p.local("more"), "")
		mustPush(t, second, p.copies("more"))
		if n := len(second.events.all()); n != 2 {
			t.Errorf("%d events, want a container that no session wrote to be left alone", n)
		}
	})
}

func TestAJournalThatIsBrokenOrOldIsNoHindrance(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.jsonl")
	now := time.Now()
	write(t, file, fmt.Sprintf("nonsense\n{\"at\":%q,\"container\":\"old\",\"remote\":\"/a\"}\n{\"at\":%q,\"container\":\"new\",\"remote\":\"/a\"}\n",
		now.Add(-2*journalAge).Format(time.RFC3339), now.Format(time.RFC3339)))
	j, err := openJournal(file, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(j.earlier("old")) != 0 || len(j.earlier("new")) != 1 {
		t.Errorf("remembered are %v", j.before)
	}
	if got := strings.Count(content(file), "\n"); got != 1 {
		t.Errorf("the file has %d lines, want only the one that counts", got)
	}
}

func TestPushDoesNotWaitForWhatIsNotRunning(t *testing.T) {
	m := newMachine(t, false, everything...)
	p, s := newPair(t), begin(t, m)
	s.Select(all{})
	waiting := life("web", "web:1", "")
	waiting.Status.ContainerStatuses[0].State.Running = nil
	s.Pod(kube.PodEvent{Pod: waiting})
	write(t, p.local("a"), "1")
	if err := s.Push(t.Context(), "web", []Op{p.copies("a")}, time.Now()); !errors.Is(err, ErrNobody) {
		t.Errorf("Push = %v, want to hear that nobody took it", err)
	}
	if got := s.events.all(); len(got) > 0 {
		t.Errorf("events = %+v, want none", got)
	}
	s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
	s.events.await(t, func(l []event.Synced) bool { return len(l) == 1 && l[0].Replay })
	if got := content(p.remote("a")); got != "1" {
		t.Errorf("a = %q", got)
	}
}

func TestALostConnectionIsReplacedAndThePushRepeated(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{})
		s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		for i := range 10 {
			text := fmt.Sprint(i)
			write(t, p.local("a"), text)
			m.cut()
			mustPush(t, s, p.copies("a"))
			if got := content(p.remote("a")); got != text {
				t.Errorf("a = %q, want %q", got, text)
			}
		}
	})
}

func TestAnImageWithoutTarIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name     string
		programs []string
	}{{"nothing at all", nil}, {"a shell only", []string{"sh", "head", "rm"}}} {
		t.Run(tt.name, func(t *testing.T) {
			p, s := newPair(t), begin(t, newMachine(t, false, tt.programs...))
			s.Select(all{})
			s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
			write(t, p.local("a"), "1")
			start := time.Now()
			err := s.Push(t.Context(), "web", []Op{p.copies("a")}, start)
			want := `error: sync image "web": container "main" of pod default/web has no tar to copy files with
hint: the image is rebuilt instead; put tar into it ("apt-get install tar", "apk add tar", or a base image with a shell) to have its files copied
`
			if diff := cmp.Diff(want, diag.Text(err)); diff != "" {
				t.Errorf("Push (-want +got):\n%s", diff)
			}
			if took := time.Since(start); took > 500*time.Millisecond {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
}

func TestWhatTarSaysIsTold(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{})
		s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
		write(t, p.remote("a/full"), "x")
		write(t, p.local("a"), "file")
		err := s.Push(t.Context(), "web", []Op{p.copies("a")}, time.Now())
		if err == nil || !strings.Contains(err.Error(), p.remote("a")[1:]) {
			t.Fatalf("Push = %v, want what tar said about %s", err, p.remote("a"))
		}
		if e := s.events.all(); len(e) != 1 || e[0].Err == nil {
			t.Errorf("events = %+v, want one with an error", e)
		}
		os.RemoveAll(p.remote("a"))
		write(t, p.local("b"), "b")
		mustPush(t, s, p.copies("b"))
		if got := content(p.remote("a")); got != "file" {
			t.Errorf("what was owed: %q", got)
		}
	})
}

func TestTheFateOfAnOldContainerIsNoFailure(t *testing.T) {
	m := newMachine(t, false)
	p, s := newPair(t), begin(t, m)
	s.Select(all{old: []string{"web:1"}})
	s.Pod(kube.PodEvent{Pod: life("web", "web:1", "c1")})
	write(t, p.local("a"), "1")
	mustPush(t, s, p.copies("a"))
}

func TestAContainerThatEndsDuringAPushIsNoFailure(t *testing.T) {
	m := newMachine(t, false, everything...)
	p, s := newPair(t), begin(t, m)
	s.Select(all{})
	pod := life("web", "web:1", "c1")
	s.Pod(kube.PodEvent{Pod: pod})
	write(t, p.local("a"), "1")
	mustPush(t, s, p.copies("a"))
	m.mu.Lock()
	m.broken = errors.New("container not found")
	m.mu.Unlock()
	m.cut()
	time.AfterFunc(200*time.Millisecond, func() { s.Pod(kube.PodEvent{Pod: pod, Deleted: true}) })
	if err := s.Push(t.Context(), "web", []Op{p.copies("a")}, time.Now()); !errors.Is(err, ErrNobody) {
		t.Errorf("Push = %v, want to hear that nobody took it", err)
	}
}

func TestTheEndOfTheSessionLeavesNothingRunning(t *testing.T) {
	roads(t, func(t *testing.T, m *machine) {
		p, s := newPair(t), begin(t, m)
		s.Select(all{})
		for i := range 3 {
			s.Pod(kube.PodEvent{Pod: life(fmt.Sprint("web-", i), "web:1", "c1")})
		}
		write(t, p.local("a"), "1")
		mustPush(t, s, p.copies("a"))
		start := time.Now()
		s.end()
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("Run took %s to end", took)
		}
		if n := m.alive(); n > 0 {
			t.Errorf("%d commands are still running", n)
		}
		err := s.Push(t.Context(), "web", []Op{p.copies("a")}, time.Now())
		if !errors.Is(err, errEnded) {
			t.Errorf("Push after the end = %v", err)
		}
	})
}

func TestExecRunsInEveryCurrentContainer(t *testing.T) {
	m := newMachine(t, false, everything...)
	s := begin(t, m)
	s.Select(all{old: []string{"web:1"}})
	for i, image := range []string{"web:1", "web:2", "web:2"} {
		s.Pod(kube.PodEvent{Pod: life(fmt.Sprint("web-", i), image, "c1")})
	}
	var out tail
	if err := s.Exec(t.Context(), "web", []string{"sh", "-c", "echo hook"}, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "hook\nhook" {
		t.Errorf("output %q", got)
	}
	if err := s.Exec(t.Context(), "web", []string{"sh", "-c", "exit 3"}, &out); err == nil {
		t.Error("Exec = nil though the command failed")
	}
}

func TestPushesWhileOneIsUnderWayAreMerged(t *testing.T) {
	w := newWorker(nil, event.Discard, target{})
	op := func(name string, del bool) Op { return Op{Remote: name, Delete: del} }
	first := time.Unix(1, 0)
	w.push([]Op{op("/a", false), op("/b", false)}, first, make(chan error, 1))
	w.push([]Op{op("/b", true), op("/c", false)}, time.Unix(2, 0), make(chan error, 1))
	j := w.take()
	want := map[string]Op{"/a": op("/a", false), "/b": op("/b", true), "/c": op("/c", false)}
	if diff := cmp.Diff(want, j.ops); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	if !j.since.Equal(first) || len(j.waits) != 2 || w.take() != nil {
		t.Errorf("since %v, %d waiting", j.since, len(j.waits))
	}
}

func TestAnswersAreFoundHoweverTheyArrive(t *testing.T) {
	text := "k ready\ntar: a: odd\nrm: b\nk 1 2\nk 2 0\n"
	for size := 1; size <= len(text); size++ {
		a := &answers{token: "k", lines: make(chan answer, 4)}
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := a.Write(bytes.Clone(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		close(a.lines)
		var got []answer
		for l := range a.lines {
			got = append(got, l)
		}
		want := []answer{{}, {id: 1, code: 2, text: "tar: a: odd\nrm: b"}, {id: 2}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("in portions of %d (-want +got):\n%s", size, diff)
		}
	}
}
