package image

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
)

// noted is a Builder that notes that it was asked.
type noted struct {
	Builder
	note func(string)
	err  error
}

func (n noted) Build(context.Context, Request, func(string)) (Result, error) {
	n.note("build")
	return Result{}, n.err
}

func TestHooksRunAroundBuilds(t *testing.T) {
	bad := errors.New("bad")
	for _, tt := range []struct {
		name              string
		module, artifact  map[string]error // what a hook ends with, by when
		build             error
		want              []string
		fails, failsAtEnd bool
	}{
		{name: "all goes well", want: []string{"module before", "before a", "build", "after a", "before b", "build", "after b", "module after"}},
		{name: "a hook of the module fails", module: map[string]error{"before": bad}, want: []string{"module before"}, fails: true},
		{name: "a hook before fails", artifact: map[string]error{"before": bad}, want: []string{"module before", "before a", "before b"}, fails: true},
		{name: "the build fails", build: bad, want: []string{"module before", "before a", "build", "before b", "build"}, fails: true},
		{name: "a hook after fails", artifact: map[string]error{"after": bad}, want: []string{"module before", "before a", "build", "after a", "before b", "build", "after b"}, fails: true},
		{name: "a hook after all fails", module: map[string]error{"after": bad}, failsAtEnd: true,
			want: []string{"module before", "before a", "build", "after a", "before b", "build", "after b", "module after"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			note := func(text string) { got = append(got, text) }
			pass := Hooks{
				Module: func(_ context.Context, when string, _ *config.Config) error {
					note("module " + when)
					return tt.module[when]
				},
				Artifact: func(_ context.Context, when string, r Request) error {
					note(when + " " + r.Ref)
					return tt.artifact[when]
				},
			}.Around()
			b := pass.Wrap(noted{note: note, err: tt.build})
			c := &config.Config{}
			failed := false
			for _, ref := range []string{"a", "b"} {
				_, err := b.Build(t.Context(), Request{Artifact: &config.Artifact{Config: c}, Ref: ref}, nil)
				failed = failed || err != nil
			}
			if failed != tt.fails {
				t.Errorf("failed: %v", failed)
			}
			if !failed {
				if err := pass.End(t.Context()); (err != nil) != tt.failsAtEnd {
					t.Errorf("at the end: %v", err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("what ran (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithoutHooksABuilderIsItself(t *testing.T) {
	b := Builder(noted{})
	pass := Hooks{}.Around()
	if _, wrapped := pass.Wrap(b).(*hooked); wrapped || pass.End(t.Context()) != nil {
		t.Error("it is wrapped")
	}
}
