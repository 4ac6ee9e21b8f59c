package term_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/term"
)

func text(o term.Options, events ...event.Event) string {
	var bus event.Bus
	sub := bus.Subscribe()
	for _, e := range events {
		bus.Send(e)
	}
	bus.Close()
	var out bytes.Buffer
	term.Text(sub, &out, o)
	return out.String()
}

func TestText(t *testing.T) {
	failure := diag.Errorf("mend it", "image %q: boom", "web")
	for _, tt := range []struct {
		name string
		o    term.Options
		in   event.Event
		want string
	}{
		{"the first line says where the project runs and why", term.Options{},
			event.Session{Target: "cluster", Context: "kind-a", Namespace: "dev", Registry: "localhost:5005", Why: "the current context"},
			"Target: cluster, context kind-a, namespace dev (the current context)\nImages go to localhost:5005\n"},
		{"an image that was built names its digest", term.Options{}, event.BuildEnded{Image: "web", Ref: "r/web:1@sha256:ab", Pushed: true, Took: 1500 * time.Millisecond},
			"Built and pushed [web]: r/web:1@sha256:ab (1.5 s)\n"},
		{"an image that was assembled says how much of it is new", term.Options{},
			event.BuildEnded{Image: "web", Ref: "r/web:1@sha256:ab", Pushed: true, How: "assembled: 1 of 7 layers new", Took: 23 * time.Millisecond},
			"Assembled and pushed [web]: r/web:1@sha256:ab (1 of 7 layers new, 23 ms)\n"},
		{"an image that was found says where", term.Options{}, event.BuildEnded{Image: "web", Ref: "r/web:1", Cached: "registry", Took: 20 * time.Millisecond},
			"Found [web] in the registry: r/web:1 (20 ms)\n"},
		{"a plan shows what differs, and colours it", term.Options{Color: true}, event.Planned{Object: "ConfigMap/a", Action: "change", Diff: "  data:\n-   a: 1\n+   a: 2\n"},
			"\x1b[34mchange ConfigMap/a\x1b[0m\n\x1b[90m    data:\x1b[0m\n\x1b[31m  -   a: 1\x1b[0m\n\x1b[32m  +   a: 2\x1b[0m\n"},
		{"a failed stage is not told when the command ends with it", term.Options{}, event.StageEnded{Stage: event.Build, Err: failure}, ""},
		{"a stage that failed is told with its hint", term.Options{StageErrors: true}, event.StageEnded{Stage: event.Build, Err: failure}, "error: image \"web\": boom\nhint: mend it\n"},
		{"a path in the working folder is shown as a user would type it", term.Options{Dir: "/home/ann/boats"}, event.Failed{Err: errors.New("/home/ann/boats/k8s/pod.yaml:1: no, nor /home/ann/other")},
			"error: k8s/pod.yaml:1: no, nor /home/ann/other\n"},
		{"a stage that was interrupted is not told", term.Options{}, event.StageEnded{Stage: event.Build, Err: context.Canceled}, ""},
		{"a forward is a URL", term.Options{}, event.Forward{Resource: "pod/web", Namespace: "dev", RemotePort: 80, Address: "127.0.0.1", LocalPort: 8080},
			"Port forwarding pod/web in namespace dev, remote port 80 -> http://127.0.0.1:8080\n"},
		{"a log line has the container in front", term.Options{}, event.Log{Pod: "web-1", Container: "web", Line: "hi"}, "[web] hi\n"},
		{"a log line's prefix is coloured", term.Options{Color: true}, event.Log{Pod: "web-1", Container: "web", Line: "hi"}, "\x1b[36m[web]\x1b[0m hi\n"},
		{"a log line may name the pod", term.Options{Prefix: "podAndContainer"}, event.Log{Pod: "web-1", Container: "web", Line: "hi"}, "[web-1 web] hi\n"},
		{"auto names the pod once when both are called alike", term.Options{Prefix: "auto"}, event.Log{Pod: "web", Container: "web", Line: "hi"}, "[web] hi\n"},
		{"no prefix is no prefix", term.Options{Prefix: "none"}, event.Log{Pod: "web", Container: "web", Line: "hi"}, "hi\n"},
		{"fields of a JSON log line are picked", term.Options{JSONFields: []string{"level", "msg", "none"}}, event.Log{Container: "web", Line: `{"msg":"up","level":"info","x":1}`}, "[web] level: info, msg: up\n"},
		{"a sync says what, where and how long", term.Options{}, event.Synced{Pod: "web-1", Container: "web", Copied: []string{"/app/a.py"}, Deleted: []string{"/app/b.py"}, Took: 9 * time.Millisecond},
			"Synced to pod/web-1, container web: copied /app/a.py, deleted /app/b.py in 9.0 ms\n"},
		{"many files are counted", term.Options{}, event.Changed{Paths: []string{"a", "b", "c", "d", "e"}, Plan: []string{"rebuild web: b is not synced"}},
			"Changed: a, b, c and 2 more\n - rebuild web: b is not synced\n"},
		{"a change without consequence is not told", term.Options{}, event.Changed{Paths: []string{"a"}}, ""},
		{"a muted stage is silent", term.Options{Mute: []string{"deploy"}}, event.Applied{Object: "Pod/web", Action: "created"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, text(tt.o, tt.in)); diff != "" {
				t.Errorf("Text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyAForeignNamespaceIsNamed(t *testing.T) {
	got := text(term.Options{}, event.Session{Target: "cluster", Context: "c", Namespace: "dev", Why: "w"},
		event.Applied{Object: "Pod/web", Namespace: "dev", Action: "created"}, event.Applied{Object: "Pod/db", Namespace: "data", Action: "created"})
	want := "Target: cluster, context c, namespace dev (w)\n - Pod/web created\n - Pod/db in namespace data created\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Text (-want +got):\n%s", diff)
	}
}

func TestAMutedBuildIsShownWhenItFails(t *testing.T) {
	got := text(term.Options{Mute: []string{"build"}},
		event.BuildOutput{Image: "web", Line: "step 1"}, event.BuildEnded{Image: "web", Err: errors.New("x"), Took: time.Second},
		event.BuildOutput{Image: "web", Line: "step 2"}, event.BuildEnded{Image: "web", Ref: "web:1", Took: time.Second})
	want := "  [web] step 1\nBuild of [web] failed after 1.0 s\nBuilt [web]: web:1 (1.0 s)\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Text (-want +got):\n%s", diff)
	}
}

func TestJSONHasKindTimeAndError(t *testing.T) {
	var bus event.Bus
	sub := bus.Subscribe()
	bus.Send(event.Failed{Err: diag.Errorf("mend it", "boom")})
	bus.Close()
	var out bytes.Buffer
	term.JSON(sub, &out)
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]any{"kind": "failed", "error": []any{map[string]any{"what": "boom", "hint": "mend it"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed pipe") }

func TestAClosedPipeDoesNotStopTheReading(t *testing.T) {
	var bus event.Bus
	sub := bus.Subscribe()
	bus.Send(event.Watching{})
	bus.Close()
	term.Text(sub, broken{}, term.Options{})
}
