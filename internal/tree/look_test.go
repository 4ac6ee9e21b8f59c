package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestALookSeesWhatTheDiskSays(t *testing.T) {
	dir := plant(t, "a", "d/x", "l -> a", "odd\nname", "bad\xff")
	if err := os.Chmod(filepath.Join(dir, "a"), 0o4755); err != nil {
		t.Fatal(err)
	}
	look := LookOf(WithLook(t.Context()))
	entries, err := look.ReadDir(dir)
	if err != nil || len(entries) != 5 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i := range entries {
		e := &entries[i]
		info, err := os.Lstat(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if want := StampOf(info); e.Stamp() != want {
			t.Errorf("%q is %+v, want %+v", e.Name(), e.Stamp(), want)
		}
		seen, err := e.Info()
		if err != nil || seen.Mode() != info.Mode() || seen.Size() != info.Size() || !seen.ModTime().Equal(info.ModTime()) || e.IsDir() != info.IsDir() {
			t.Errorf("%q as %v %d %v", e.Name(), seen.Mode(), seen.Size(), seen.ModTime())
		}
	}
}

func TestALookDoesNotChange(t *testing.T) {
	dir := plant(t, "a", "b/c")
	look := LookOf(WithLook(WithLook(t.Context())))
	if _, err := look.ReadDir(dir); err != nil {
		t.Fatal(err)
	}
	before, err := look.Stamp(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("longer"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if after, err := look.Stamp(filepath.Join(dir, "a")); err != nil || after != before {
		t.Errorf("the stamp changed: %+v, %v", after, err)
	}
	if _, err := look.Stamp(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that came later: %v", err)
	}
	// Its folder was not read, so it is looked at now.
	if s, err := look.Stamp(filepath.Join(dir, "b", "c")); err != nil || s.Size != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if LookOf(WithoutLook(WithLook(t.Context()))) != nil {
		t.Error("a context without a look has one")
	}
}

func TestALookIsSharedByWalksSideBySide(t *testing.T) {
	var paths []string
	for i := range 200 {
		paths = append(paths, fmt.Sprintf("d%d/e%d/f%d", i%5, i%20, i))
	}
	dir := plant(t, paths...)
	ctx := WithLook(t.Context())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			n := 0
			err := Walk(ctx, dir, nil, func(_ string, d fs.DirEntry) error {
				if !d.IsDir() {
					n++
				}
				return nil
			})
			if err != nil || n != 200 {
				t.Errorf("%d files, %v", n, err)
			}
		})
	}
	wg.Wait()
}
