package docker

import (
	"path/filepath"
	"testing"
)

func TestIgnore(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules string
		out   []string // left out
		in    []string
		skip  []string // left out with everything below
		walk  []string // to be looked into
	}{
		{"no rules", "", nil, []string{"a", "a/b"}, nil, []string{"a"}},
		{"a folder with all below it", "node_modules\n", []string{"node_modules", "node_modules/x/y"}, []string{"a/node_modules"}, []string{"node_modules"}, []string{"a"}},
		{"at any depth", "**/node_modules\n", []string{"a/node_modules/x"}, []string{"a"}, []string{"a/node_modules"}, []string{"a"}},
		{"an exception", "*\n!src\n", []string{"a", "b/c"}, []string{"src", "src/x"}, []string{"a"}, []string{"src"}},
		{"an exception inside", "src\n!src/keep\n", []string{"src/a"}, []string{"src/keep/x"}, []string{"src/a"}, []string{"src"}},
		{"an exception with a wildcard", "src\n!src/*.go\n", []string{"src/a", "src/x/a.go"}, []string{"src/a.go"}, nil, []string{"src"}},
		{"the corner in which a walk differs from asking each path", "sub/*/c.go\nw*\n!sub/deep\n", []string{"sub/deep/c.go"}, []string{"sub/deep", "sub/deep/d.go"}, nil, []string{"sub/deep"}},
		{"the last rule wins", "*.md\n!README.md\nREADME.md\n", []string{"README.md"}, nil, []string{"README.md"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), ".dockerignore")
			writeText(t, file, tt.rules)
			rules, err := readIgnore(file)
			if err != nil {
				t.Fatal(err)
			}
			check := func(what string, paths []string, says func(string) bool, want bool) {
				t.Helper()
				for _, p := range paths {
					if says(p) != want {
						t.Errorf("%s(%q) is %v", what, p, !want)
					}
				}
			}
			check("Match", tt.out, rules.Match, true)
			check("Match", tt.in, rules.Match, false)
			check("Skip", tt.skip, rules.Skip, true)
			check("Skip", tt.walk, rules.Skip, false)
		})
	}
	if rules, err := readIgnore(filepath.Join(t.TempDir(), "none")); err != nil || rules.Match("a") || rules.Skip("a") {
		t.Errorf("without a file: %v, %v", rules, err)
	}
}
