package term

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

type printer struct {
	Options
	buf    bytes.Buffer
	colors map[string]int // prefix of a log line -> its colour
	builds builds         // what they print, and those that run
	home   string         // the session's namespace, which need not be named again
}

const (
	red    = 31
	green  = 32
	yellow = 33
	blue   = 34
	gray   = 90
)

// logColors are the colours of log prefixes, one per container name in the order of their first line.
var logColors = [...]int{36, 35, 32, 33, 34, 96, 95, 92, 93, 94}

func (p *printer) print(s event.Stamped) {
	if p.Quiet && !telling(s.Event) {
		return
	}
	switch e := s.Event.(type) {
	case event.Session:
		p.session(s.Time, e)
	case event.StageStarted:
		p.stageStarted(s.Time, e)
	case event.StageEnded:
		p.stageEnded(s.Time, e)
	case event.Tagged:
		p.builds.tagged++
		p.line(s.Time, 0, " - %s -> %s", e.Image, e.Ref)
	case event.BuildStarted:
		p.buildStarted(s.Time, e)
	case event.BuildOutput:
		p.buildOutput(s.Time, e)
	case event.BuildEnded:
		p.buildEnded(s.Time, e)
	case event.Applied:
		if !p.muted("deploy") {
			p.line(s.Time, 0, " - %s %s", p.placed(e.Object, e.Namespace), e.Action)
		}
	case event.Planned:
		p.planned(s.Time, e)
	case event.Waiting:
		if !p.muted("status-check") {
			p.line(s.Time, yellow, " - %s: %s (%s)", e.Object, e.Reason, took(e.Since))
		}
	case event.Ready:
		if !p.muted("status-check") {
			p.line(s.Time, 0, " - %s is ready (%s)", e.Object, took(e.Took))
		}
	case event.TaskStarted, event.TaskOutput, event.TaskEnded:
		p.task(s.Time, e)
	case event.Forward:
		p.forward(s.Time, e)
	case event.Log:
		p.log(s.Time, e)
	case event.Changed:
		p.changed(s.Time, e)
	case event.Synced:
		p.synced(s.Time, e)
	case event.Watching:
		p.line(s.Time, yellow, "Watching for changes...")
	case event.Owed:
		p.line(s.Time, yellow, "Waiting for Enter to %s", strings.Join(e.Plan, ", "))
	case event.Failed:
		p.failure(s.Time, e.Err)
	case event.Note:
		color := 0
		if e.Warn {
			color = yellow
		}
		p.line(s.Time, color, "%s", e.Text)
	}
}

func (p *printer) session(at time.Time, e event.Session) {
	p.home = e.Namespace
	if e.Target == "cluster" {
		p.line(at, green, "Target: cluster, context %s, namespace %s (%s)", e.Context, e.Namespace, e.Why)
	} else {
		p.line(at, green, "Target: %s (%s)", e.Target, e.Why)
	}
	if e.Registry != "" {
		p.line(at, 0, "Images go to %s", e.Registry)
	}
}

func (p *printer) stageStarted(at time.Time, e event.StageStarted) {
	text := map[event.Stage]string{
		event.Tag: "Generating tags...", event.Test: "Testing images...", event.Deploy: "Deploying...",
		event.Status: "Waiting until everything runs...", event.Cleanup: "Cleaning up...",
	}[e.Stage]
	if text != "" {
		p.line(at, green, "%s", text)
	}
}

func (p *printer) stageEnded(at time.Time, e event.StageEnded) {
	if e.Stage == event.Build {
		p.buildsEnded(at)
	}
	switch {
	case errors.Is(e.Err, context.Canceled):
	case e.Err != nil && p.StageErrors:
		p.failure(at, e.Err)
	case e.Err == nil && e.Stage == event.Status:
		p.line(at, green, "Everything runs (%s)", took(e.Took))
	}
}

// planned shows a change as every reader of patches knows it.
func (p *printer) planned(at time.Time, e event.Planned) {
	p.line(at, blue, "%s %s", e.Action, p.placed(e.Object, e.Namespace))
	for line := range strings.Lines(e.Diff) {
		color := gray
		switch line[0] {
		case '+':
			color = green
		case '-':
			color = red
		}
		p.line(at, color, "  %s", strings.TrimRight(line, "\n"))
	}
}

