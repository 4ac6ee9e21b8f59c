package term_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/term"
)

func out(image string, lines ...string) []event.Event {
	var list []event.Event
	for _, l := range lines {
		list = append(list, event.BuildOutput{Image: image, Line: l})
	}
	return list
}

func failed(image string) event.Event {
	return event.BuildEnded{Image: image, Err: errors.New("x"), Took: time.Second}
}

func ended() event.Event { return event.StageEnded{Stage: event.Build, Err: errors.New("x")} }

func joined(lists ...[]event.Event) []event.Event {
	var all []event.Event
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestTheLastLinesOfAFailedBuildAreShownAgainWhereOthersCameAfterThem(t *testing.T) {
	many := strings.Split(strings.TrimSuffix(strings.Repeat("l\n", 25), "\n"), "\n")
	for _, tt := range []struct {
		name string
		o    term.Options
		in   []event.Event
		want string
	}{
		{"its lines stand last already", term.Options{}, joined(out("web", "boom"), []event.Event{failed("web"), ended()}),
			"  [web] boom\nBuild of [web] failed after 1.0 s\n"},
		{"another build printed since", term.Options{}, joined(out("web", "boom"), []event.Event{failed("web")}, out("api", "fine"), []event.Event{ended()}),
			"  [web] boom\nBuild of [web] failed after 1.0 s\n  [api] fine\nThe build of [web] printed:\n  [web] boom\n"},
		{"only the last twenty", term.Options{Quiet: true}, joined(out("web", many...), []event.Event{failed("web"), ended()}),
			"Build of [web] failed after 1.0 s\nThe last 20 lines of the build of [web]:\n" + strings.Repeat("  [web] l\n", 20)},
		{"quiet means quiet", term.Options{Quiet: true}, joined(out("web", "a"), []event.Event{
			event.Note{Text: "a remark"}, event.Note{Text: "a warning", Warn: true}, event.BuildEnded{Image: "web", Ref: "web:1"}, event.StageEnded{Stage: event.Build}}),
			"a warning\n"},
		{"one that was stopped is none", term.Options{}, joined(out("web", "a"), []event.Event{event.BuildEnded{Image: "web", Err: context.Canceled, Took: time.Second}}, out("api", "b"), []event.Event{ended()}),
			"  [web] a\nBuild of [web] stopped after 1.0 s\n  [api] b\n"},
		{"the next pass begins anew", term.Options{}, joined(out("web", "boom"), []event.Event{failed("web"), ended()}, out("api", "fine"), []event.Event{ended()}),
			"  [web] boom\nBuild of [web] failed after 1.0 s\n  [api] fine\n"},
		{"a cause is told", term.Options{}, []event.Event{event.BuildStarted{Image: "web", Builder: "docker", Cause: "app.py changed"}},
			"Building [web] with docker (app.py changed)...\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, text(tt.o, tt.in...)); diff != "" {
				t.Errorf("Text (-want +got):\n%s", diff)
			}
		})
	}
}

// screen is what a terminal shows after it got the text, as far as lines are lifted from it.
func screen(text string) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		for strings.HasPrefix(line, "\x1b[") {
			n := int(line[2] - '0')
			lines = lines[:len(lines)-n]
			line = strings.TrimPrefix(line[4:], "\x1b[J")
		}
		lines = append(lines, line)
	}
	return lines[:len(lines)-1]
}

func TestImagesThatAreBuiltSideBySideHaveOneLineEachOnATerminal(t *testing.T) {
	var bus event.Bus
	sub := bus.Subscribe()
	w := &stepped{steps: make(chan string)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		term.Text(sub, w, term.Options{Width: 20})
	}()
	shown := ""
	step := func(want []string, e event.Event) {
		t.Helper()
		bus.Send(e)
		shown += <-w.steps
		if diff := cmp.Diff(want, screen(shown)); diff != "" {
			t.Errorf("screen (-want +got):\n%s", diff)
		}
	}
	step([]string{" - web -> web:1"}, event.Tagged{Image: "web", Ref: "web:1"})
	step([]string{" - web -> web:1", " - api -> api:1"}, event.Tagged{Image: "api", Ref: "api:1"})
	head := []string{" - web -> web:1", " - api -> api:1", "Building [web] with docker..."}
	step(append(head, "  [web]"), event.BuildStarted{Image: "web", Builder: "docker"})
	step(append(head, "  [web] one"), event.BuildOutput{Image: "web", Line: "one\r\x1b"})
	head = append(head, "Building [api] with docker...")
	step(append(head, "  [web] one", "  [api]"), event.BuildStarted{Image: "api", Builder: "docker"})
	step(append(head, "  [web] much longe…", "  [api]"), event.BuildOutput{Image: "web", Line: "much longer than that"})
	head = append(head, "Build of [web] failed after 1.0 s")
	step(append(head, "  [api]"), failed("web"))
	head = append(head, "Built [api]: api:1 (1.0 s)")
	step(head, event.BuildEnded{Image: "api", Ref: "api:1", Took: time.Second})
	step(append(head, "The build of [web] printed:", "  [web] one\r\x1b", "  [web] much longer than that"), ended())
	bus.Close()
	<-done
}

// stepped hands each write to the test.
type stepped struct{ steps chan string }

func (s *stepped) Write(b []byte) (int, error) {
	s.steps <- string(b)
	return len(b), nil
}
