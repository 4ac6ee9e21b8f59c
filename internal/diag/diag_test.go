package diag_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/diag"
)

func TestText(t *testing.T) {
	unknown := &diag.Error{
		Pos: diag.Pos{File: "skaffold.yaml", Line: 14, Column: 7}, What: `unknown field "dst" in sync rule`,
		Line: "      dst: /app", Width: 3, Hint: `did you mean "dest"?`,
	}
	bare := diag.Errorf("run it again", "image %q: %w", "web", errors.New("boom"))
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing is said of no error", nil, ""},
		{"a plain error is one line", errors.New("boom"), "error: boom\n"},
		{"a fault has its line, a caret and a hint", unknown, `error: skaffold.yaml:14:7: unknown field "dst" in sync rule
  14 |       dst: /app
             ^^^
hint: did you mean "dest"?
`},
		{"a fault without a position has only the hint", bare, "error: image \"web\": boom\nhint: run it again\n"},
		{"what was wrapped around a fault stays in its line", fmt.Errorf("load: %w", bare), "error: load: image \"web\": boom\nhint: run it again\n"},
		{"every fault of a list is told", fmt.Errorf("load: %w", diag.List{bare, {What: "second"}}), "error: image \"web\": boom\nhint: run it again\nerror: second\n"},
		{"joined errors are told one by one", errors.Join(errors.New("one"), bare), "error: one\nerror: image \"web\": boom\nhint: run it again\n"},
		{"a tab in the line takes one column", &diag.Error{Pos: diag.Pos{File: "f", Line: 2, Column: 2}, What: "x", Line: "\tkey"}, "error: f:2:2: x\n  2 |  key\n       ^\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, diag.Text(tt.err)); diff != "" {
				t.Errorf("Text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExit(t *testing.T) {
	child := exec.Command("sh", "-c", "exit 42").Run()
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"success", nil, 0},
		{"what the user interrupted is no failure", fmt.Errorf("build: %w", context.Canceled), 0},
		{"any error", errors.New("x"), 1},
		{"a wrong project file", diag.WithCode(diag.CodeConfig, errors.New("x")), 1},
		{"a wrong command line", diag.WithCode(diag.CodeUsage, errors.New("x")), 127},
		{"a child process hands its code on", fmt.Errorf("hook: %w", child), 42},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := diag.Exit(tt.err); got != tt.want {
				t.Errorf("Exit(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}

func TestKindIsTheInnermostCode(t *testing.T) {
	inner := &diag.Error{What: "x", Code: diag.CodeCluster}
	for _, tt := range []struct {
		name string
		err  error
		want diag.Code
	}{
		{"nothing", nil, 0},
		{"a plain error", errors.New("x"), diag.CodeFailed},
		{"an outer code holds where the inner error has none", diag.WithCode(diag.CodeBuild, diag.Errorf("", "x")), diag.CodeBuild},
		{"an inner code wins", diag.WithCode(diag.CodeBuild, inner), diag.CodeCluster},
		{"the first of a list counts", diag.List{inner, {What: "y"}}, diag.CodeCluster},
		{"the first of joined errors counts", errors.Join(inner, errors.New("y")), diag.CodeCluster},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := diag.Kind(tt.err); got != tt.want {
				t.Errorf("Kind = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestListSortsByPlace(t *testing.T) {
	at := func(file string, line, column int) *diag.Error {
		return &diag.Error{Pos: diag.Pos{File: file, Line: line, Column: column}}
	}
	l := diag.List{at("b", 1, 1), at("a", 2, 1), at("a", 1, 9), at("a", 1, 2)}
	l.Sort()
	if diff := cmp.Diff("a:1:2: \na:1:9: \na:2:1: \nb:1:1: ", l.Error()); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestOfALongLineOnlyThePlaceIsShown(t *testing.T) {
	line := strings.Repeat("a", 1000) + "HERE" + strings.Repeat("b", 1000)
	got := diag.Text(&diag.Error{Pos: diag.Pos{File: "f", Line: 1, Column: 1001}, What: "x", Line: line, Width: 4})
	lines := strings.Split(got, "\n")
	at := strings.Index(lines[2], "^^^^")
	if shown := []rune(lines[1]); len(shown) > 250 || string(shown[at:at+4]) != "HERE" {
		t.Errorf("got\n%s", got)
	}
}

func TestOfManyFaultsTheFirstAreShown(t *testing.T) {
	var many diag.List
	for range 100_000 {
		many = append(many, &diag.Error{What: "x"})
	}
	got := diag.Text(many)
	if n := strings.Count(got, "error: x\n"); n != 50 || !strings.Contains(got, "error: and 99,950 more\nhint: ") {
		t.Errorf("%d are shown, and the end is %q", n, got[max(0, len(got)-100):])
	}
	if got := diag.Text(many[:50]); strings.Contains(got, "more") {
		t.Errorf("fifty are all, and it says %q", got[len(got)-50:])
	}
}
