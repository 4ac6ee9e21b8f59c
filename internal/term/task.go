package term

import (
	"context"
	"errors"
	"time"

	"github.com/skiff-dev/skiff/internal/event"
)

// task shows something that runs once; its lines have its name in front, as several may run at a time.
func (p *printer) task(at time.Time, e event.Event) {
	switch e := e.(type) {
	case event.TaskStarted:
		p.line(at, green, "Running %s [%s]: %s", taskWord(e.Task), e.Name, e.What)
	case event.TaskOutput:
		p.line(at, 0, "  [%s] %s", e.Name, e.Line)
	case event.TaskEnded:
		switch {
		case errors.Is(e.Err, context.Canceled):
			p.line(at, yellow, "Stopped [%s] after %s", e.Name, took(e.Took))
		case e.Err != nil:
			p.line(at, red, "Failed [%s] after %s", e.Name, took(e.Took))
		default:
			p.line(at, green, "Passed [%s] (%s)", e.Name, took(e.Took))
		}
	}
}

func taskWord(task string) string {
	switch task {
	case "test":
		return "the test of"
	case "verify":
		return "the verify test"
	case "exec":
		return "the container"
	}
	return "the hook"
}
