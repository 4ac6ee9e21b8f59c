package diag

import (
	"strings"
	"unicode/utf8"
)

// Source is the text of a file, for messages that quote it.
type Source struct {
	Name  string // as messages show it
	Lines []string
}

// NewSource is a file's text with the name that messages show.
func NewSource(name string, data []byte) *Source {
	return &Source{name, strings.Split(string(data), "\n")}
}

// Fault is a fault of the project file at a place of the text; width columns are marked.
func (s *Source) Fault(line, column, width int, what, hint string) *Error {
	e := &Error{Pos: Pos{File: s.Name, Line: line, Column: column}, What: what, Hint: hint, Code: CodeConfig, Width: width}
	if line > 0 && line <= len(s.Lines) {
		e.Line = strings.TrimRight(s.Lines[line-1], "\r")
	}
	if rest := utf8.RuneCountInString(e.Line) - column + 1; width > rest {
		e.Width = max(0, rest)
	}
	return e
}
