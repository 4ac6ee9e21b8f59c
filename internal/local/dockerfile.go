package local

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Recipe is a Dockerfile and how it is to be read.
type Recipe struct {
	Name    string // of the artifact
	Context string // absolute
	File    string // for messages
	Data    []byte
	Target  string
	Args    map[string]*string
}

// ReadImage follows the steps of a Dockerfile up to its target, without running any.
func ReadImage(r Recipe, host Host) (Image, error) {
	ast, err := parser.Parse(bytes.NewReader(r.Data))
	if err != nil {
		return Image{}, r.fault(err)
	}
	stages, meta, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		return Image{}, r.fault(err)
	}
	if len(stages) == 0 {
		return Image{}, r.fault(errors.New("it has no FROM"))
	}
	reader := &reader{Recipe: r, host: host, lex: shell.NewLex(ast.EscapeToken), global: map[string]string{}}
	for _, m := range meta {
		reader.declare(m.Args, reader.global, platform(host))
	}
	last := len(stages) - 1
	for i, s := range stages {
		reader.stages = append(reader.stages, reader.follow(s))
		if r.Target != "" && (strings.EqualFold(s.Name, r.Target) || strconv.Itoa(i) == r.Target) {
			last = i
		}
	}
	return reader.image(reader.stages[last]), nil
}

func (r Recipe) fault(err error) error {
	e := diag.Errorf("", "image %q: %w", r.Name, err)
	e.Pos, e.Code = diag.Pos{File: r.File}, diag.CodeBuild
	return e
}

// platform is the values that builders give without being asked; this machine is the target.
func platform(h Host) map[string]string {
	p := h.OS + "/" + h.Arch
	return map[string]string{
		"TARGETOS": h.OS, "TARGETARCH": h.Arch, "TARGETPLATFORM": p, "TARGETVARIANT": "",
		"BUILDOS": h.OS, "BUILDARCH": h.Arch, "BUILDPLATFORM": p, "BUILDVARIANT": "",
	}
}

// reader follows a Dockerfile.
type reader struct {
	Recipe
	host   Host
	lex    *shell.Lex
	global map[string]string
	stages []*stage
}

// stage is what is known of one stage so far.
type stage struct {
	name, base string
	dir        string
	env, args  map[string]string
	folders    map[string]bool
	shell      []string
	entrypoint []string
	cmd        []string
	ownCmd     bool
	user       string
	signal     string
	copies     []Copy
	compiles   []Compile
	needs      []Need
	findings   []Finding
}

// begin is a stage before its first step: new, or a copy of the one that it starts from.
func (r *reader) begin(s instructions.Stage) *stage {
	base, _ := r.expand(s.BaseName, r.global)
	if from := r.stage(base, false); from != nil {
		next := *from
		next.name, next.ownCmd = s.Name, false
		next.env, next.args, next.folders = maps.Clone(from.env), map[string]string{}, maps.Clone(from.folders)
		next.copies, next.compiles = slices.Clone(from.copies), slices.Clone(from.compiles)
		next.needs, next.findings = slices.Clone(from.needs), slices.Clone(from.findings)
		return &next
	}
	return &stage{
		name: s.Name, base: base, dir: "/", env: map[string]string{}, args: map[string]string{}, folders: map[string]bool{"/": true},
		shell: []string{"/bin/sh", "-c"},
	}
}

func (r *reader) follow(s instructions.Stage) *stage {
	st := r.begin(s)
	for _, c := range s.Commands {
		r.step(st, c)
	}
	return st
}

