package image

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
)

func TestAnImageThatIsThereAlreadyIsImportedWhereTheProjectAsksForIt(t *testing.T) {
	reg := newTestRegistry(t)
	digest := reg.push(t, "web:1")
	importing := func(on bool) *config.Config {
		c := &config.Config{}
		c.Build.Local = &config.LocalBuild{TryImportMissing: on}
		return c
	}
	for _, tt := range []struct {
		name   string
		config *config.Config
		ref    string
		push   bool
		engine *testEngine
		want   Result
		did    []string
		err    string
	}{
		{"from the registry", importing(true), reg.host + "/web:1", true, nil,
			Result{Image: "a", Ref: reg.host + "/web:1@" + digest, Digest: digest, Cached: "registry", Pushed: true, WorkDir: "/"}, nil, ""},
		{"the registry has none", importing(true), reg.host + "/web:2", true, nil, Result{}, nil, "the registry has no " + reg.host + "/web:2 to import"},
		{"only where the project asks for it", importing(false), reg.host + "/web:1", true, nil, Result{}, nil, "nothing was made"},
		{"from the engine", importing(true), "web:1", false, &testEngine{images: map[string][]string{"web:1": nil}},
			Result{Image: "a", Ref: "web:web:1", ID: "web:1", Cached: "engine", WorkDir: "/"}, []string{"tag web:web:1"}, ""},
		{"fetched by the engine", importing(true), "web:1", false, &testEngine{images: map[string][]string{"there": nil}, digest: "there"},
			Result{Image: "a", Ref: "web:web:1", ID: "web:1", Cached: "engine", WorkDir: "/"}, []string{"pull web:1", "tag web:web:1"}, ""},
		{"nobody has it", importing(true), "web:1", false, &testEngine{images: map[string][]string{}}, Result{}, []string{"pull web:1"}, "cannot be imported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := CacheOptions{File: filepath.Join(t.TempDir(), "images"), Index: index(t), Registry: NewRegistry(nil, nil)}
			if tt.engine != nil {
				o.Engine = tt.engine
			}
			c := NewCache(o)
			r := requests("a")[0]
			r.Artifact.Config, r.Ref, r.Push = tt.config, tt.ref, tt.push
			got, err := c.find(t.Context(), r, "key")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			if tt.engine != nil {
				if diff := cmp.Diff(tt.did, tt.engine.did); diff != "" {
					t.Errorf("the engine did (-want +got):\n%s", diff)
				}
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if _, kept := c.lookup("key"); kept != (tt.err == "") {
				t.Errorf("remembered: %v", kept)
			}
		})
	}
}
