package tree

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

func open(t *testing.T, file string) *Index {
	t.Helper()
	x, err := OpenIndex(file)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func digest(t *testing.T, x *Index, path string) string {
	t.Helper()
	d, err := x.Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// age makes everything that was read so far look as if it had been read later, long after the file was written.
func age(x *Index) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for path, e := range x.entries {
		e.read += int64(time.Hour)
		x.entries[path] = e
	}
}

// spoil makes every remembered digest a wrong one, so that a test sees whether it is believed.
func spoil(x *Index) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for path, e := range x.entries {
		e.digest = [sha256.Size]byte{1}
		x.entries[path] = e
	}
}

func TestIndexBelievesOnlyWhatIsProved(t *testing.T) {
	for _, tt := range []struct {
		name   string
		aged   bool
		change func(path string) error
		read   bool
	}{
		{"an old file that did not change is not read again", true, func(string) error { return nil }, false},
		{"a file that was written just before it was read is read again", false, func(string) error { return nil }, true},
		{"another size", true, func(p string) error { return os.WriteFile(p, []byte("longer"), 0o644) }, true},
		{"another time", true, func(p string) error { return os.Chtimes(p, time.Time{}, time.Now().Add(-time.Hour)) }, true},
		{"another mode", true, func(p string) error { return os.Chmod(p, 0o755) }, true},
		{"another file of the same size and time", true, func(p string) error {
			info, err := os.Stat(p)
			if err != nil {
				return err
			}
			if err := os.WriteFile(p+".new", []byte("f"), 0o644); err != nil {
				return err
			}
			if err := os.Chtimes(p+".new", time.Time{}, info.ModTime()); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(plant(t, "f"), "f")
			x := open(t, "")
			if got := digest(t, x, path); got != sum("f") {
				t.Fatalf("digest %s", got)
			}
			spoil(x)
			if tt.aged {
				age(x)
			}
			if err := tt.change(path); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if read := digest(t, x, path) == sum(string(data)); read != tt.read {
				t.Errorf("read again: %v, want %v", read, tt.read)
			}
		})
	}
}

func TestIndexNamesWhatIsNoFile(t *testing.T) {
	dir := plant(t, "f", "d/", "l -> f", "m -> d")
	x := open(t, "")
	got := map[string]string{}
	for _, n := range []string{"f", "d", "l", "m"} {
		got[digest(t, x, filepath.Join(dir, n))] = n
	}
	if len(got) != 4 || got[sum("f")] != "f" {
		t.Errorf("digests: %v", got)
	}
	if _, err := x.Digest(filepath.Join(dir, "absent")); !os.IsNotExist(err) {
		t.Errorf("an absent file: %v", err)
	}
	f, err := x.File(filepath.Join(dir, "f"))
	if diff := cmp.Diff(File{Digest: sum("f"), Mode: 0o644, Size: 1}, f); diff != "" || err != nil {
		t.Errorf("File: %v (-want +got):\n%s", err, diff)
	}
}

