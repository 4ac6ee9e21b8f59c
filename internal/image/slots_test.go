package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/tree"
)

func TestTheLongestBuildGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slots{free: 2}
		var mu sync.Mutex
		var order []time.Duration
		var wg sync.WaitGroup
		start := time.Now()
		for i, took := range []time.Duration{1, 1, 2, 8, 3, 1, 5, 3} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // in this order they come
				if err := s.acquire(t.Context(), took*time.Second); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, took)
				mu.Unlock()
				time.Sleep(took * time.Second)
				s.release()
			})
		}
		wg.Wait()
		if diff := cmp.Diff([]time.Duration{1, 1, 8, 5, 3, 3, 2, 1}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		// 24 s of work for two: 12 s is the best there is.
		if took := time.Since(start); took > 12*time.Second+10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestWhoStopsWaitingLosesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slots{free: 1}
		if err := s.acquire(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := s.acquire(ctx, 0); err == nil {
					s.release()
				}
			})
		}
		synctest.Wait()
		cancel()
		s.release()
		wg.Wait()
		if s.free != 1 || len(s.waiting) != 0 {
			t.Errorf("%d are free, %d wait", s.free, len(s.waiting))
		}
		var none *slots
		if err := none.acquire(t.Context(), 0); err != nil {
			t.Error(err)
		}
		none.release()
	})
}

// folder is the inputs of an artifact that takes all of its context.
type folder string

func (f folder) Has(string) bool   { return true }
func (f folder) Roots() []Root     { return []Root{{Dir: string(f)}} }
func (f folder) Singles() []string { return nil }
func (f folder) Files(ctx context.Context) ([]string, error) {
	var files []string
	err := tree.Walk(ctx, string(f), nil, func(rel string, d os.DirEntry) error {
		if !d.IsDir() {
			files = append(files, filepath.Join(string(f), rel))
		}
		return nil
	})
	return files, err
}

// folderBuilder is a fake whose images are made from their contexts.
type folderBuilder struct{ fake }

func (*folderBuilder) Inputs(_ context.Context, a *config.Artifact) (Inputs, error) {
	return folder(a.Context), nil
}

func TestNothingUnchangedIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	r := requests("a")[0]
	r.Artifact.Context = filepath.Join(dir, "src")
	for i := range 500 {
		file := filepath.Join(r.Artifact.Context, fmt.Sprint("d", i%20), fmt.Sprint("f", i))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A file that was written a moment ago is read again: its time proves nothing yet.
	<-time.After(2100 * time.Millisecond)
	key := func() (string, int64) {
		t.Helper()
		x, err := tree.OpenIndex(filepath.Join(dir, "index"))
		if err != nil {
			t.Fatal(err)
		}
		key, err := NewCache(CacheOptions{Index: x}).Key(tree.WithLook(t.Context()), &folderBuilder{}, r)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Save(); err != nil {
			t.Fatal(err)
		}
		return key, x.Reads()
	}
	first, reads := key()
	if reads != 500 {
		t.Errorf("%d files were read the first time", reads)
	}
	second, reads := key()
	if second != first || reads != 0 {
		t.Errorf("the second time %d files were read, and the key is the same: %v", reads, second == first)
	}
	if err := os.WriteFile(filepath.Join(r.Artifact.Context, "d1", "f1"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if third, reads := key(); third == first || reads != 1 {
		t.Errorf("after a change %d files were read, and the key is the same: %v", reads, third == first)
	}
}
