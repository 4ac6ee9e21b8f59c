package local

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// copy takes sources of the context.
func (r *reader) copy(st *stage, s instructions.SourcesAndDest, special, add bool, line int) {
	env := st.vars(r.host)
	dest, _ := r.expand(s.DestPath, env)
	to := join(st.dir, dest)
	folder := len(s.SourcePaths)+len(s.SourceContents) > 1 || isFolder(dest) || st.folders[to]
	if special {
		st.find(Differs, line, "files", "", "--parents and --exclude are not followed")
	}
	for _, content := range s.SourceContents {
		st.find(Gap, line, "files", "put it into a file of the context", "the text for %s is not put there", join(st.dir, dest+"/"+content.Path))
	}
	for _, word := range s.SourcePaths {
		src, _ := r.expand(word, env)
		if strings.Contains(src, "://") || strings.HasPrefix(src, "git@") {
			st.find(Gap, line, "files", "", "%s is not fetched", src)
			continue
		}
		c := Copy{Src: strings.Trim(path.Clean("/"+src), "/"), Dest: to, Wild: strings.ContainsAny(src, "*?[")}
		here := filepath.Join(r.Context, filepath.FromSlash(c.Src))
		switch {
		case c.Wild:
		case r.host.IsDir(here):
			c.Dir = true
			st.folders[to] = true
		case !r.host.Exists(here):
			st.find(Broken, line, "files", "make the file, or correct the step", "%s is not in the build context", src)
			continue
		case folder:
			c.Dest = path.Join(to, path.Base(c.Src))
		}
		if add && !c.Dir && strings.Contains(path.Base(c.Src), ".tar") {
			st.find(Gap, line, "files", "", "the archive %s is not unpacked", c.Src)
		}
		st.copies = append(st.copies, c)
	}
}

func isFolder(dest string) bool {
	return strings.HasSuffix(dest, "/") || path.Base(dest) == "." || path.Base(dest) == ".."
}

// copyFrom takes what an earlier stage has: what was copied there, and what is compiled there.
func (r *reader) copyFrom(st *stage, c *instructions.CopyCommand) {
	env := st.vars(r.host)
	name, _ := r.expand(c.From, merge(r.global, env))
	from := r.stage(name, true)
	dest, _ := r.expand(c.DestPath, env)
	to := join(st.dir, dest)
	for _, word := range c.SourcePaths {
		src, _ := r.expand(word, env)
		src = join("/", src)
		if from == nil {
			st.find(Gap, lineOf(c), "files", "", "%s of the image %s is not there", src, name)
			continue
		}
		t := taking{src: src, to: to, folder: len(c.SourcePaths) > 1 || isFolder(dest) || st.folders[to]}
		if !r.take(st, from, t) {
			st.find(Gap, lineOf(c), "files", "say in skiff.yaml how it is made: local: {services: {"+r.Name+": {build: …}}}",
				"%s is made by a step of stage %q that is not run here", src, name)
		}
	}
}

// taking is one path of an earlier stage, and where it goes.
type taking struct {
	src, to string
	folder  bool
}

// place is where something goes that lies at rel in the path that is taken.
func (t taking) place(rel, base string) string {
	if rel == "" && t.folder {
		rel = base
	}
	return path.Join(t.to, rel)
}

// program is a compiled program, or a folder of them, where it goes.
func (t taking) program(made Compile) (Compile, bool) {
	if strings.ContainsAny(t.src, "*?[") {
		if matches, _ := path.Match(t.src, made.Output); matches {
			made.Output = path.Join(t.to, path.Base(made.Output))
			return made, true
		}
		ok := made.Folder && path.Dir(t.src) == made.Output
		made.Output = t.to
		return made, ok
	}
	if rel, ok := inside(t.src, made.Output); ok {
		if rel == "" && made.Folder {
			made.Output = t.to
			return made, true
		}
		made.Output = t.place(rel, path.Base(made.Output))
		return made, true
	}
	rel, ok := inside(made.Output, t.src)
	if !ok || !made.Folder || !made.makes(rel) {
		return made, false
	}
	made.Folder, made.File, made.Output = false, rel, t.place("", rel)
	return made, true
}