func TestIndexIsKeptInItsFile(t *testing.T) {
	dir := plant(t, "a/one", "a/two", "b")
	file := filepath.Join(t.TempDir(), "state", "index")
	x := open(t, file)
	for _, n := range []string{"a/one", "a/two", "b"} {
		digest(t, x, filepath.Join(dir, n))
	}
	age(x)
	if err := x.Save(); err != nil {
		t.Fatal(err)
	}
	y := open(t, file)
	if diff := cmp.Diff(x.entries, y.entries, cmp.AllowUnexported(entry{})); diff != "" {
		t.Errorf("after opening (-saved +opened):\n%s", diff)
	}
	before, _ := os.Stat(file)
	if err := y.Save(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(file); !os.SameFile(before, after) {
		t.Error("an index in which nothing changed is written")
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left beside the index: %v", left)
	}
}

func TestIndexForgetsWhatIsNotUsed(t *testing.T) {
	dir := plant(t, "old", "new")
	file := filepath.Join(t.TempDir(), "index")
	x := open(t, file)
	long := time.Now().Add(-2 * keep)
	x.now = func() time.Time { return long }
	digest(t, x, filepath.Join(dir, "old"))
	x.now = time.Now
	digest(t, x, filepath.Join(dir, "new"))
	if err := x.Save(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for path := range open(t, file).entries {
		got = append(got, filepath.Base(path))
	}
	if diff := cmp.Diff([]string{"new"}, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

func TestTwoIndexesOfOneFileKeepWhatBothKnow(t *testing.T) {
	dir := plant(t, "a", "b")
	file := filepath.Join(t.TempDir(), "index")
	x, y := open(t, file), open(t, file)
	digest(t, x, filepath.Join(dir, "a"))
	digest(t, y, filepath.Join(dir, "b"))
	for _, i := range []*Index{x, y} {
		if err := i.Save(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(open(t, file).entries); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

func TestSpoiledIndexIsEmpty(t *testing.T) {
	x := open(t, "")
	dir := plant(t, "a", "b")
	digest(t, x, filepath.Join(dir, "a"))
	digest(t, x, filepath.Join(dir, "b"))
	whole := encode(x.entries)
	resealed := func(b []byte) []byte { s := sha256.Sum256(b); return append(b, s[:]...) }
	for name, data := range map[string][]byte{
		"empty":              {},
		"text":               []byte("hello"),
		"cut":                whole[:len(whole)-1],
		"a flipped bit":      func() []byte { b := append([]byte{}, whole...); b[len(b)/2] ^= 1; return b }(),
		"too few entries":    resealed([]byte(magic + "\x05\x00\x01a")),
		"an absurd count":    resealed([]byte(magic + "\xff\xff\xff\xff\x7f")),
		"an absurd prefix":   resealed([]byte(magic + "\x01\x7f\x01a")),
		"an absurd path":     resealed([]byte(magic + "\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a")),
		"an earlier version": []byte("skiff index 0\n"),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "index")
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
			if x := open(t, file); len(x.entries) != 0 {
				t.Errorf("%d entries", len(x.entries))
			}
		})
	}
}

func TestIndexNeverLagsBehindAWriter(t *testing.T) {
	path := filepath.Join(plant(t, "f"), "f")
	x := open(t, "")
	for i := range 500 {
		// Equal sizes, and often equal times: nothing but the rule about young files helps.
		text := fmt.Sprintf("%04d", i)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := digest(t, x, path); got != sum(text) {
			t.Fatalf("write %d is not seen", i)
		}
	}
}

func TestIndexIsSafeForConcurrentUse(t *testing.T) {
	dir := plant(t, "a", "b", "c")
	x := open(t, filepath.Join(t.TempDir(), "index"))
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 50 {
				name := []string{"a", "b", "c"}[i%3]
				if d, err := x.Digest(filepath.Join(dir, name)); err != nil || d != sum(name) {
					t.Errorf("%s: %s, %v", name, d, err)
				}
				if err := x.Save(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(open(t, x.file).entries); n != 3 {
		t.Errorf("%d entries saved, want 3", n)
	}
}

func BenchmarkIndex(b *testing.B) {
	const files = 20000
	dir := b.TempDir()
	x, err := OpenIndex(filepath.Join(b.TempDir(), "index"))
	if err != nil {
		b.Fatal(err)
	}
	var paths []string
	for i := range files {
		p := fmt.Sprintf("%s/d%d/f%d", dir, i/10, i)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(p), 0o644); err != nil {
			b.Fatal(err)
		}
		if _, err := x.Digest(p); err != nil {
			b.Fatal(err)
		}
		paths = append(paths, p)
	}
	age := func(e entry) entry { e.read += int64(time.Hour); return e }
	for p, e := range x.entries {
		x.entries[p] = age(e)
	}
	b.Run("20000 unchanged files", func(b *testing.B) {
		for b.Loop() {
			for _, p := range paths {
				if _, err := x.Digest(p); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("save and open 20000 entries", func(b *testing.B) {
		for b.Loop() {
			x.dirty = true
			if err := x.Save(); err != nil {
				b.Fatal(err)
			}
			if _, err := OpenIndex(x.file); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestMD5IsRememberedBesideTheDigest(t *testing.T) {
	dir := plant(t, "f", "l -> f")
	file := filepath.Join(t.TempDir(), "index")
	x := open(t, file)
	want := func(text string) string {
		s := md5.Sum([]byte(text))
		return hex.EncodeToString(s[:])
	}
	check := func(x *Index, name, prefix, text string) {
		t.Helper()
		if got, err := x.MD5(filepath.Join(dir, name), prefix); err != nil || got != want(text) {
			t.Errorf("MD5 of %s%s is %s, %v", prefix, name, got, err)
		}
	}
	check(x, "f", "a/", "a/f")
	check(x, "f", "b/", "b/f")
	check(x, "l", "b/", "b/")
	if got := digest(t, x, filepath.Join(dir, "f")); got != sum("f") {
		t.Errorf("the digest is %s", got)
	}
	age(x)
	if err := x.Save(); err != nil {
		t.Fatal(err)
	}
	y := open(t, file)
	check(y, "f", "a/", "a/f")
	if got := digest(t, y, filepath.Join(dir, "f")); got != sum("f") || y.Reads() != 0 {
		t.Errorf("the digest is %s after %d reads", got, y.Reads())
	}
	if _, err := y.MD5(filepath.Join(dir, "absent"), ""); !os.IsNotExist(err) {
		t.Errorf("an absent file: %v", err)
	}
}
