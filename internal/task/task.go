// Package task runs what runs once beside the line: image tests, verify tests, custom actions and lifecycle hooks go in; what they
// print, and how they ended, come out.
package task

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Runner is what tasks are run with. Only what a task needs is asked for: without a container nobody connects to an engine.
type Runner struct {
	Guard   *proc.Guard
	Environ []string // of the session, NAME=value
	Dir     string   // the working folder of commands that name none; absolute

	Templates func(ctx context.Context) config.Templates // for fields that have them

	Engine  func(ctx context.Context) (*engine.Engine, error)
	Cluster func(ctx context.Context) (*kube.Cluster, error)

	RunID   string            // marks the networks, containers and Jobs of this session
	Images  map[string]string // by the name in the project file: the reference that stands for it
	EnvFile []string          // NAME=value for every container of verify and exec; --env-file
	Network string            // the engine's network for containers; empty: one is made; --docker-network
	Ports   func(container, image string) []engine.Port
	Sink    event.Sink
}

// The kinds of tasks, as events name them.
const (
	Test   = "test"
	Verify = "verify"
	Action = "exec"
	Hook   = "hook"
)

// hookGrace is how long a hook gets between the interrupt and its end by force, as in Skaffold.
const hookGrace = 2 * time.Second

// cleanTime is how long taking away what a task left may last after the task was interrupted.
const cleanTime = 15 * time.Second

// cleaning is a context for taking things away: it outlives an interrupt, but not for ever.
func cleaning(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
}

// tell frames a task with its events.
func (r *Runner) tell(task, name, what string, work func(out *lines) error) error {
	start := time.Now()
	r.Sink.Send(event.TaskStarted{Task: task, Name: name, What: what})
	out := &lines{to: func(text string) { r.Sink.Send(event.TaskOutput{Task: task, Name: name, Line: text}) }}
	err := work(out)
	out.flush()
	r.Sink.Send(event.TaskEnded{Task: task, Name: name, Took: time.Since(start), Err: err})
	return err
}

// reference is the image that a name in the project file stands for.
func (r *Runner) reference(image string) string {
	if ref, ok := r.Images[image]; ok {
		return ref
	}
	return image
}

// lines is a writer that hands on whole lines. Standard output and standard error of a container may share one.
type lines struct {
	mu   sync.Mutex
	part bytes.Buffer
	to   func(text string)
}

// Write takes the next piece.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			l.part.Write(rest)
			break
		}
		l.part.Write(rest[:i])
		l.line()
		rest = rest[i+1:]
	}
	return len(p), nil
}

// say hands on a line that does not come from the task itself.
func (l *lines) say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to(text)
}

func (l *lines) line() {
	l.to(strings.TrimRight(l.part.String(), "\r"))
	l.part.Reset()
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.part.Len() > 0 {
		l.line()
	}
}

// path is a path of the project file: relative ones start from the working folder.
func (r *Runner) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.Dir, name)
}

func (r *Runner) warn(err error) { r.Sink.Send(event.Note{Warn: true, Text: err.Error()}) }

// cut takes NAME=value apart.
func cut(pair string) (name, value string) {
	name, value, _ = strings.Cut(pair, "=")
	return name, value
}
