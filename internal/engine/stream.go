package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/api/types/jsonstream"

	"github.com/skiff-dev/skiff/internal/diag"
)

// message is one line of the engine's answer to a build or a push.

type message struct {
	Stream   string            `json:"stream"`
	Status   string            `json:"status"`
	ID       string            `json:"id"`
	Progress *json.RawMessage  `json:"progressDetail"`
	Error    *jsonstream.Error `json:"errorDetail"`
	Aux      json.RawMessage   `json:"aux"`
}

// imageID is the ID of the image that was built, if this message tells it: BuildKit marks it, the classic builder does not.
func (m message) imageID() string {
	if len(m.Aux) == 0 || (m.ID != "" && m.ID != "moby.image.id") {
		return ""
	}
	var aux struct{ ID string }
	if json.Unmarshal(m.Aux, &aux) != nil {
		return ""
	}
	return aux.ID
}

// readMessages calls fn for each message until the stream ends or fn fails.
func readMessages(r io.Reader, fn func(message) error) error {
	d := json.NewDecoder(r)
	for {
		var m message
		if err := d.Decode(&m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return cutOff(err)
		}
		if err := fn(m); err != nil {
			return err
		}
	}
}

// cutOff is an answer that ended in its middle: the engine was stopped, or the way to it was.
func cutOff(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &diag.Error{
		What: fmt.Sprintf("the connection to the Docker engine was lost: %v", err),
		Hint: "see whether the engine still runs, and try again", Code: diag.CodeCluster, Err: err,
	}
}

// lines cuts a stream of text into lines; a carriage return starts a line anew, as on a terminal.
type lines struct {
	rest string
	out  func(string)
}

func (l *lines) write(text string) {
	l.rest += text
	for {
		i := strings.IndexByte(l.rest, '\n')
		if i < 0 {
			return
		}
		l.emit(l.rest[:i])
		l.rest = l.rest[i+1:]
	}
}

func (l *lines) flush() {
	if l.rest != "" {
		l.emit(l.rest)
		l.rest = ""
	}
}

func (l *lines) emit(line string) {
	line = strings.TrimRight(line, "\r")
	if i := strings.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	l.out(line)
}
