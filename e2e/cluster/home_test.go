package main

import (
	"context"
	"io"
	"testing"
	"testing/fstest"
)

// scratch is a cluster in a folder of the test's own, which says nothing.
func scratch(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{home: t.TempDir(), tell: newTeller(io.Discard), getenv: func(string) string { return "" }}
	if err := writeFile(c.path("log", ".keep"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHomeDir(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"the variable of its own wins", map[string]string{"SKIFF_E2E_HOME": "/var/e2e", "HOME": "/root"}, "/var/e2e"},
		{"then the cache folder", map[string]string{"XDG_CACHE_HOME": "/cache", "HOME": "/root"}, "/cache/skiff-e2e"},
		{"a relative cache folder does not count", map[string]string{"XDG_CACHE_HOME": "cache", "HOME": "/root"}, "/root/.cache/skiff-e2e"},
		{"then the home folder", map[string]string{"HOME": "/root"}, "/root/.cache/skiff-e2e"},
		{"without any it is an error", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := homeDir(func(name string) string { return tt.env[name] })
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("homeDir = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestDigestTellsListsApart(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{nil, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a:1", "b"}, {"a", ":1b"}} {
		key := digest(parts...)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have the same digest", parts, other)
		}
		seen[key] = parts
	}
	if got, want := digest("a", "b"), "facdde7abf1eac5b"; got != want {
		t.Errorf("digest = %s, want %s: what every machine has built would be built again", got, want)
	}
}

func TestSourceDigest(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	base := fstest.MapFS{"main.go": file("package main"), "go.mod": file("module x"), "go.sum": file("")}
	want, err := sourceDigest(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path, text string
		same             bool
	}{
		{"a changed source counts", "main.go", "package main // more", false},
		{"a new source counts", "more.go", "package main", false},
		{"a changed module file counts", "go.mod", "module y", false},
		{"a changed sum counts", "go.sum", "x v1", false},
		{"a test does not count", "main_test.go", "package main", true},
		{"what was built does not count", "kube", "ELF", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := fstest.MapFS{tt.path: file(tt.text)}
			for name, f := range base {
				if name != tt.path {
					changed[name] = f
				}
			}
			got, err := sourceDigest(changed)
			if err != nil || (got == want) != tt.same {
				t.Errorf("sourceDigest = %s, %v; before %s", got, err, want)
			}
		})
	}
}

func TestLockKeepsASecondRunOut(t *testing.T) {
	c := scratch(t)
	unlock, err := c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.lock(ended); err == nil {
		t.Error("a second run got the lock")
	}
	unlock()
	unlock, err = c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
