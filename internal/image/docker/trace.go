package docker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/image"
)

var _ image.Tracer = (*Builder)(nil)

// Trace says which step of the Dockerfile takes a path, or which line of which file keeps it out.
func (b *Builder) Trace(ctx context.Context, a *config.Artifact, path string) (image.Trace, error) {
	in, err := b.Inputs(ctx, a)
	if err != nil {
		return image.Trace{}, err
	}
	read := in.(*inputs)
	file := b.dockerfile(a)
	switch {
	case path == file:
		return image.Trace{Counts: true, Because: "it is the Dockerfile", Needs: "the Dockerfile itself"}, nil
	case slices.Contains(read.singles, path):
		return image.Trace{Counts: true, Because: "it says what is left out of the build context", Needs: "the ignore file"}, nil
	}
	rel, ok := read.rel(path)
	if !ok {
		return image.Trace{Because: fmt.Sprintf("it lies outside of the build context %s", b.shown(a.Context)), Outside: true}, nil
	}
	if read.ignore.Match(rel) {
		return image.Trace{Because: "it is left out by " + b.rule(ignoreFile(a.Context, file), rel)}, nil
	}
	if !read.Has(path) {
		return image.Trace{Because: "no COPY or ADD step of " + b.shown(file) + " takes it" + gitNote(rel)}, nil
	}
	return b.steps(a, file, rel)
}

func gitNote(rel string) string {
	if slices.Contains(strings.Split(rel, "/"), ".git") {
		return " by name, and what git keeps for itself counts only then"
	}
	return ""
}

// rule is the line of an ignore file that decides about a path.
func (b *Builder) rule(file, rel string) string {
	f, err := os.Open(file)
	if err != nil {
		return b.shown(file)
	}
	defer f.Close()
	line, decides := 0, ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line++
		text := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\uFEFF"))
		pattern := strings.Trim(filepath.ToSlash(filepath.Clean(text)), "/")
		if text == "" || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "!") {
			continue // an exception is not what leaves the path out
		}
		m, err := patternmatcher.New([]string{pattern})
		if err != nil {
			continue
		}
		if ok, err := m.MatchesOrParentMatches(filepath.FromSlash(rel)); err == nil && ok {
			decides = fmt.Sprintf("%s:%d: %s", b.shown(file), line, text)
		}
	}
	if decides == "" {
		return b.shown(file)
	}
	return decides
}

// steps are those that take the path, and whether their layers alone hold it.
func (b *Builder) steps(a *config.Artifact, file, rel string) (image.Trace, error) {
	args, err := b.args(image.Request{Artifact: a, Ref: a.Image}, nil)
	if err != nil {
		return image.Trace{}, err
	}
	t := image.Trace{Counts: true, Layer: true}
	rec, err := readRecipe(file, args)
	if err != nil || len(rec.stages) == 0 {
		return image.Trace{Counts: true, Because: "the Dockerfile cannot be read, so every file of the context counts"}, nil
	}
	var found []string
	parts := strings.Split(rel, "/")
	needed := rec.needed(a.Docker.Target)
	last := needed[len(needed)-1]
	rec.each(a.Docker.Target, func(stage int, c instructions.Command, taken []source) {
		if c == nil {
			return
		}
		line := 0
		if at := c.Location(); len(at) > 0 {
			line = at[0].Start.Line
		}
		where := fmt.Sprintf("%s:%d", b.shown(file), line)
		_, isRun := c.(*instructions.RunCommand)
		if slices.ContainsFunc(taken, func(s source) bool { return s.takes(parts) || s.reaches(parts) }) {
			found = append(found, fmt.Sprintf("%s (%s)", c, where))
			if isRun || stage != last {
				t.Layer, t.Needs = false, fmt.Sprintf("%s (%s)", c, where)
			}
			return
		}
		if isRun && stage == last && len(found) > 0 && t.Layer {
			t.Layer, t.Needs = false, fmt.Sprintf("%s (%s)", c, where)
		}
	})
	if len(found) == 0 {
		return image.Trace{Counts: true, Because: "a step of another image (ONBUILD) may take it", Needs: "a step of another image"}, nil
	}
	t.Because = "taken by " + strings.Join(found, " and ")
	return t, nil
}
