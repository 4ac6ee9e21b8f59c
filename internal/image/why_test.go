package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/event"
)

func TestDiffSaysWhatChanged(t *testing.T) {
	digest := func(n int) string { return strings.Repeat(fmt.Sprint(n), 64) }
	base := func() *Inventory {
		return &Inventory{
			Builder: "docker", Name: "reg/web", Settings: map[string]string{"docker.target": "1", "args.V": "1"},
			Bases: map[string]string{"debian": "sha256:1"}, Needs: map[string]string{"LIB": "x"},
			Files: []InputFile{{"a", 0o644, digest(1)}, {"b c\n", 0o644, digest(2)}},
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*Inventory)
		want   string
	}{
		{"nothing", func(*Inventory) {}, ""},
		{"a file", func(i *Inventory) { i.Files[0].Digest = digest(3) }, "a changed"},
		{"a file's mode", func(i *Inventory) { i.Files[0].Mode = 0o755 }, "a has another mode"},
		{"a file that is a link now", func(i *Inventory) { i.Files[0].Mode |= os.ModeSymlink }, "a changed"},
		{"a new file", func(i *Inventory) { i.Files = append(i.Files, InputFile{"d", 0o644, digest(4)}) }, "d is new"},
		{"a file that is gone", func(i *Inventory) { i.Files = i.Files[:1] }, "b c\n is gone"},
		{"a build argument", func(i *Inventory) { i.Settings["args.V"] = "2" }, "the build argument V changed"},
		{"a setting", func(i *Inventory) { delete(i.Settings, "docker.target") }, "the setting docker.target is gone"},
		{"the base image", func(i *Inventory) { i.Bases["debian"] = "sha256:2" }, "the base image debian is another one now"},
		{"a required image", func(i *Inventory) { i.Needs["LIB"] = "y" }, "the required image LIB is another one now"},
		{"several", func(i *Inventory) { i.Bases["debian"], i.Files[0].Digest = "sha256:2", digest(3) }, "the base image debian is another one now, and 1 more change"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := base()
			tt.change(now)
			if got := Cause(now.Diff(base())); got != tt.want {
				t.Errorf("cause %q, want %q", got, tt.want)
			}
			key, _ := now.Key()
			before, _ := base().Key()
			if (key == before) != (tt.want == "") {
				t.Errorf("the key changed: %v", key != before)
			}
			kept, err := decodeInventory(encodeInventory(now))
			if err != nil {
				t.Fatal(err)
			}
			if got := now.Diff(kept); len(got) > 0 {
				t.Errorf("after reading it back: %v", got)
			}
		})
	}
	whole := encodeInventory(base())
	for n := range len(whole) - 1 {
		if inv, err := decodeInventory(whole[:n]); err == nil && len(inv.Files) == 2 {
			t.Errorf("cut after %d bytes: %+v", n, inv)
		}
	}
}

func TestABuildSaysWhyItIsNeeded(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1")
	f := &fake{files: []string{file}, fails: map[string]bool{}}
	e := &testEngine{images: map[string][]string{"sha256:1": {}}}
	cache := NewCache(CacheOptions{File: filepath.Join(dir, "cache", "images"), Index: index(t), History: filepath.Join(dir, "cache", "history"), Engine: e})
	r := requests("a")[0]
	r.Artifact.Context = dir
	made := func() (cause, found string) {
		sink := event.SinkFunc(func(e event.Event) {
			switch e := e.(type) {
			case event.BuildStarted:
				cause = e.Cause
			case event.BuildEnded:
				found = e.Cached
			}
		})
		_, _ = Build(t.Context(), Set{Builders: f.builders(), Cache: cache}, []Request{r}, sink)
		return cause, found
	}
	for _, step := range []struct {
		what         string
		change       func()
		cause, found string
	}{
		{"the first time", func() {}, "it was not made here before", ""},
		{"nothing changed", func() {}, "", "engine"},
		{"a file changed", func() { write("22") }, "f changed", ""},
		{"changed back", func() { write("1") }, "", "engine"},
		{"a change that fails", func() { write("333"); f.fails["a"] = true }, "f changed", ""},
		{"tried again", func() { f.fails["a"] = false }, "the last build failed", ""},
		{"the engine lost it", func() { delete(e.images, "sha256:1") }, "the engine no longer has the image that was made from the same inputs", ""},
	} {
		step.change()
		cause, found := made()
		if cause != step.cause || found != step.found {
			t.Errorf("%s: cause %q, found %q, want %q and %q", step.what, cause, found, step.cause, step.found)
		}
	}
	e.images["sha256:1"] = nil
	write("4444")
	answers, err := Why(t.Context(), Set{Builders: f.builders(), Cache: cache}, append([]Request{r}, requests("b:a")...))
	if err != nil || len(answers) != 2 || answers[1].Cause != "it requires a, which would be built" {
		t.Fatalf("why = %+v, %v", answers, err)
	}
	answer := answers[0]
	if answer.Cause != "f changed" || answer.Found != "" || answer.Last == nil || answer.Last.Outcome != "built" {
		t.Errorf("why = %+v", answer)
	}
	if diff := cmp.Diff([]Change{{"file", "f", "changed"}}, answer.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// slowEngine knows a base image, or does not.
type baseEngine struct {
	testEngine
	image engine.Image
	err   error
	asked int
}

func (e *baseEngine) Inspect(context.Context, string) (engine.Image, error) {
	e.asked++
	return e.image, e.err
}

func TestBaseImagesAreKnownByTheirDigests(t *testing.T) {
	reg := newTestRegistry(t)
	digest := reg.push(t, "base:1")
	ref := reg.host + "/base:1"
	dead := "localhost:1/base:1"
	now := time.Now()
	file := filepath.Join(t.TempDir(), "state", "bases.json")
	open := func(e Engine) *baseDigests {
		return &baseDigests{o: CacheOptions{Registry: NewRegistry(nil, nil), Engine: e, Bases: file}, now: func() time.Time { return now }}
	}
	gone := &baseEngine{err: engine.ErrNotFound}
	if got := open(gone).digest(t.Context(), Origin{Ref: ref}); got != digest {
		t.Errorf("from the registry: %q", got)
	}
	if got := open(&baseEngine{image: engine.Image{ID: "sha256:i", Digests: []string{reg.host + "/base@sha256:" + strings.Repeat("e", 64)}}}).digest(t.Context(), Origin{Ref: ref}); got != "sha256:"+strings.Repeat("e", 64) {
		t.Errorf("what the engine has: %q", got)
	}
	own := &baseEngine{image: engine.Image{ID: "sha256:i"}}
	d := open(own)
	if got := d.digest(t.Context(), Origin{Ref: ref}) + d.digest(t.Context(), Origin{Ref: ref}); got != "sha256:isha256:i" || own.asked != 1 {
		t.Errorf("made in the engine: %q, asked %d times", got, own.asked)
	}
	if got := open(own).digest(t.Context(), Origin{Ref: ref, Fresh: true}); got != digest {
		t.Errorf("fresh: %q", got)
	}
	if got := open(nil).digest(t.Context(), Origin{Ref: "x@sha256:1"}); got != "sha256:1" {
		t.Errorf("pinned: %q", got)
	}
	if got := open(nil).digest(t.Context(), Origin{Ref: dead}); got != "" {
		t.Errorf("nobody knows: %q", got)
	}
	old := open(nil)
	old.keep(&old.said, dead, "sha256:old")
	old.save()
	now = now.Add(time.Hour)
	if got := open(nil).digest(t.Context(), Origin{Ref: dead}); got != "sha256:old" {
		t.Errorf("without a network: %q", got)
	}
}