func (p *printer) forward(at time.Time, e event.Forward) {
	if e.Err != nil {
		p.failure(at, e.Err)
		return
	}
	p.line(at, green, "Port forwarding %s, remote port %d -> http://%s:%d", inNamespace(e.Resource, e.Namespace), e.RemotePort, e.Address, e.LocalPort)
}

func (p *printer) changed(at time.Time, e event.Changed) {
	if len(e.Plan) == 0 {
		return
	}
	p.line(at, blue, "Changed: %s", some(e.Paths, 3))
	for _, action := range e.Plan {
		p.line(at, 0, " - %s", action)
	}
}

func (p *printer) synced(at time.Time, e event.Synced) {
	where := fmt.Sprintf("pod/%s, container %s", e.Pod, e.Container)
	if e.Err != nil {
		p.failure(at, fmt.Errorf("sync to %s: %w", where, e.Err))
		return
	}
	var parts []string
	if len(e.Copied) > 0 {
		parts = append(parts, "copied "+some(e.Copied, 3))
	}
	if len(e.Deleted) > 0 {
		parts = append(parts, "deleted "+some(e.Deleted, 3))
	}
	if len(parts) == 0 {
		return
	}
	again := ""
	if e.Replay {
		again = " again, for it is new"
	}
	p.line(at, green, "Synced to %s%s: %s in %s", where, again, strings.Join(parts, ", "), took(e.Took))
}

// failure is an error with its hint, every line of it in the terminal's red.
func (p *printer) failure(at time.Time, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	for line := range strings.Lines(Failure(err, p.Dir)) {
		p.line(at, red, "%s", strings.TrimRight(line, "\n"))
	}
}

// Failure is an error as diag.Text has it, with paths in dir as a user there would type them.
func Failure(err error, dir string) string {
	text := diag.Text(err)
	if len(dir) < 2 {
		return text
	}
	return strings.ReplaceAll(text, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator), "")
}

func (p *printer) log(at time.Time, e event.Log) {
	line := p.parsed(e.Line)
	name := e.Container
	switch p.Prefix {
	case "none":
		p.line(at, 0, "%s", line)
		return
	case "podAndContainer":
		name = e.Pod + " " + e.Container
	case "auto":
		if e.Pod != e.Container {
			name = e.Pod + " " + e.Container
		}
	}
	p.stamp(at)
	if !p.Color {
		fmt.Fprintf(&p.buf, "[%s] %s\n", name, line)
		return
	}
	color, seen := p.colors[e.Container]
	if !seen {
		color = logColors[len(p.colors)%len(logColors)]
		p.colors[e.Container] = color
	}
	fmt.Fprintf(&p.buf, "\x1b[%dm[%s]\x1b[0m %s\n", color, name, line)
}

// parsed shows only the wanted fields of a log line that is a JSON object, as deploy.logs.jsonParse asks.
func (p *printer) parsed(line string) string {
	if len(p.JSONFields) == 0 || !strings.HasPrefix(strings.TrimSpace(line), "{") {
		return line
	}
	var object map[string]any
	if json.Unmarshal([]byte(line), &object) != nil {
		return line
	}
	var parts []string
	for _, field := range p.JSONFields {
		if v, ok := object[field]; ok {
			parts = append(parts, fmt.Sprintf("%s: %v", field, v))
		}
	}
	if len(parts) == 0 {
		return line
	}
	return strings.Join(parts, ", ")
}

func (p *printer) line(at time.Time, color int, format string, args ...any) {
	p.stamp(at)
	if p.Color && color != 0 {
		fmt.Fprintf(&p.buf, "\x1b[%dm", color)
		fmt.Fprintf(&p.buf, format, args...)
		p.buf.WriteString("\x1b[0m\n")
		return
	}
	fmt.Fprintf(&p.buf, format, args...)
	p.buf.WriteByte('\n')
}

func (p *printer) stamp(at time.Time) {
	if p.Timestamps {
		p.buf.WriteString(at.Format("15:04:05.000 "))
	}
}

func (p *printer) muted(stage string) bool {
	return slices.Contains(p.Mute, stage) || slices.Contains(p.Mute, "all")
}

// placed names an object's namespace where that is not the session's own.
func (p *printer) placed(object, namespace string) string {
	if namespace == p.home {
		return object
	}
	return inNamespace(object, namespace)
}

func inNamespace(object, namespace string) string {
	if namespace == "" {
		return object
	}
	return object + " in namespace " + namespace
}

// some is the first n names, and how many more there are.
func some(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// took is a duration with three digits at the most: "9 ms", "1.24 s", "2m10s".
func took(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
