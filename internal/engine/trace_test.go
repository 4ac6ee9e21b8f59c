package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// at is a moment, in seconds after the start of a build.
func at(seconds float64) *timestamppb.Timestamp {
	return timestamppb.New(time.Unix(1700000000, 0).Add(time.Duration(seconds * float64(time.Second))))
}

func vertexes(list ...*control.Vertex) *control.StatusResponse {
	return &control.StatusResponse{Vertexes: list}
}

func logs(digest, text string) *control.StatusResponse {
	return &control.StatusResponse{Logs: []*control.VertexLog{{Vertex: digest, Msg: []byte(text)}}}
}

func TestTrace(t *testing.T) {
	started := func(digest, name string) *control.Vertex {
		return &control.Vertex{Digest: digest, Name: name, Started: at(0)}
	}
	ended := func(digest, name string, seconds float64) *control.Vertex {
		return &control.Vertex{Digest: digest, Name: name, Started: at(0), Completed: at(seconds)}
	}
	cached := ended("c", "[1/2] FROM a", 0)
	cached.Cached = true
	broken := ended("x", "[web 2/2] RUN npm ci", 1)
	broken.Error = `process "/bin/sh -c npm ci" did not complete successfully: exit code: 12`
	stopped := ended("s", "[api 2/3] RUN sleep", 1)
	stopped.Error = "process did not complete: context canceled"
	base := ended("m", "[internal] load metadata for docker.io/library/none:1", 1)
	base.Error = "docker.io/library/none:1: not found"
	transfer := func(now float64, current int64) *control.StatusResponse {
		return &control.StatusResponse{Statuses: []*control.VertexStatus{{
			ID: "transferring context:", Vertex: "i", Current: current, Started: at(0), Timestamp: at(now),
		}}}
	}
	for _, tt := range []struct {
		name string
		in   []*control.StatusResponse
		want []string
		fail BuildError
	}{
		{"a step with its lines", []*control.StatusResponse{vertexes(started("a", "[2/2] RUN  make \\\n all")), logs("a", "one\ntw"), logs("a", "o\nhalf"), vertexes(ended("a", "", 1.25))},
			[]string{"#1 [2/2] RUN make \\ all", "#1 one", "#1 two", "#1 half", "#1 done 1.2s"}, BuildError{Message: "m"}},
		{"what a step draws on one line is told as it ends", []*control.StatusResponse{vertexes(started("a", "[1/1] RUN x")), logs("a", "10%\r20%\r30%\r\nend\n")},
			[]string{"#1 [1/1] RUN x", "#1 30%", "#1 end"}, BuildError{Message: "m"}},
		{"steps side by side have numbers", []*control.StatusResponse{vertexes(started("a", "A"), started("b", "B")), logs("b", "x\n"), vertexes(ended("b", "B", 1), ended("a", "A", 2))},
			[]string{"#1 A", "#2 B", "#2 x", "#2 done 1.0s", "#1 done 2.0s"}, BuildError{Message: "m"}},
		{"a step from the cache", []*control.StatusResponse{vertexes(cached)}, []string{"#1 [1/2] FROM a", "#1 cached"}, BuildError{Message: "m"}},
		{"work inside the builder is quiet", []*control.StatusResponse{vertexes(ended("i", "[internal] load build context", 1))}, nil, BuildError{Message: "m"}},
		{"a transfer that takes long is told now and then", []*control.StatusResponse{vertexes(started("i", "[internal] load build context")), transfer(0.5, 10), transfer(2.5, 2_500_000), transfer(3, 3_000_000), transfer(5, 9_000_000)},
			[]string{"#1 [internal] load build context", "#1 transferring context: 2.5 MB", "#1 transferring context: 9.0 MB"}, BuildError{Message: "m"}},
		{"the step that failed is known, not the one that was stopped for it", []*control.StatusResponse{vertexes(started("s", stopped.Name), started("x", broken.Name)), logs("x", "npm ERR!\n"), vertexes(stopped, broken)},
			[]string{"#1 [api 2/3] RUN sleep", "#2 [web 2/2] RUN npm ci", "#2 npm ERR!"},
			BuildError{Message: "m", Exit: 12, Output: true, Step: Step{Text: "RUN npm ci", Stage: "web", Index: 2, Total: 2, Kind: BuildKit}}},
		{"a base image that is not there is the FROM", []*control.StatusResponse{vertexes(base)}, nil,
			BuildError{Message: base.Error, Step: Step{Text: "FROM docker.io/library/none:1", Kind: BuildKit}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			tr := newTrace(func(line string) { got = append(got, line) })
			for _, r := range tt.in {
				tr.update(r)
			}
			tr.flush()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.fail, *tr.explain(0, "m")); diff != "" {
				t.Errorf("failure (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSteps(t *testing.T) {
	var got []string
	s := newSteps(func(line string) { got = append(got, line) })
	for _, m := range []message{
		{Stream: "Step 1/2 : FROM a"}, {Stream: "\n"}, {Stream: " ---> 0f74\n"},
		{Status: "Downloading", ID: "x"}, {Status: "Pulling from library/a", ID: "1"}, {Status: "Pull complete", ID: "x"},
		{Stream: "Step 2/2 : RUN npm  ci\n"}, {Stream: "npm ERR!\n\n"},
	} {
		if err := s.message(m); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"Step 1/2 : FROM a", " ---> 0f74", "Pulling from library/a", "x: Pull complete", "Step 2/2 : RUN npm  ci", "npm ERR!"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	failed := BuildError{Step: Step{Text: "RUN npm ci", Index: 2, Total: 2, Kind: Classic}, Exit: 3, Message: "m", Output: true}
	if diff := cmp.Diff(failed, *s.explain(3, "m")); diff != "" {
		t.Errorf("failure (-want +got):\n%s", diff)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 2_500_000: "2.5 MB", 7_000_000_000: "7.0 GB", 3e15: "3000.0 TB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
