package docker

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// recipe is a Dockerfile as far as it matters here: its stages, and which words its ARG and ENV steps give a value.
type recipe struct {
	stages []instructions.Stage
	global map[string]string // ARG before the first FROM
	args   map[string]*string
	lex    *shell.Lex
	named  map[string]bool // every name that some ARG declares
}

// readRecipe parses a Dockerfile; args are values for its ARG steps.
func readRecipe(file string, args map[string]*string) (*recipe, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	ast, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	stages, meta, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		return nil, err
	}
	r := &recipe{stages: stages, global: map[string]string{}, args: args, lex: shell.NewLex(ast.EscapeToken), named: map[string]bool{}}
	for _, m := range meta {
		r.declare(m.Args, r.global, nil)
	}
	for _, s := range stages {
		for _, c := range s.Commands {
			switch c := c.(type) {
			case *instructions.ArgCommand:
				for _, kv := range c.Args {
					r.named[kv.Key] = true
				}
			case *instructions.RunCommand:
				// Mounts are read when the step is expanded. Variables stay for now; where that is no value for a field, the
				// mount is left without a type and a source, which counts as one of the whole context.
				_ = c.Expand(func(word string) (string, error) { return word, nil })
			}
		}
	}
	return r, nil
}

// declares says whether some ARG step has the name.
func (r *recipe) declares(name string) bool { return r != nil && r.named[name] }

// declare gives the names of an ARG step their values: from outside, by default, or from the ARG of the same name before FROM.
func (r *recipe) declare(list []instructions.KeyValuePairOptional, env, outer map[string]string) {
	for _, kv := range list {
		r.named[kv.Key] = true
		if v := r.args[kv.Key]; v != nil {
			env[kv.Key] = *v
			continue
		}
		if kv.Value != nil {
			if v, known := r.expand(*kv.Value, env); known {
				env[kv.Key] = v
			}
			continue
		}
		if v, ok := outer[kv.Key]; ok {
			env[kv.Key] = v
		}
	}
}

// expand puts variables into a word; known is false when one of them has no value that can be told from the Dockerfile.
func (r *recipe) expand(word string, env map[string]string) (value string, known bool) {
	res, err := r.lex.ProcessWordWithMatches(word, words(env))
	return res.Result, err == nil && len(res.Unmatched) == 0
}

// words is an environment as the shell lexer wants it.
type words map[string]string

// Get is the value of a variable.
func (w words) Get(key string) (string, bool) { v, ok := w[key]; return v, ok }

// Keys are the names of all variables.
func (w words) Keys() []string {
	var keys []string
	for k := range w {
		keys = append(keys, k)
	}
	return keys
}

// needed are the stages that the target is made from, and the target: the last stage unless another one is named.
func (r *recipe) needed(target string) []int {
	last := len(r.stages) - 1
	if target != "" {
		if i, ok := r.stage(target, len(r.stages)); ok {
			last = i
		}
	}
	seen := map[int]bool{}
	r.reach(last, seen)
	var list []int
	for i := range r.stages {
		if seen[i] {
			list = append(list, i)
		}
	}
	return list
}

func (r *recipe) reach(i int, seen map[int]bool) {
	if i < 0 || seen[i] {
		return
	}
	seen[i] = true
	if base, ok := r.base(i); ok {
		r.reach(base, seen)
	}
	for _, name := range r.sourcesOf(i) {
		if from, ok := r.stage(name, i); ok {
			r.reach(from, seen)
		}
	}
}

// base is the stage of this file that a stage starts from, if it is one.
func (r *recipe) base(i int) (int, bool) {
	name, _ := r.expand(r.stages[i].BaseName, r.global)
	// A number is no stage here: FROM 0 is an image of that name.
	return r.byName(name, i)
}

// sourcesOf are the stages and images that a stage copies from or mounts.
func (r *recipe) sourcesOf(i int) []string {
	var names []string
	for _, c := range r.stages[i].Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			names = append(names, c.From)
		case *instructions.RunCommand:
			for _, m := range instructions.GetMounts(c) {
				names = append(names, m.From)
			}
		}
	}
	return names
}

