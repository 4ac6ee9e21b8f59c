package docker

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/image"
)

// Destinations says where the COPY and ADD steps of the last stage (or the target) put a file: the path relative to the context
// goes in, absolute paths in the image come out. There are none for a file that does not get there, or of which that cannot be
// told for certain. workDir is the working folder of the image.
func (b *Builder) Destinations(a *config.Artifact, workDir string) (func(rel string) []string, error) {
	file := b.dockerfile(a)
	args, err := b.args(image.Request{Artifact: a, Ref: a.Image}, nil)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", a.Image, err)
	}
	r, err := readRecipe(file, args)
	if err != nil {
		return nil, fmt.Errorf("image %q: %s: %w", a.Image, b.shown(file), err)
	}
	ignore, err := readIgnore(ignoreFile(a.Context, file))
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", a.Image, err)
	}
	copies := r.copies(a.Docker.Target, workDir)
	return func(rel string) []string {
		if ignore.Match(rel) {
			return nil
		}
		var found []string
		for _, c := range copies {
			to, sure := c.to(strings.Split(rel, "/"))
			if !sure {
				return nil
			}
			if to != "" {
				found = append(found, to)
			}
		}
		return found
	}, nil
}

// placed is one source of a COPY or ADD step, and where it goes.
type placed struct {
	source
	dest   string // absolute; empty: it cannot be told
	folder bool   // dest is a folder, also for a single file
	unpack bool   // an archive that is named is unpacked there
}

// archives are the endings of files that ADD unpacks.
var archives = []string{".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst"}

// to is where a file goes, empty when the source does not take it.
func (p placed) to(parts []string) (to string, sure bool) {
	if !p.takes(parts) {
		return "", true
	}
	if p.dest == "" {
		return "", false
	}
	if p.unpack && slices.ContainsFunc(archives, func(ending string) bool { return strings.HasSuffix(parts[len(parts)-1], ending) }) {
		return "", false
	}
	if below := parts[len(p.parts):]; len(below) > 0 {
		return path.Join(p.dest, path.Join(below...)), true
	}
	if p.folder {
		return path.Join(p.dest, parts[len(parts)-1]), true
	}
	return p.dest, true
}

// copies follows the last stage, with its working folder and its variables.
func (r *recipe) copies(target, workDir string) []placed {
	needed := r.needed(target)
	if len(needed) == 0 {
		return nil
	}
	last := r.stages[needed[len(needed)-1]]
	at := &place{dir: workDir, folders: map[string]bool{"/": true}}
	for _, c := range last.Commands {
		if _, ok := c.(*instructions.WorkdirCommand); ok {
			at.dir = "" // where the base image stands is not known, where the final one does is no help
		}
	}
	env, args := map[string]string{}, map[string]string{}
	if base, ok := r.base(needed[len(needed)-1]); ok {
		r.inherit(base, env)
	}
	var list []placed
	for _, c := range last.Commands {
		switch c := c.(type) {
		case *instructions.WorkdirCommand:
			at.enter(r.expand(c.Path, merged(args, env)))
		case *instructions.CopyCommand:
			if c.From == "" {
				plain := !c.Parents && len(c.ExcludePatterns) == 0
				list = append(list, r.place(c.SourcesAndDest, plain, at, merged(args, env))...)
			}
		case *instructions.AddCommand:
			for _, p := range r.place(c.SourcesAndDest, len(c.ExcludePatterns) == 0, at, merged(args, env)) {
				p.unpack = true
				list = append(list, p)
			}
		default:
			r.step(c, env, args)
		}
	}
	return list
}

// inherit gathers the ENV of a stage and of those it starts from.
func (r *recipe) inherit(i int, env map[string]string) {
	if base, ok := r.base(i); ok {
		r.inherit(base, env)
	}
	args := map[string]string{}
	for _, c := range r.stages[i].Commands {
		r.step(c, env, args)
	}
}

// place puts the sources of a step where they go. A step that is not plain takes what it takes, but where to is not known.
func (r *recipe) place(s instructions.SourcesAndDest, plain bool, at *place, env map[string]string) []placed {
	sources := r.taken(s.SourcePaths, env)
	word, known := r.expand(s.DestPath, env)
	dest := ""
	if known && plain {
		dest = at.join(word)
	}
	folder := len(s.SourcePaths)+len(s.SourceContents) > 1 || strings.HasSuffix(word, "/") || at.folders[dest]
	folder = folder || word == "." || word == ".." || strings.HasSuffix(word, "/.")
	var list []placed
	for _, src := range sources {
		list = append(list, placed{source: src, dest: dest, folder: folder || src.wild})
	}
	return list
}

// place is where a stage stands while its steps are followed.
type place struct {
	dir     string // empty: not known
	folders map[string]bool
}

func (p *place) enter(dir string, known bool) {
	if !known {
		p.dir = ""
		return
	}
	if p.dir = p.join(dir); p.dir != "" {
		p.folders[p.dir] = true
	}
}

// join is a path as seen from here, empty when that is not known.
func (p *place) join(to string) string {
	switch {
	case path.IsAbs(to):
		return path.Clean(to)
	case p.dir == "":
		return ""
	}
	return path.Join(p.dir, to)
}
