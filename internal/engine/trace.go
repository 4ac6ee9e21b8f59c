package engine

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// progressEvery is how often a transfer that takes long says how far it is.
const progressEvery = 2 * time.Second

// trace makes readable lines of BuildKit's progress: "#5 [2/3] COPY . .", then what the step prints, then how it ended.
type trace struct {
	out      func(string)
	vertices map[string]*vertex
	last     int // the number given last
	failed   *vertex
}

// vertex is one piece of BuildKit's work. It gets a number, and is announced, when there is something to say about it.
type vertex struct {
	name   string
	err    string
	number int
	ended  bool
	start  time.Time
	told   map[string]time.Time // when the progress of a transfer was told last
	lines  *lines
	output bool
}

func newTrace(out func(string)) *trace {
	return &trace{out: out, vertices: map[string]*vertex{}}
}

func (t *trace) message(m message) error {
	if m.ID != "moby.buildkit.trace" {
		return nil
	}
	var data []byte
	if err := json.Unmarshal(m.Aux, &data); err != nil {
		return fmt.Errorf("read the build's progress: %w", err)
	}
	var status control.StatusResponse
	if err := status.UnmarshalVT(data); err != nil {
		return fmt.Errorf("read the build's progress: %w", err)
	}
	t.update(&status)
	return nil
}

func (t *trace) update(r *control.StatusResponse) {
	for _, v := range r.Vertexes {
		t.started(v)
	}
	for _, s := range r.Statuses {
		t.progressed(s)
	}
	for _, l := range r.Logs {
		if v := t.vertices[l.Vertex]; v != nil {
			t.announce(v)
			v.output = true
			v.lines.write(string(l.Msg))
		}
	}
	for _, v := range r.Vertexes {
		t.completed(v)
	}
	for _, w := range r.Warnings {
		t.out("warning: " + string(w.Short))
	}
}

func (t *trace) started(v *control.Vertex) {
	have := t.vertices[v.Digest]
	if have == nil {
		have = &vertex{name: oneLine(v.Name), told: map[string]time.Time{}}
		have.lines = &lines{out: func(line string) { t.out(fmt.Sprintf("#%d %s", have.number, line)) }}
		t.vertices[v.Digest] = have
	}
	if v.Started == nil {
		return
	}
	// A step that ran before and runs again (a base image that is used twice) is told once.
	if have.start.IsZero() {
		have.start = v.Started.AsTime()
	}
	if !strings.HasPrefix(have.name, "[internal]") {
		t.announce(have)
	}
}

func (t *trace) announce(v *vertex) {
	if v.number == 0 {
		t.last++
		v.number = t.last
		t.out(fmt.Sprintf("#%d %s", v.number, v.name))
	}
}

// progressed tells how far a transfer is, when it goes on for longer than a moment.
func (t *trace) progressed(s *control.VertexStatus) {
	v := t.vertices[s.Vertex]
	if v == nil || s.Timestamp == nil || s.Completed != nil || s.Current == 0 {
		return
	}
	now, began := s.Timestamp.AsTime(), v.start
	if told, ok := v.told[s.ID]; ok {
		began = told
	} else if s.Started != nil {
		began = s.Started.AsTime()
	}
	if now.Sub(began) < progressEvery {
		return
	}
	t.announce(v)
	v.told[s.ID] = now
	what := s.ID
	if s.Name != "" {
		what = s.Name
	}
	if s.Total > 0 {
		t.out(fmt.Sprintf("#%d %s %s / %s", v.number, what, size(s.Current), size(s.Total)))
		return
	}
	t.out(fmt.Sprintf("#%d %s %s", v.number, what, size(s.Current)))
}

func (t *trace) completed(v *control.Vertex) {
	have := t.vertices[v.Digest]
	if v.Completed == nil || have.ended {
		return
	}
	have.lines.flush()
	have.ended = true
	if v.Error != "" {
		have.err = v.Error
		// What was only cancelled because another step failed is not the cause.
		if t.failed == nil && !strings.Contains(v.Error, "context canceled") {
			t.failed = have
		}
		return
	}
	switch {
	case have.number == 0:
	case v.Cached:
		t.out(fmt.Sprintf("#%d cached", have.number))
	default:
		t.out(fmt.Sprintf("#%d done %s", have.number, took(v.Started, v.Completed)))
	}
}

func (t *trace) flush() {
	for _, v := range t.vertices {
		v.lines.flush()
	}
}

var (
	frontend = regexp.MustCompile(`^(?:failed to solve(?: with frontend \S+)?: )+`)
	exitCode = regexp.MustCompile(`exit code: (\d+)`)
	// "[build 2/5] RUN x", "[2/5] RUN x", "[linux/arm64 build 2/5] RUN x"
	stepName = regexp.MustCompile(`^\[(?:\S+/\S+ )?(?:(\S+) +)?(\d+)/(\d+)\] (.*)$`)
)

func (t *trace) explain(_ int, text string) *BuildError {
	e := &BuildError{Message: frontend.ReplaceAllString(text, "")}
	if t.failed == nil {
		return e
	}
	e.Output = t.failed.output
	if m := exitCode.FindStringSubmatch(t.failed.err); m != nil {
		e.Exit, _ = strconv.Atoi(m[1])
	}
	if _, base, ok := strings.Cut(t.failed.name, "load metadata for "); ok {
		e.Step = Step{Text: "FROM " + base, Kind: BuildKit}
		e.Message = t.failed.err
	}
	if m := stepName.FindStringSubmatch(t.failed.name); m != nil {
		e.Step = Step{Text: m[4], Stage: m[1], Kind: BuildKit}
		e.Step.Index, _ = strconv.Atoi(m[2])
		e.Step.Total, _ = strconv.Atoi(m[3])
	}
	return e
}

// oneLine folds the name of a step that was written over several lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func took(from, to *timestamppb.Timestamp) string {
	if from == nil {
		return ""
	}
	return fmt.Sprintf("%.1fs", to.AsTime().Sub(from.AsTime()).Seconds())
}

// size is a number of bytes as people read it.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, names := float64(n)/unit, "kMGT"
	i := 0
	for value >= unit && i < len(names)-1 {
		value /= unit
		i++
	}
	return fmt.Sprintf("%.1f %cB", value, names[i])
}
