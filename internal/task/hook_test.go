package task

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

func TestAHookOfThisMachine(t *testing.T) {
	for _, tt := range []struct {
		name string
		hook config.HostHook
		env  []string
		want []string
		code int
	}{
		{"gets the variables of its phase", config.HostHook{Command: []string{"sh", "-c", "echo $SKAFFOLD_IMAGE $SKAFFOLD_DEFAULT_REPO"}}, nil, []string{"app:1 repo"}, 0},
		{"a variable of the user's wins", config.HostHook{Command: []string{"sh", "-c", "echo $SKAFFOLD_IMAGE"}}, []string{"SKAFFOLD_IMAGE=mine"}, []string{"mine"}, 0},
		{"is not run by a shell", config.HostHook{Command: []string{"echo", "$HOME"}}, nil, []string{"$HOME"}, 0},
		{"runs in its folder", config.HostHook{Command: []string{"sh", "-c", "basename $(pwd)"}, Dir: "sub"}, nil, []string{"sub"}, 0},
		{"is left out on another system", config.HostHook{Command: []string{"false"}, OS: []string{"plan9"}}, nil, nil, 0},
		{"fails with its own exit code", config.HostHook{Command: []string{"sh", "-c", "exit 9"}}, nil, nil, 9},
		{"a program that is not there is a failure", config.HostHook{Command: []string{"no-such-program"}}, nil, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, heard := runner(t, tt.env...)
			if err := os.Mkdir(filepath.Join(r.Dir, "sub"), 0o755); err != nil {
				t.Fatal(err)
			}
			h := &Hooks{Runner: r, Shared: []string{"SKAFFOLD_DEFAULT_REPO=repo"}}
			err := h.Host(t.Context(), "before build", &tt.hook, diag.Pos{File: "skaffold.yaml", Line: 3}, []string{"SKAFFOLD_IMAGE=app:1"}, nil, nil)
			if diag.Exit(err) != tt.code {
				t.Errorf("exit code %d of %v, want %d", diag.Exit(err), err, tt.code)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "skaffold.yaml:3") {
				t.Errorf("no place in %v", err)
			}
			if diff := cmp.Diff(tt.want, heard.lines); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARenderHookSeesTheManifestsAndMayChangeThem(t *testing.T) {
	long := strings.Repeat("x", 200_000) // longer than any line that is handed on in one piece
	for _, tt := range []struct {
		name, command string
		change        bool
		want, fault   string
	}{
		{"it reads them", "wc -c", false, long, ""},
		{"what it writes is output unless it may change them", "echo other", false, long, ""},
		{"with withChange it replaces them", "cat; echo more", true, long + "more\n", ""},
		{"nothing is no manifest", "true", true, "", "wrote no manifests"},
		{"a failure is told", "exit 4", true, "", "exit code 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := runner(t)
			h := &Hooks{Runner: r}
			hook := &config.RenderHook{Host: &config.RenderHostHook{HostHook: config.HostHook{Command: []string{"sh", "-c", tt.command}}, WithChange: tt.change}}
			got, err := h.Render(t.Context(), "after render", &config.Config{File: "skaffold.yaml"}, "after", []*config.RenderHook{hook}, nil, []byte(long))
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("got %v, want %s", err, tt.fault)
				}
				return
			}
			if err != nil || !bytes.Equal(got, []byte(tt.want)) {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(tt.want))
			}
		})
	}
}
