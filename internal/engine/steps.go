package engine

import (
	"regexp"
	"strconv"
	"strings"
)

// steps passes on what the classic builder prints, and remembers the step it is at.
type steps struct {
	lines *lines
	at    Step
	// printed says that the step has printed something of its own.
	printed bool
}

// "Step 3/7 : RUN npm ci"
var stepLine = regexp.MustCompile(`^Step (\d+)/(\d+) : (.*)$`)

func newSteps(out func(string)) *steps {
	s := &steps{}
	s.lines = &lines{out: func(line string) {
		s.see(line)
		if line != "" {
			out(line)
		}
	}}
	return s
}

func (s *steps) see(line string) {
	m := stepLine.FindStringSubmatch(line)
	if m == nil {
		s.printed = s.printed || (line != "" && !strings.HasPrefix(line, " ---> "))
		return
	}
	s.at, s.printed = Step{Text: oneLine(m[3]), Kind: Classic}, false
	s.at.Index, _ = strconv.Atoi(m[1])
	s.at.Total, _ = strconv.Atoi(m[2])
}

func (s *steps) message(m message) error {
	if m.Stream != "" {
		s.lines.write(m.Stream)
		return nil
	}
	if line := statusLine(m); line != "" {
		s.lines.write(line + "\n")
	}
	return nil
}

func (s *steps) flush() { s.lines.flush() }

func (s *steps) explain(code int, text string) *BuildError {
	return &BuildError{Step: s.at, Exit: code, Message: text, Output: s.printed}
}

// statusLine is a message of a pull or a push as a line, empty for those that only draw a bar.
func statusLine(m message) string {
	switch {
	case strings.HasPrefix(m.Status, "Pulling from"), strings.HasPrefix(m.Status, "The push refers"),
		strings.HasPrefix(m.Status, "Status:"), strings.Contains(m.Status, "igest: sha256:"):
		return m.Status
	case m.Status == "Pushed", m.Status == "Pull complete":
		return m.ID + ": " + m.Status
	}
	return ""
}
