//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEveryExampleRunsAndIsDeleted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/*/skaffold.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples (%v)", err)
	}
	for _, file := range files {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(filepath.Join(folder, "README.md")); err != nil {
				t.Errorf("an example says what it shows: %v", err)
			}
			p := newProject(t, folder)
			p.must("run")
			if len(p.objects()) == 0 {
				t.Error("nothing was deployed")
			}
			p.must("delete")
			p.left()
		})
	}
}
