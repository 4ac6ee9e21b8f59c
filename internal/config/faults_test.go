package config

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/skiff-dev/skiff/internal/diag"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// TestBadInputGetsClearMessages loads the project of each archive and compares what a user reads with its part
// "stderr". The comment of the archive may say "profiles: a,b", "command: dev", "modules: x", "context: kind" and "env: A=b".
func TestBadInputGetsClearMessages(t *testing.T) {
	for _, name := range archives(t, "testdata/faults") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			o := optionsOf(string(archive.Comment))
			o.Dir = unpack(t, archive)
			var got string
			if _, err := Load(context.Background(), o); err != nil {
				got = strings.ReplaceAll(diag.Text(err), o.Dir, "DIR")
				if code := diag.Kind(err); code != diag.CodeConfig {
					t.Errorf("kind %v, want %v", code, diag.CodeConfig)
				}
			}
			golden(t, name, archive, "stderr", got)
		})
	}
}

func archives(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives in %s: %v", dir, err)
	}
	return names
}

// optionsOf reads the options from the lines "key: value" of a comment.
func optionsOf(comment string) Options {
	o := Options{Command: "build", ProfileAutoActivation: true}
	env := map[string]string{}
	for line := range strings.Lines(comment) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "profiles":
			o.Profiles = strings.Split(value, ",")
		case "modules":
			o.Modules = strings.Split(value, ",")
		case "command":
			o.Command = value
		case "file":
			o.File = value
		case "context":
			o.KubeContext = func() string { return value }
		case "env":
			name, is, _ := strings.Cut(value, "=")
			env[name] = is
		}
	}
	o.Getenv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return o
}

// unpack writes the files of an archive, all but its golden parts, into a new folder.
func unpack(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range archive.Files {
		if f.Name == "stderr" || f.Name == "effective" {
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// golden compares a part of an archive with what came out, or rewrites it.
func golden(t *testing.T, name string, archive *txtar.Archive, part, got string) {
	t.Helper()
	at := -1
	for i, f := range archive.Files {
		if f.Name == part {
			at = i
		}
	}
	if at < 0 {
		archive.Files = append(archive.Files, txtar.File{Name: part})
		at = len(archive.Files) - 1
	}
	if *update {
		archive.Files[at].Data = []byte(got)
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(archive.Files[at].Data), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", part, diff)
	}
}
