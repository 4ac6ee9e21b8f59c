package image

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGlobsTakeWhatTheyName(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "app")
	for _, name := range []string{
		"app/a.go", "app/b.txt", "app/sub/c.go", "app/sub/deep/d.go", "app/.git/HEAD", "app/node_modules/x/y.go", "app/Dockerfile",
		"lib/e.go", "lib/f.txt", "other/g.go",
	} {
		file := filepath.Join(base, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name          string
		paths, ignore []string
		singles       []string
		want          []string
	}{
		{"the folder itself is everything but git's own", []string{"."}, nil, nil,
			[]string{"app/Dockerfile", "app/a.go", "app/b.txt", "app/node_modules/x/y.go", "app/sub/c.go", "app/sub/deep/d.go"}},
		{"a star stays in its folder", []string{"*.go"}, nil, nil, []string{"app/a.go"}},
		{"two stars go down", []string{"**/*.go"}, []string{"node_modules"}, nil, []string{"app/a.go", "app/sub/c.go", "app/sub/deep/d.go"}},
		{"a folder is all below it", []string{"./sub/"}, nil, nil, []string{"app/sub/c.go", "app/sub/deep/d.go"}},
		{"a folder that a star matches too", []string{"s*"}, []string{"**/d.go"}, nil, []string{"app/sub/c.go"}},
		{"beside the folder", []string{"../lib/*.go", "b.txt"}, nil, nil, []string{"app/b.txt", "lib/e.go"}},
		{"a folder beside it", []string{"../lib"}, nil, nil, []string{"lib/e.go", "lib/f.txt"}},
		{"git's own where they are named", []string{".git/HEAD"}, nil, nil, []string{"app/.git/HEAD"}},
		{"ignored, with an exception", []string{"."}, []string{"*", "!sub", "sub/deep"}, nil, []string{"app/sub/c.go"}},
		{"alternatives", []string{"{a.go,sub/c.go}"}, nil, nil, []string{"app/a.go", "app/sub/c.go"}},
		{"a single that is no pattern", []string{"b.txt"}, nil, []string{"Dockerfile", "missing"}, []string{"app/Dockerfile", "app/b.txt"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, s := range tt.singles {
				tt.singles[i] = filepath.Join(dir, s)
			}
			in, err := Globs(dir, tt.paths, tt.ignore, tt.singles...)
			if err != nil {
				t.Fatal(err)
			}
			files, err := in.Files(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				rel, err := filepath.Rel(base, f)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, filepath.ToSlash(rel))
				if !in.Has(f) {
					t.Errorf("it lists %s and does not have it", f)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPatternThatIsNoneIsRefused(t *testing.T) {
	if _, err := Globs("/x", []string{"a[b"}, nil); err == nil {
		t.Error("taken")
	}
	if _, err := Globs("/x", nil, []string{"a[b"}); err == nil {
		t.Error("an ignore rule was taken")
	}
}
