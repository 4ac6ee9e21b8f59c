package docker

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/image"
)

// fakeRegistry remembers the index that it was given.
type fakeRegistry struct {
	ref   string
	parts []image.Part
}

func (f *fakeRegistry) Index(_ context.Context, ref string, parts []image.Part) (string, error) {
	f.ref, f.parts = ref, parts
	return "sha256:1dec", nil
}

func TestSeveralPlatformsBecomeOneIndex(t *testing.T) {
	a := artifact(t, "FROM a\nARG TAG\n")
	tag := "{{.IMAGE_TAG}}"
	a.Docker.BuildArgs = map[string]*string{"TAG": &tag}
	e, reg := &fakeEngine{}, &fakeRegistry{}
	b := New(Options{Engine: e, Registry: reg, Dir: a.Context})
	r := image.Request{Artifact: a, Ref: "reg/web:v1", Push: true, Platform: "linux/amd64,linux/arm/v7"}
	got, err := b.Build(t.Context(), r, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	want := image.Result{Image: "web", Ref: "reg/web:v1@sha256:1dec", Digest: "sha256:1dec", WorkDir: "/w", Pushed: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	slices.Sort(e.did)
	if diff := cmp.Diff([]string{"push reg/web:v1-linux-amd64", "push reg/web:v1-linux-arm-v7"}, e.did); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]image.Part{{Platform: "linux/amd64", Digest: "sha256:d1"}, {Platform: "linux/arm/v7", Digest: "sha256:d1"}}, reg.parts); diff != "" || reg.ref != r.Ref {
		t.Errorf("index %s (-want +got):\n%s", reg.ref, diff)
	}
	if got := *e.asked.Args["TAG"]; got != "v1" {
		t.Errorf("the template of the tag gave %q", got)
	}

	r.Push = false
	if _, err := b.Build(t.Context(), r, func(string) {}); err == nil || !strings.Contains(err.Error(), "cannot stay in the engine") {
		t.Errorf("without a push: %v", err)
	}
}
