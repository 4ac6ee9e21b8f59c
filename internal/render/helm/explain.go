package helm

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// file is where a template of the chart lies: its folder is called otherwise in the chart itself.
func (r *release) file(name string) string {
	_, rest, ok := strings.Cut(name, "/")
	if r.chartPath == "" || !ok || strings.HasSuffix(r.chartPath, ".tgz") {
		return name
	}
	return filepath.Join(r.chartPath, rest)
}

var (
	place    = regexp.MustCompile(`([^\s:()]+/[^\s:()]+\.\w+):(\d+)(?::(\d+))?`)
	inner    = regexp.MustCompile(`(?s).*(?:error calling \w+:|executing "[^"]*" at <[^>]*>:)\s`)
	yamlLine = regexp.MustCompile(`line (\d+)`)
)

// explain gives an error of helm's the place in the chart that it is about, and says it once: a template that includes
// others is named by each of them.
func (r *release) explain(err error) error {
	if all := diag.All(err); len(all) > 0 && (all[0].Hint != "" || all[0].Pos.File != "") {
		return diag.WithCode(diag.CodeDeploy, err)
	}
	text := err.Error()
	e := &diag.Error{Code: diag.CodeDeploy, Err: err}
	switch all := place.FindAllStringSubmatch(text, -1); {
	case len(all) > 0:
		m := all[len(all)-1]
		e.Pos = diag.Pos{File: r.file(m[1])}
		e.Pos.Line, _ = strconv.Atoi(m[2])
		e.Pos.Column, _ = strconv.Atoi(m[3])
		what := inner.ReplaceAllString(text, "")
		if i := strings.LastIndex(what, m[0]); i >= 0 {
			what = strings.TrimLeft(what[i+len(m[0]):], "): \n")
		}
		e.What, e.Hint = oneLine(what), "correct the template, or give the value that it needs under setValues or valuesFiles"
	case strings.Contains(text, "don't meet the specifications"):
		_, rest, _ := strings.Cut(text, "):\n")
		e.What, e.Hint = fmt.Sprintf("the values of release %s are not as the chart's values.schema.json says: %s", r.name, oneLine(rest)), "correct the values"
	case strings.Contains(text, "Chart.yaml file is missing"):
		e.Pos, e.What, e.Hint = diag.Pos{File: r.chartPath}, "there is no Chart.yaml, so this is no chart", "correct chartPath"
	default:
		e.What, e.Hint = fmt.Sprintf("release %s: %s", r.name, oneLine(text)), "correct the chart, or its values"
	}
	return e
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// broken is what a template made that is no manifest: its line is quoted, since nobody sees the result.
func broken(file, text string, err error) error {
	e := *diag.All(err)[0]
	out := &diag.Error{Pos: diag.Pos{File: file}, What: "the template makes no manifest: " + e.What, Code: diag.CodeDeploy, Hint: "correct the template; skiff quotes the line that it made"}
	lines := strings.Split(text, "\n")
	line := e.Pos.Line
	if m := yamlLine.FindStringSubmatch(e.What); line == 0 && m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	if line > 0 && line <= len(lines) {
		out.What += fmt.Sprintf(": %q", strings.TrimSpace(lines[line-1]))
	}
	return out
}

func brokenValues(file, data string, err error) error {
	e := &diag.Error{Pos: diag.Pos{File: file}, What: "no YAML: " + oneLine(err.Error()), Hint: "correct the values file", Code: diag.CodeDeploy}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Pos.Line, _ = strconv.Atoi(m[1])
		if lines := strings.Split(data, "\n"); e.Pos.Line > 0 && e.Pos.Line <= len(lines) {
			e.Line = lines[e.Pos.Line-1]
		}
	}
	return e
}