// step follows one step.
func (r *reader) step(st *stage, c instructions.Command) {
	switch c := c.(type) {
	case *instructions.ArgCommand:
		r.declare(c.Args, st.args, merge(platform(r.host), r.global))
	case *instructions.EnvCommand:
		before := st.vars(r.host) // all values of one step see the variables as they were
		for _, kv := range c.Env {
			st.env[kv.Key], _ = r.expand(kv.Value, before)
		}
	case *instructions.WorkdirCommand:
		dir, _ := r.expand(c.Path, st.vars(r.host))
		st.dir = join(st.dir, dir)
		st.folders[st.dir] = true
	case *instructions.CopyCommand:
		if c.From != "" {
			r.copyFrom(st, c)
			return
		}
		r.copy(st, c.SourcesAndDest, c.Parents || len(c.ExcludePatterns) > 0, false, lineOf(c))
	case *instructions.AddCommand:
		r.copy(st, c.SourcesAndDest, len(c.ExcludePatterns) > 0, true, lineOf(c))
	case *instructions.RunCommand:
		r.run(st, c)
	case *instructions.ShellCommand:
		st.shell = c.Shell
	case *instructions.EntrypointCommand:
		st.entrypoint = st.words(c.ShellDependantCmdLine)
		if !st.ownCmd {
			st.cmd = nil
		}
	case *instructions.CmdCommand:
		st.cmd, st.ownCmd = st.words(c.ShellDependantCmdLine), true
	case *instructions.UserCommand:
		st.user, _ = r.expand(c.User, st.vars(r.host))
	case *instructions.StopSignalCommand:
		st.signal = c.Signal
	}
}

// words is a command in its shell form or its exec form.
func (st *stage) words(c instructions.ShellDependantCmdLine) []string {
	if c.PrependShell {
		return append(slices.Clone(st.shell), strings.Join(c.CmdLine, " "))
	}
	return slices.Clone([]string(c.CmdLine))
}

// image is a stage as the plan wants it.
func (r *reader) image(st *stage) Image {
	i := Image{
		Name: r.Name, Context: r.Context, Base: st.base, Dir: st.dir, Env: list(st.env), Entrypoint: st.entrypoint, Cmd: st.cmd,
		User: st.user, Copies: st.copies, Compiles: st.compiles, Needs: st.needs, Findings: st.findings,
	}
	if st.signal != "" && st.signal != "SIGTERM" && st.signal != "15" {
		i.Signal = st.signal
	}
	return i
}

func (st *stage) find(level Level, line int, topic, hint, format string, args ...any) {
	text := fmt.Sprintf("Dockerfile:%d: ", line) + fmt.Sprintf(format, args...)
	st.findings = append(st.findings, Finding{Level: level, Topic: topic, Hint: hint, Text: text})
}

// vars is what a step may name. PATH of a base image is not known; this machine's takes its place.
func (st *stage) vars(h Host) map[string]string {
	all := map[string]string{"PATH": vars(h.Env)["PATH"]}
	maps.Copy(all, st.args)
	maps.Copy(all, st.env)
	return all
}

// declare gives the names of an ARG step their values: from outside, by default, or from before the first FROM.
func (r *reader) declare(list []instructions.KeyValuePairOptional, env, outer map[string]string) {
	for _, kv := range list {
		value, given := outer[kv.Key]
		if kv.Value != nil {
			value, _ = r.expand(*kv.Value, merge(outer, env))
			given = true
		}
		if v := r.Args[kv.Key]; v != nil {
			value, given = *v, true
		}
		if given {
			env[kv.Key] = value
		}
	}
}

func (r *reader) expand(word string, env map[string]string) (string, error) {
	found, err := r.lex.ProcessWordWithMatches(word, variables(env))
	return found.Result, err
}

// variables is an environment as the shell lexer wants it.
type variables map[string]string

// Get is the value of a variable.
func (v variables) Get(key string) (string, bool) { value, ok := v[key]; return value, ok }

// Keys are the names of all variables.
func (v variables) Keys() []string { return slices.Collect(maps.Keys(v)) }

// stage finds an earlier stage by its name, or by its number where that is allowed.
func (r *reader) stage(name string, number bool) *stage {
	for _, s := range slices.Backward(r.stages) {
		if s.name != "" && strings.EqualFold(s.name, name) {
			return s
		}
	}
	if i, err := strconv.Atoi(name); number && err == nil && i >= 0 && i < len(r.stages) {
		return r.stages[i]
	}
	return nil
}

func lineOf(c instructions.Command) int {
	if at := c.Location(); len(at) > 0 {
		return at[0].Start.Line
	}
	return 0
}

func merge(sets ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, s := range sets {
		maps.Copy(all, s)
	}
	return all
}
