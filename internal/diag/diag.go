// Package diag says what failed, where in which file, and what to do next: an error goes in, the text a user can act on comes out.
package diag

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Pos is a place in a file. Line and Column count from 1; 0 means unknown.
type Pos struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String is file:line:column, without the parts that are unknown.
func (p Pos) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			s += fmt.Sprintf(":%d", p.Column)
		}
	}
	return s
}

// Code is the kind of a failure. docs/errors.md lists them all, with the exit code of each.
type Code int

// The kinds of failures. An error without one is CodeFailed.
const (
	CodeFailed  Code = iota + 1 // the work failed
	CodeUsage                   // the command line is wrong
	CodeConfig                  // the project file is wrong
	CodeBuild                   // an image could not be built or pushed
	CodeDeploy                  // an object could not be rendered or applied
	CodeReady                   // what was deployed did not become ready
	CodeCluster                 // the cluster, the engine or the registry does not answer
)

// String is the kind's name in machine output.
func (c Code) String() string {
	names := []string{"", "failed", "usage", "config", "build", "deploy", "ready", "cluster"}
	if c <= 0 || int(c) >= len(names) {
		return "failed"
	}
	return names[c]
}

// MarshalText is the name, for JSON.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Error is what a user must act on: what is wrong, where, and the next step.
type Error struct {
	Pos   Pos    `json:"pos,omitzero"`
	What  string `json:"what"`           // one line, lower case, no full stop
	Line  string `json:"line,omitempty"` // the line of the file that Pos names, without its newline
	Width int    `json:"-"`              // how many columns the caret line marks; 0 draws one
	Hint  string `json:"hint,omitempty"` // a command or an edit
	Code  Code   `json:"code,omitempty"` // 0 leaves the choice to an outer error
	Err   error  `json:"-"`              // the cause; its text is not repeated, What says it
}

// Error is the position and what is wrong, on one line.
func (e *Error) Error() string {
	if at := e.Pos.String(); at != "" {
		return at + ": " + e.What
	}
	return e.What
}

// Unwrap is the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Errorf is an Error without a position: hint is the next step, the rest as in fmt.Errorf (%w keeps the cause).
func Errorf(hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{What: err.Error(), Hint: hint, Err: errors.Unwrap(err)}
}

// WithCode is err with a kind that holds unless an error inside names one of its own. A nil err stays nil.
func WithCode(code Code, err error) error {
	if err == nil {
		return nil
	}
	return &coded{code, err}
}

type coded struct {
	code Code
	err  error
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }

// Exit is the exit code of a process that ends with err, the same as Skaffold's: 0 for nil and for work that the user
// interrupted, 127 for a wrong command line, the code of a child process that failed, and else 1.
func Exit(err error) int {
	if err == nil || errors.Is(err, context.Canceled) {
		return 0
	}
	if Kind(err) == CodeUsage {
		return 127
	}
	var child interface{ ExitCode() int }
	if errors.As(err, &child) {
		// A child that a signal ended has code -1, which a shell shows as 255.
		return child.ExitCode() & 0xff
	}
	return 1
}

// Kind is the innermost code in err, CodeFailed where there is none, and 0 for nil.
func Kind(err error) Code {
	if err == nil {
		return 0
	}
	code := CodeFailed
	for err != nil {
		switch e := err.(type) {
		case *coded:
			code = e.code
		case *Error:
			if e.Code != 0 {
				code = e.Code
			}
		case List:
			if len(e) > 0 && e[0].Code != 0 {
				code = e[0].Code
			}
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			if errs := many.Unwrap(); len(errs) > 0 {
				err = errs[0]
				continue
			}
			break
		}
		err = errors.Unwrap(err)
	}
	return code
}

// List is all the faults of one input, reported together.
type List []*Error

// Error is one line per fault.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap is every fault, for errors.Is and errors.As.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Sort orders the faults by file, line and column.
func (l List) Sort() {
	sort.SliceStable(l, func(i, j int) bool {
		a, b := l[i].Pos, l[j].Pos
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
}

// Err is the list as an error, nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// mostShown is how many faults Text shows: nobody reads more, and one cause may have made them all.
const mostShown = 50

// thousands is a number with a comma between its groups of digits.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// Text is an error as a user reads it: "error: …", the line with a caret where there is one, "hint: …" where there
// is one; every fault of a List, and every error that was joined, one after the other, up to a limit. It ends with a newline.
func Text(err error) string {
	var b strings.Builder
	all := flatten(err)
	for _, e := range all[:min(len(all), mostShown)] {
		writeOne(&b, e)
	}
	if more := len(all) - mostShown; more > 0 {
		fmt.Fprintf(&b, "error: and %s more\nhint: correct these %d first; \"--format=json\" shows all of them\n", thousands(more), mostShown)
	}
	return b.String()
}

// All is every fault inside err as an Error: a List is opened, an error that is no Error becomes one with its text.
func All(err error) List {
	var l List
	for _, e := range flatten(err) {
		l = append(l, e.asError())
	}
	return l
}

// fault is one thing to report: the text around an Error ("load x: …") and the Error itself, if there is one.
type fault struct {
	text string
	e    *Error
}

func (f fault) asError() *Error {
	if f.e == nil {
		return &Error{What: f.text}
	}
	return f.e
}

func flatten(err error) []fault {
	if err == nil {
		return nil
	}
	if l, ok := err.(List); ok {
		var all []fault
		for _, e := range l {
			all = append(all, fault{e.Error(), e})
		}
		return all
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		if errs := many.Unwrap(); len(errs) > 0 {
			var all []fault
			for _, e := range errs {
				all = append(all, flatten(e)...)
			}
			return all
		}
	}
	var l List
	if errors.As(err, &l) {
		return flatten(l)
	}
	var e *Error
	errors.As(err, &e)
	return []fault{{err.Error(), e}}
}

func writeOne(b *strings.Builder, f fault) {
	fmt.Fprintf(b, "error: %s\n", strings.TrimRight(f.text, "\n"))
	if f.e == nil {
		return
	}
	if f.e.Line != "" && f.e.Pos.Line > 0 {
		number := fmt.Sprint(f.e.Pos.Line)
		line, column, width := f.e.excerpt()
		fmt.Fprintf(b, "  %s | %s\n", number, strings.ReplaceAll(line, "\t", " "))
		if column > 0 {
			indent := strings.Repeat(" ", 2+len(number)+3+column-1)
			fmt.Fprintf(b, "%s%s\n", indent, strings.Repeat("^", width))
		}
	}
	if f.e.Hint != "" {
		fmt.Fprintf(b, "hint: %s\n", f.e.Hint)
	}
}

// excerpt is the line with the column and the width to mark. Of a very long line it is the part around the place.
func (e *Error) excerpt() (line string, column, width int) {
	const before, most = 60, 200
	runes := []rune(e.Line)
	column, width = e.Pos.Column, max(1, e.Width)
	if len(runes) <= most {
		return e.Line, column, width
	}
	from := min(max(0, column-1-before), len(runes))
	if from > 0 {
		runes, column = append([]rune{'…'}, runes[from:]...), column-from+1
	}
	if len(runes) > most {
		runes = append(runes[:most:most], '…')
	}
	return string(runes), column, min(width, max(1, most-column))
}
