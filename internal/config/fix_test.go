package config

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/skiff-dev/skiff/internal/diag"
)

// TestRealFilesAreFixedAsSkaffoldFixesThem compares what Fix writes with what Skaffold's fix printed, value by value, and looks
// for every comment of the user's file in it.
func TestRealFilesAreFixedAsSkaffoldFixesThem(t *testing.T) {
	root := corpus(t)
	var good, all, comments int
	for _, row := range verdicts(t, root) {
		if row["profile"] != "" {
			continue
		}
		all++
		file := filepath.Join(root, row["dir"], row["path"])
		fixed, err := Fix(context.Background(), Options{File: file, Dir: filepath.Dir(file)}, "")
		if (err == nil) != (row["fix_rc"] == "0") {
			t.Errorf("%s: Skaffold says %q, skiff says %v", file, row["fix_error"], err)
			continue
		}
		want, readErr := os.ReadFile(file + ".fixed.yaml")
		if err != nil || readErr != nil {
			good++
			continue
		}
		if diff := cmp.Diff(values(want), values(fixed.New)); diff != "" {
			t.Errorf("%s:\n%s", file, diff)
			continue
		}
		good++
		lines, lost := lostComments(string(fixed.Old), string(fixed.New))
		comments += lines
		if len(lost) > 0 {
			t.Errorf("%s lost its comments %q", file, lost)
		}
	}
	t.Logf("%d of %d files are fixed as Skaffold fixes them, with their %d lines of comments", good, all, comments)
}

// lostComments counts the comment lines of a file and names those that the new one lacks.
func lostComments(old, new string) (n int, lost []string) {
	for _, line := range strings.Split(old, "\n") {
		text := strings.TrimSpace(line)
		if !strings.HasPrefix(text, "#") || strings.HasPrefix(text, "#!") {
			continue
		}
		if n++; !strings.Contains(new, text) {
			lost = append(lost, text)
		}
	}
	return n, lost
}

// TestFixKeepsCommentsAndOrder upgrades the part "before" of each archive; the comment of the archive may name a version.
func TestFixKeepsCommentsAndOrder(t *testing.T) {
	for _, name := range archives(t, "testdata/fix") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fixed, err := Fix(context.Background(), Options{File: "-", Stdin: strings.NewReader(string(archive.Files[0].Data)), Dir: t.TempDir()}, strings.TrimSpace(string(archive.Comment)))
			if err != nil {
				golden(t, name, archive, "fault", diag.Text(err))
				return
			}
			golden(t, name, archive, "after", string(fixed.New))
			if len(fixed.Notes) > 0 {
				golden(t, name, archive, "notes", diag.Text(fixed.Notes))
			}
		})
	}
}
