package watch

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mirror is what somebody believes who looks at nothing but the paths in the batches.
type mirror struct {
	dir   string
	state map[string]string
}

func (m *mirror) look(path string) {
	rel, err := filepath.Rel(m.dir, path)
	if err != nil || rel == "." {
		return
	}
	if text, ok := describe(path); ok {
		m.state[rel] = text
	} else {
		delete(m.state, rel)
	}
}

func describe(path string) (string, bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", false
	}
	if info.IsDir() {
		return "folder", true
	}
	data, err := os.ReadFile(path)
	return info.Mode().String() + " " + string(data), err == nil
}

func (m *mirror) take(b Batch) {
	if b.Rescan {
		m.state = snapshot(m.dir)
	}
	for _, p := range b.Paths {
		m.look(p)
	}
}

func snapshot(dir string) map[string]string {
	state := map[string]string{}
	// The error would be that something vanished; what matters is the state in the end.
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return nil
		}
		rel, _ := filepath.Rel(dir, path)
		if strings.Contains("/"+rel+"/", "/skipped/") {
			return nil
		}
		if text, ok := describe(path); ok {
			state[rel] = text
		}
		return nil
	})
	return state
}

// vandal changes dir at random. Every failure is one of another vandal's doing.
func vandal(dir string, seed uint64, steps int) {
	r := rand.New(rand.NewPCG(seed, 1))
	name := func() string { return fmt.Sprintf("n%d", r.IntN(6)) }
	path := func() string {
		p := dir
		for range 1 + r.IntN(4) {
			p = filepath.Join(p, name())
		}
		return p
	}
	for i := range steps {
		switch p := path(); r.IntN(10) {
		case 0, 1, 2, 3:
			_ = os.WriteFile(p, fmt.Appendf(nil, "%d %d", seed, i), 0o644)
		case 4, 5:
			_ = os.MkdirAll(p, 0o755)
		case 6:
			_ = os.Remove(p)
		case 7:
			_ = os.Rename(p, path())
		case 8:
			if r.IntN(4) == 0 {
				_ = os.RemoveAll(p)
				continue
			}
			_ = os.Chmod(p, 0o755)
		case 9:
			tmp := p + ".tmp"
			if os.WriteFile(tmp, fmt.Appendf(nil, "%d %d t", seed, i), 0o644) == nil {
				_ = os.Rename(tmp, p)
			}
		}
	}
}

func TestWhoFollowsTheBatchesKnowsTheTree(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			dir := t.TempDir()
			vandal(dir, seed+100, 400)
			skip := func(rel string) bool { return strings.HasSuffix(rel, "skipped") }
			s := begin(t, Options{Max: 100 * time.Millisecond}, []Root{{Dir: dir, Skip: skip}})
			m := &mirror{dir, snapshot(dir)}
			var vandals sync.WaitGroup
			for i := range uint64(3) {
				vandals.Go(func() { vandal(dir, seed*10+i, 1500) })
			}
			done := make(chan struct{})
			var waiting sync.WaitGroup
			waiting.Go(func() { vandals.Wait(); close(done) })
			follow(s, m, done)
			waiting.Wait()
			if diff := cmp.Diff(snapshot(dir), m.state); diff != "" {
				t.Errorf("the tree and what the batches told of it (-tree +told):\n%s", diff)
			}
		})
	}
}

// follow takes batches until done, and then until the mirror is right or nothing came for a while.
func follow(s *session, m *mirror, done <-chan struct{}) {
	batches, paths, rescans := 0, 0, 0
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	for {
		select {
		case b := <-s.out:
			batches, paths = batches+1, paths+len(b.Paths)
			if b.Rescan {
				rescans++
			}
			m.take(b)
			if done == nil {
				quiet.Reset(300 * time.Millisecond)
			}
		case <-done:
			done = nil
			quiet.Reset(300 * time.Millisecond)
		case <-quiet.C:
			s.t.Logf("%d batches with %d paths, %d rescans", batches, paths, rescans)
			return
		}
	}
}

func TestHundredsOfFilesAreFewBatches(t *testing.T) {
	dir := t.TempDir()
	const files = 500
	for i := range files {
		write(t, fmt.Sprintf("%s/f%d", dir, i), "1")
	}
	s := begin(t, Options{}, []Root{{Dir: dir}})
	for i := range files {
		write(t, fmt.Sprintf("%s/f%d", dir, i), "22")
	}
	batches, seen := 0, map[string]bool{}
	for len(seen) < files {
		b := <-s.out
		batches++
		for _, p := range b.Paths {
			seen[p] = true
		}
	}
	// One or two on a machine that has time; the writer may be held up here.
	if batches > 10 {
		t.Errorf("%d files came in %d batches", files, batches)
	}
}
