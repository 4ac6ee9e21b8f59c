package tree

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func TestIgnore(t *testing.T) {
	for _, tt := range []struct {
		name     string
		patterns string // lines of a .dockerignore file
		match    string // space-separated paths that are left out
		keep     string // and that are not
		skip     string // folders that need not be read
		read     string // and that must be
	}{
		{"nothing", "", "", "a a/b .git", "", "a"},
		{"a folder and all below it", "node_modules\n", "node_modules node_modules/a/b", "node_modulesx a/node_modules", "node_modules", "a"},
		{"comments, blank lines, a BOM, slashes and spaces", "\ufeff# c\n\n  /a/ \n./b\n", "a a/x b", "c", "a b", "c"},
		{"one star stays in its folder", "*.log\nx/*/y", "a.log x/1/y x/1/y/z", "d/a.log x/y x/1/2/y", "", "x x/1"},
		{"two stars do not", "**/*.pyc\n**/tmp", "a.pyc d/e/a.pyc tmp d/tmp d/tmp/x", "a.py", "tmp d/tmp", "d"},
		{"the last rule wins", "docs\n!docs/README.md\ndocs/README*", "docs/README.md docs/a", "a", "", "a docs"},
		{"an exception keeps its folder readable", "docs\n!docs/a/keep.md", "docs docs/a docs/a/x docs/b", "docs/a/keep.md", "docs/b docs/a/x", "docs docs/a"},
		{"everything but a few", "*\n!src\n!go.*", "a a/b Makefile", "src src/a go.mod go.sum", "a a/b", "src"},
		{"an exception with two stars may match anywhere", "vendor\n!**/*.md", "vendor/a", "vendor/a.md", "", "vendor vendor/x"},
		{"an exception for other folders lets a folder be skipped", "vendor\n!src/*.md\n!vendored/a", "vendor", "", "vendor vendor/src", ""},
		{"an exception with a class may match", "a\n!a/[bc]/d", "a a/b a/x/d", "a/b/d a/c/d", "", "a a/b"},
		{"an exception before the rule does not count", "!a/b\na", "a a/b", "", "a a/b", ""},
		{"the whole context is never left out", ".\n", "", "a .", "", "."},
		{"unclean paths", "a/b", "./a/b a//b a/b/", "./a", "a/b/", "a/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := ParseIgnore(strings.NewReader(tt.patterns))
			if err != nil {
				t.Fatal(err)
			}
			check := func(what string, f func(string) bool, paths string, want bool) {
				for _, p := range strings.Fields(paths) {
					if f(p) != want {
						t.Errorf("%s(%q) = %v", what, p, !want)
					}
				}
			}
			check("Match", i.Match, tt.match, true)
			check("Match", i.Match, tt.keep, false)
			check("Skip", i.Skip, tt.skip, true)
			check("Skip", i.Skip, tt.read, false)
		})
	}
}

func TestNames(t *testing.T) {
	rules, err := NewIgnore("a", "!a/b")
	if err != nil {
		t.Fatal(err)
	}
	i := rules.WithNames(".git").WithNames("node_modules")
	for path, want := range map[string]bool{
		".git": true, "x/.git/config": true, "x/node_modules": true, ".gitignore": false, "a": true, "a/b": false, "a/b/.git": true,
	} {
		if i.Match(path) != want {
			t.Errorf("Match(%q) = %v", path, !want)
		}
		if i.Skip(path) != (want && path != "a") {
			t.Errorf("Skip(%q) = %v", path, i.Skip(path))
		}
	}
	var none *Ignore
	if none.Match("a") || none.Skip("a") || !none.WithNames("a").Match("b/a") {
		t.Error("a nil Ignore is not the empty one")
	}
}

func TestBadPatternIsNamed(t *testing.T) {
	for _, p := range []string{"!", "a[", "!  "} {
		if _, err := NewIgnore(p); err == nil || !strings.Contains(err.Error(), "ignore pattern") {
			t.Errorf("NewIgnore(%q): %v", p, err)
		}
	}
}

func TestReadIgnore(t *testing.T) {
	dir := t.TempDir()
	i, err := ReadIgnore(filepath.Join(dir, "absent"))
	if err != nil || i.Match("a") {
		t.Errorf("an absent file: %v", err)
	}
	file := filepath.Join(dir, ".dockerignore")
	if err := os.WriteFile(file, []byte("a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if i, err = ReadIgnore(file); err != nil || !i.Match("a") {
		t.Errorf("a file: %v", err)
	}
	if err := os.WriteFile(file, []byte("[\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = ReadIgnore(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a bad file: %v", err)
	}
}

// FuzzIgnoreAgainstDocker compares Match with the library's own loop over all patterns, and Skip with Match.
func FuzzIgnoreAgainstDocker(f *testing.F) {
	f.Add("a\n!a/b\n**/c", "a/b/c")
	f.Add("*\n!x/**/y", "x/1/y")
	f.Add("a**b\n?[x-z]", "ab/c")
	f.Fuzz(func(t *testing.T, patterns, file string) {
		file = filepath.ToSlash(filepath.Clean(file))
		if strings.HasPrefix(file, "/") || strings.HasPrefix(file, "..") || file == "." {
			return
		}
		lines, err := ignorefile.ReadAll(strings.NewReader(patterns))
		if err != nil {
			return
		}
		for _, l := range lines {
			if p := strings.TrimPrefix(strings.TrimSpace(l), "!"); p != strings.TrimSpace(p) {
				return // a name with white space around it: no file has one
			}
		}
		i, err := ParseIgnore(strings.NewReader(patterns))
		if err != nil {
			return
		}
		m, err := patternmatcher.New(lines)
		if err != nil {
			return
		}
		want, err := m.MatchesOrParentMatches(file)
		if err != nil {
			return
		}
		if got := i.Match(file); got != want {
			t.Errorf("Match(%q) with %q is %v, Docker says %v", file, lines, got, want)
		}
		for dir := filepath.Dir(file); dir != "."; dir = filepath.Dir(dir) {
			if i.Skip(dir) && !i.Match(file) {
				t.Errorf("Skip(%q) with %q although %q counts", dir, lines, file)
			}
		}
	})
}

func TestIgnoreIsSafeForConcurrentUse(t *testing.T) {
	i, err := NewIgnore("**/*.log", "a?c", "!a/**/keep")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				i.Match("a/b/c.log")
				i.Skip("a/b")
			}
		})
	}
	wg.Wait()
}

func BenchmarkMatch(b *testing.B) {
	i, err := NewIgnore(".git", "node_modules", "dist", "*.md", "**/*.pyc", "**/__pycache__", "!README.md", "docs", ".venv", "coverage")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		i.Match("src/app/components/button/index.tsx")
	}
}
