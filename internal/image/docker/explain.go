package docker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

var (
	parseLine = regexp.MustCompile(`(?i)parse error (?:on )?line (\d+): (.*)`)
	notFound  = regexp.MustCompile(`"(/[^"]*)"(?: not found)?: not found|stat ([^:]+): file does not exist|(?:COPY|ADD) failed: (?:stat )?(\S+?):? (?:no such file|file does not exist)`)
	syntax    = regexp.MustCompile(`(?i)^#\s*syntax\s*=\s*(\S+)`)
	noBase    = regexp.MustCompile(`not found|unknown|denied|does not exist|no such host|i/o timeout|connection refused|failed to do request`)
)

// explain turns the engine's failure into what, where and what to do next.
func (b *Builder) explain(r image.Request, o engine.BuildOptions, err error) error {
	var failed *engine.BuildError
	if !errors.As(err, &failed) {
		return err
	}
	e := &diag.Error{Pos: diag.Pos{File: b.shown(o.Dockerfile)}, What: strings.TrimSpace(failed.Message), Code: diag.CodeBuild, Err: failed}
	text, _ := os.ReadFile(o.Dockerfile)
	if m := parseLine.FindStringSubmatch(failed.Message); m != nil {
		e.Pos.Line, _ = strconv.Atoi(m[1])
		e.What = m[2]
		e.Line = lineOf(text, e.Pos.Line)
		return e
	}
	if failed.Step.Text == "" {
		if strings.Contains(e.What, "experimental mode") {
			e.Hint = `write "experimental": true into the engine's daemon.json, or remove docker.squash`
		}
		withoutFrontend(e, text)
		return e
	}
	e.Pos.Line = locate(o.Dockerfile, o.Args, failed.Step)
	if e.Pos.Line > 0 {
		e.Line = lineOf(text, e.Pos.Line)
	}
	describe(e, failed, o)
	return e
}

// withoutFrontend explains a build that ended before its first step: most often the frontend that the Dockerfile asks for could
// not be fetched.
func withoutFrontend(e *diag.Error, text []byte) {
	if !noBase.MatchString(e.What) {
		return
	}
	for i, line := range strings.Split(string(text), "\n") {
		m := syntax.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		e.Pos.Line, e.Line = i+1, strings.TrimRight(line, "\r")
		e.What = fmt.Sprintf("the syntax %s cannot be fetched: %s", m[1], e.What)
		e.Hint = "remove the line to build with the engine's own syntax, or make the registry reachable"
		return
	}
}

// describe says what a step failed at, in the user's words.
func describe(e *diag.Error, failed *engine.BuildError, o engine.BuildOptions) {
	keyword, rest, _ := strings.Cut(failed.Step.Text, " ")
	message := e.What
	switch {
	case failed.Exit != 0:
		e.What = fmt.Sprintf("%q exited with %d", command(keyword, rest), failed.Exit)
		if failed.Output {
			e.What += " (its last lines are above)"
		}
	case strings.EqualFold(keyword, "COPY") || strings.EqualFold(keyword, "ADD"):
		if name := missing(message); name != "" {
			e.What = fmt.Sprintf("%s: %q is not in the build context", failed.Step.Text, name)
			e.Hint = whyMissing(o, name)
			return
		}
		e.What = failed.Step.Text + ": " + message
	case strings.EqualFold(keyword, "FROM"):
		e.What = failed.Step.Text + ": " + message
		if noBase.MatchString(message) {
			e.Hint = "check the image's name and that its registry can be reached; docker login where it is private"
		}
	default:
		e.What = failed.Step.Text + ": " + message
	}
}

// command is what a step runs: of RUN without its flags.
func command(keyword, rest string) string {
	if !strings.EqualFold(keyword, "RUN") {
		return keyword + " " + rest
	}
	for strings.HasPrefix(rest, "--") {
		_, rest, _ = strings.Cut(rest, " ")
	}
	return rest
}

// missing is the path, relative to the context, that a COPY did not find.
func missing(message string) string {
	m := notFound.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	name := m[1] + m[2] + m[3]
	// The classic builder names its own temporary folder before the path.
	if i := strings.Index(name, "/docker-builder"); i >= 0 {
		_, name, _ = strings.Cut(name[i+1:], "/")
	}
	return strings.TrimPrefix(name, "/")
}

