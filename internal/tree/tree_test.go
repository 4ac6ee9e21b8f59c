package tree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plant makes files below a new folder: "a/b" holds its own name, "a/" is a folder, "a -> b" is a link.
func plant(t testing.TB, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range paths {
		link, target, isLink := strings.Cut(p, " -> ")
		path := filepath.Join(dir, link)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, path)
		case strings.HasSuffix(p, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, []byte(p), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWalk(t *testing.T) {
	for _, tt := range []struct {
		name  string
		paths []string
		skip  func(string, fs.DirEntry) bool
		fn    func(rel string) error
		want  []string
		err   error
	}{
		{"everything in the order of names, folders first", []string{"b/y", "a", "b/x/z", "c/"}, nil, nil, []string{"a", "b", "b/x", "b/x/z", "b/y", "c"}, nil},
		{"not what is skipped, nor what is below it", []string{"b/y", ".git/x", "a"}, func(rel string, _ fs.DirEntry) bool { return rel == ".git" || rel == "b/y" }, nil, []string{"a", "b"}, nil},
		{"links are named and not followed", []string{"b/x", "b/up -> ..", "l -> b"}, nil, nil, []string{"b", "b/up", "b/x", "l"}, nil},
		{"a folder that fn leaves out", []string{"a/x", "b/x"}, nil, func(rel string) error {
			if rel == "a" {
				return fs.SkipDir
			}
			return nil
		}, []string{"a", "b", "b/x"}, nil},
		{"the rest of a folder that fn leaves out", []string{"a/x", "a/y", "b"}, nil, func(rel string) error {
			if rel == "a/x" {
				return fs.SkipDir
			}
			return nil
		}, []string{"a", "a/x", "b"}, nil},
		{"all that fn leaves out", []string{"a", "b"}, nil, func(string) error { return fs.SkipAll }, []string{"a"}, nil},
		{"an error of fn ends it", []string{"a", "b"}, nil, func(string) error { return os.ErrInvalid }, []string{"a"}, os.ErrInvalid},
	} {
		for name, ctx := range map[string]context.Context{tt.name: t.Context(), tt.name + ", in one look": WithLook(t.Context())} {
			t.Run(name, func(t *testing.T) {
				var got []string
				err := Walk(ctx, plant(t, tt.paths...), tt.skip, func(rel string, _ fs.DirEntry) error {
					got = append(got, rel)
					if tt.fn == nil {
						return nil
					}
					return tt.fn(rel)
				})
				if !errors.Is(err, tt.err) {
					t.Errorf("Walk: %v, want %v", err, tt.err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("walked (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestWalkIsTolerantOfWhatVanishesAndEndsWithItsContext(t *testing.T) {
	dir := plant(t, "a/x", "b")
	var got []string
	err := Walk(t.Context(), dir, nil, func(rel string, _ fs.DirEntry) error {
		got = append(got, rel)
		if rel == "a" {
			return os.RemoveAll(filepath.Join(dir, "a"))
		}
		return nil
	})
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" || err != nil {
		t.Errorf("Walk: %v (-want +got):\n%s", err, diff)
	}
	none := func(string, fs.DirEntry) error { return nil }
	if err := Walk(t.Context(), filepath.Join(dir, "absent"), nil, none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Walk(ctx, dir, nil, none); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled walk: %v", err)
	}
}
