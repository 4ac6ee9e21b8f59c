// Package term turns events into text: lines for people, or one JSON object per line for programs.
package term

import (
	"io"

	"github.com/skiff-dev/skiff/internal/event"
)

// Options says how the text looks. The zero value is plain text without colour.
type Options struct {
	Color       bool
	Timestamps  bool     // the time in front of every line, as --timestamps asks
	Dir         string   // the working folder: paths in it are shown without it
	StageErrors bool     // show why a stage failed; a command that ends with its failure shows it itself
	Quiet       bool     // only what the user must know: warnings, and the last lines of a build that failed
	Width       int      // of the terminal: images that are built side by side have one line each there; 0: it is no terminal
	Mute        []string // stages whose output is not shown unless they fail: "build", "deploy", "status-check", or "all"
	Prefix      string   // of log lines: "container" (also when empty), "podAndContainer", "auto", "none"; deploy.logs.prefix
	JSONFields  []string // fields of log lines that are JSON objects; deploy.logs.jsonParse
}

// Text writes what comes from sub as lines for people until the bus is closed. A writer that fails ends the writing, not the
// reading: a closed pipe must not stop a session.
func Text(sub *event.Subscription, w io.Writer, o Options) {
	p := &printer{Options: o, colors: map[string]int{}, builds: newBuilds()}
	for {
		batch, ok := sub.Next()
		if !ok {
			return
		}
		p.buf.Reset()
		p.lift()
		for _, e := range batch {
			p.print(e)
		}
		p.draw()
		if w != nil {
			if _, err := w.Write(p.buf.Bytes()); err != nil {
				w = nil
			}
		}
	}
}