func whyMissing(o engine.BuildOptions, name string) string {
	file := ignoreFile(o.Context, o.Dockerfile)
	ignore, err := readIgnore(file)
	there := exists(filepath.Join(o.Context, filepath.FromSlash(name)))
	if err == nil && there && ignore.Match(name) {
		return fmt.Sprintf("%s leaves it out: add \"!%s\" there", filepath.Base(file), name)
	}
	if there {
		return ""
	}
	return "the path is relative to the artifact's context, " + o.Context
}

// locate is the line of the step in the Dockerfile, 0 when it cannot be told.
func locate(file string, args map[string]*string, step engine.Step) int {
	r, err := readRecipe(file, args)
	if err != nil {
		return 0
	}
	if step.Kind == engine.Classic {
		return r.nth(step.Index, file)
	}
	if base, ok := strings.CutPrefix(step.Text, "FROM "); ok && step.Index == 0 {
		return r.from(base)
	}
	candidates := r.stages
	if step.Stage != "" {
		i, ok := r.stage(step.Stage, len(r.stages))
		if n, isNumber := strings.CutPrefix(step.Stage, "stage-"); !ok && isNumber {
			i, err = strconv.Atoi(n)
			ok = err == nil && i < len(r.stages)
		}
		if !ok {
			return 0
		}
		candidates = r.stages[i : i+1]
	}
	for _, s := range candidates {
		if line := inStage(s, step); line > 0 {
			return line
		}
	}
	return 0
}

// from is the line of the FROM that names an image, which the builder spells in full.
func (r *recipe) from(base string) int {
	for _, s := range r.stages {
		name, _ := r.expand(s.BaseName, r.global)
		if name != "" && (base == name || strings.HasSuffix(base, "/"+name) || strings.HasSuffix(base, "/"+name+":latest")) {
			return first(s.Location)
		}
	}
	return 0
}

// inStage finds the step in its stage: by its number, if that is a step of the same kind, else by its text.
func inStage(s instructions.Stage, step engine.Step) int {
	if step.Index == 1 && strings.HasPrefix(step.Text, "FROM") {
		return first(s.Location)
	}
	index, byText := 1, 0
	for _, c := range s.Commands {
		if !counted(c) {
			continue
		}
		index++
		same := strings.EqualFold(c.Name(), keyword(step.Text))
		if same && index == step.Index {
			return first(c.Location())
		}
		if same && byText == 0 && strings.Join(strings.Fields(fmt.Sprint(c)), " ") == step.Text {
			byText = first(c.Location())
		}
	}
	return byText
}

// counted says whether BuildKit counts the step: those that change files.
func counted(c instructions.Command) bool {
	switch c.(type) {
	case *instructions.RunCommand, *instructions.CopyCommand, *instructions.AddCommand, *instructions.WorkdirCommand:
		return true
	}
	return false
}

// nth is the line of the nth instruction, which is how the classic builder counts.
func (r *recipe) nth(n int, file string) int {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	ast, err := parser.Parse(f)
	if err != nil || n < 1 || n > len(ast.AST.Children) {
		return 0
	}
	return ast.AST.Children[n-1].StartLine
}

func keyword(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

func first(at []parser.Range) int {
	if len(at) == 0 {
		return 0
	}
	return at[0].Start.Line
}

func lineOf(text []byte, n int) string {
	lines := strings.Split(string(text), "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return strings.TrimRight(lines[n-1], "\r")
}

// explainPush gives a failed push a next step.
func explainPush(ref string, err error) error {
	host, _, _ := strings.Cut(ref, "/")
	e := &diag.Error{What: err.Error(), Code: diag.CodeBuild, Err: err}
	text := strings.ToLower(err.Error())
	switch {
	case diag.Kind(err) == diag.CodeCluster:
		return err
	case strings.Contains(text, "connection refused"), strings.Contains(text, "no such host"), strings.Contains(text, "i/o timeout"):
		e.Code = diag.CodeCluster
		e.Hint = "start the registry, or name another one with --default-repo"
	case strings.Contains(text, "denied"), strings.Contains(text, "unauthorized"), strings.Contains(text, "no basic auth"):
		e.Hint = fmt.Sprintf("docker login %s, or name a registry that you may push to with --default-repo", host)
	case strings.Contains(text, "http response to https client"):
		e.Hint = fmt.Sprintf("add %q to \"insecure-registries\" of the engine's daemon.json", host)
	default:
		return err
	}
	return e
}
