package helm

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
)

func TestAReleaseIsKeptUnlessItsInputsChanged(t *testing.T) {
	for _, tt := range []struct {
		name string
		was  record
		want Release
		kept bool
	}{
		{"the same inputs", record{status: "deployed", inputs: "a"}, Release{Digest: "a"}, true},
		{"others", record{status: "deployed", inputs: "a"}, Release{Digest: "b"}, false},
		{"made by helm or Skaffold", record{status: "deployed"}, Release{Digest: "a"}, false},
		{"one that failed is tried again", record{status: "failed", inputs: "a"}, Release{Digest: "a"}, false},
		{"one that is not to be upgraded", record{status: "deployed", inputs: "a"}, Release{Digest: "b", UpgradeOnChange: new(false)}, true},
		{"a remote chart", record{status: "deployed", inputs: "a"}, Release{Digest: "b", Remote: true}, true},
		{"a remote chart that is to be upgraded", record{status: "deployed", inputs: "a"}, Release{Digest: "b", Remote: true, UpgradeOnChange: new(true)}, false},
		{"a remote chart that failed", record{status: "failed"}, Release{Remote: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.was.kept(tt.want); got != tt.kept {
				t.Errorf("kept %v", got)
			}
		})
	}
}

func TestReleasesStartWhenAllThatTheyDependOnIsDone(t *testing.T) {
	releases := []Release{{Name: "web", DependsOn: []string{"api", "db"}}, {Name: "api", DependsOn: []string{"db"}}, {Name: "db"}, {Name: "alone"}}
	done := map[string]bool{}
	var got [][]string
	for level := next(releases, done); len(level) > 0; level = next(releases, done) {
		var names []string
		for _, i := range level {
			names = append(names, releases[i].Name)
			done[releases[i].Name] = true
		}
		got = append(got, names)
	}
	if diff := cmp.Diff([][]string{{"db", "alone"}, {"api"}, {"web"}}, got); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
}

func TestAFailureSaysHowToGoOn(t *testing.T) {
	d := New(&kube.Cluster{}, Options{}, nil)
	for _, tt := range []struct{ name, what, text, hint string }{
		{"an upgrade", "upgrade", "field is\n  immutable", "helm rollback web 3 -n shop"},
		{"an upgrade that was rolled back", "upgrade", "release web failed, and has been rolled back due to rollback-on-failure being set: x", "as it was before (revision 3)"},
		{"a missing namespace", "install", `namespaces "shop" not found`, "createNamespace: true"},
		{"an object of somebody else", "install", "exists and cannot be imported into the current release: invalid ownership metadata", "--take-ownership"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := d.explain(t.Context(), Release{Name: "web", Namespace: "shop"}, tt.what, 3, errors.New(tt.text))
			e := diag.All(err)[0]
			if !strings.Contains(e.Hint, tt.hint) || strings.Contains(e.What, "\n") || e.Code != diag.CodeDeploy {
				t.Errorf("%q, hint %q", e.What, e.Hint)
			}
		})
	}
}

func TestReadTakesAManifestAsHelmWroteIt(t *testing.T) {
	var names []string
	for _, o := range read("---\n# Source: a\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n---\n# empty\n---\nkind: Service\nmetadata: {name: b}\n") {
		names = append(names, o.ID().String())
	}
	if diff := cmp.Diff([]string{"Pod/a", "Service/b"}, names); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}