// stage finds a stage before end by name or number.
func (r *recipe) stage(name string, end int) (int, bool) {
	if name == "" {
		return 0, false
	}
	if i, ok := r.byName(name, end); ok {
		return i, true
	}
	i, err := strconv.Atoi(name)
	return i, err == nil && i >= 0 && i < end
}

func (r *recipe) byName(name string, end int) (int, bool) {
	for i := end - 1; i >= 0; i-- {
		if r.stages[i].Name != "" && strings.EqualFold(r.stages[i].Name, name) {
			return i, true
		}
	}
	return 0, false
}

// sources are the patterns, relative to the context, that the steps of the needed stages take files by.
func (r *recipe) sources(target string) []source {
	var list []source
	r.each(target, func(_ int, _ instructions.Command, taken []source) { list = append(list, taken...) })
	return list
}

// each goes through the steps of the needed stages, with what each takes from the context. What the ONBUILD steps of a base take comes
// first, without a step of its own.
func (r *recipe) each(target string, fn func(stage int, c instructions.Command, taken []source)) {
	envs := map[int]map[string]string{}
	for _, i := range r.needed(target) {
		env := map[string]string{}
		if base, ok := r.base(i); ok {
			for k, v := range envs[base] {
				env[k] = v
			}
			fn(i, nil, r.onbuild(base, env))
		} else if strings.Contains(r.stages[i].BaseName, "onbuild") {
			fn(i, nil, []source{{}}) // such an image copies by itself, most often everything
		}
		args := map[string]string{} // an ARG holds for its stage only, an ENV for those that start from it as well
		for _, c := range r.stages[i].Commands {
			fn(i, c, r.step(c, env, args))
		}
		envs[i] = env
	}
}

// step follows one step: it may change the variables, or take files.
func (r *recipe) step(c instructions.Command, env, args map[string]string) []source {
	switch c := c.(type) {
	case *instructions.ArgCommand:
		r.declare(c.Args, args, r.global)
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			if v, known := r.expand(kv.Value, merged(args, env)); known {
				env[kv.Key] = v
			} else {
				delete(env, kv.Key)
			}
		}
	case *instructions.AddCommand:
		return r.taken(c.SourcePaths, merged(args, env))
	case *instructions.CopyCommand:
		if c.From == "" {
			return r.taken(c.SourcePaths, merged(args, env))
		}
	case *instructions.RunCommand:
		var list []source
		for _, m := range instructions.GetMounts(c) {
			if m.Type == instructions.MountTypeBind && m.From == "" {
				list = append(list, r.taken([]string{m.Source}, merged(args, env))...)
			}
		}
		return list
	}
	return nil
}

// onbuild is what the ONBUILD steps of a stage take when another one starts from it.
func (r *recipe) onbuild(base int, env map[string]string) []source {
	var list []source
	for _, c := range r.stages[base].Commands {
		on, ok := c.(*instructions.OnbuildCommand)
		if !ok {
			continue
		}
		ast, err := parser.Parse(strings.NewReader(on.Expression))
		if err != nil || len(ast.AST.Children) != 1 {
			continue
		}
		if step, err := instructions.ParseCommand(ast.AST.Children[0]); err == nil {
			list = append(list, r.step(step, env, map[string]string{})...)
		}
	}
	return list
}

// merged is the variables that a step sees: ENV wins over ARG.
func merged(args, env map[string]string) map[string]string {
	all := make(map[string]string, len(args)+len(env))
	for k, v := range args {
		all[k] = v
	}
	for k, v := range env {
		all[k] = v
	}
	return all
}

// taken are the sources of one step that lie in the context.
func (r *recipe) taken(paths []string, env map[string]string) []source {
	var list []source
	for _, p := range paths {
		if isRemote(p) {
			continue
		}
		word, known := r.expand(p, env)
		if !known {
			// The value is decided in the engine (by the base image or the platform): all that may be meant counts.
			word = before(p, "$")
		}
		if !isRemote(word) {
			list = append(list, newSource(word))
		}
	}
	return list
}