// take hands on one path of an earlier stage, as far as it is known where it comes from.
func (r *reader) take(st, from *stage, t taking) bool {
	found := false
	for _, made := range from.compiles {
		if made, ok := t.program(made); ok {
			st.compiles = append(st.compiles, made)
			found = true
		}
	}
	for _, c := range from.copies {
		if rel, ok := inside(t.src, c.Dest); ok {
			c.Dest = t.place(rel, path.Base(c.Dest))
			if rel == "" && (c.Dir || c.Wild) {
				c.Dest = t.to
			}
			st.copies = append(st.copies, c)
			found = true
			continue
		}
		rel, ok := inside(c.Dest, t.src)
		part := Copy{Src: path.Join(c.Src, rel), Dest: t.to}
		here := filepath.Join(r.Context, filepath.FromSlash(part.Src))
		if !ok || !c.Dir || !r.host.Exists(here) {
			continue
		}
		if part.Dir = r.host.IsDir(here); !part.Dir {
			part.Dest = t.place("", path.Base(part.Src))
		}
		st.copies = append(st.copies, part)
		found = true
	}
	return found
}

// run recognises what a RUN step compiles, and lists what it installs.
func (r *reader) run(st *stage, c *instructions.RunCommand) {
	all := [][]string{slices.Clone([]string(c.CmdLine))}
	if c.PrependShell {
		text := strings.Join(c.CmdLine, " ")
		for _, f := range c.Files {
			text += "\n" + f.Data
		}
		all, _ = commands(substitute(text, st.vars(r.host)))
	}
	// Mounts are known after this; one that cannot be read mounts nothing, and the builder of the image says why.
	_ = c.Expand(func(word string) (string, error) { return r.expand(word, st.vars(r.host)) })
	dir, env, seen := st.dir, list(st.env), mounted(st, c)
	for _, words := range all {
		if len(words) == 2 && words[0] == "cd" {
			dir = join(dir, words[1])
			continue
		}
		words, env = st.exported(words, env)
		made, ok := goBuild(words, env, dir, r.module(seen, dir), func(p string) bool { return st.folders[p] })
		if ok && made.Output == "" {
			continue // it warms a cache
		}
		if here, known := seen.source(r.Context, made.Dir); ok && known && !strings.Contains(made.Package, "@") {
			made.Dir, made.Line, made.Base = here, lineOf(c), st.base
			st.compiles = append(st.compiles, made)
			continue
		}
		if n, ok := needOf(words, lineOf(c)); ok {
			st.needs = append(st.needs, n)
			continue
		}
		if !idle(words) {
			st.find(Differs, lineOf(c), "RUN", "", "not run here: %s", strings.Join(words, " "))
		}
	}
}

// exported takes away what stands before a command, and remembers variables for the rest of the step, and folders.
func (st *stage) exported(words, env []string) (rest, set []string) {
	_, plain := assignments(words)
	switch {
	case len(plain) > 1 && plain[0] == "env":
		return plain[1:], env
	case len(plain) > 1 && plain[0] == "export":
		return nil, append(env, plain[1:]...)
	case len(plain) > 1 && plain[0] == "mkdir":
		for _, dir := range plain[1:] {
			if !strings.HasPrefix(dir, "-") {
				st.folders[join(st.dir, dir)] = true
			}
		}
	}
	return words, env
}

// mounted is the stage as one RUN step sees it: with the folders of the context that it mounts.
func mounted(st *stage, c *instructions.RunCommand) *stage {
	seen := *st
	for _, m := range instructions.GetMounts(c) {
		if m.Type == instructions.MountTypeBind && m.From == "" {
			seen.copies = append(slices.Clone(seen.copies), Copy{Src: strings.Trim(path.Clean("/"+m.Source), "/"), Dest: join(st.dir, m.Target), Dir: true})
		}
	}
	return &seen
}

// source is the folder of the context that a folder of the stage shows.
func (st *stage) source(context, dir string) (string, bool) {
	for _, c := range slices.Backward(st.copies) {
		if rel, ok := inside(c.Dest, dir); ok && c.Dir {
			return filepath.Join(context, filepath.FromSlash(c.Src), filepath.FromSlash(rel)), true
		}
	}
	for _, c := range slices.Backward(st.copies) {
		rel, ok := inside(dir, c.Dest)
		if c.Wild {
			rel = path.Join(rel, path.Base(c.Src))
		}
		if from, same := strings.CutSuffix("/"+c.Src, "/"+rel); ok && same && rel != "" {
			return filepath.Join(context, filepath.FromSlash(from)), true
		}
	}
	return "", false
}

func (r *reader) module(st *stage, dir string) string {
	here, ok := st.source(r.Context, dir)
	if !ok {
		return ""
	}
	data, err := r.host.Read(filepath.Join(here, "go.mod"))
	if err != nil {
		return ""
	}
	return moduleName(data)
}
