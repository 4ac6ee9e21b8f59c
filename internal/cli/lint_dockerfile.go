package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/tree"
)

// manyFiles is how many files one COPY may bring before it is worth a word.
const manyFiles = 1000

func dockerfile(a *config.Artifact) string {
	if filepath.IsAbs(a.Docker.Dockerfile) {
		return a.Docker.Dockerfile
	}
	return filepath.Join(a.Context, a.Docker.Dockerfile)
}

// dockerfile looks at every COPY and ADD that takes files of the context. A Dockerfile that cannot be read is left to build.
func (l *linter) dockerfile(ctx context.Context, a *config.Artifact, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return a.Fault(fmt.Sprintf("the Dockerfile cannot be read: %v", errors.Unwrap(err)), "correct its path, or make it", "docker", "dockerfile")
	}
	ignore, err := ignoreOf(a.Context, file)
	if err != nil {
		return err
	}
	files, err := contextFiles(ctx, a.Context, ignore)
	if err != nil {
		return err
	}
	for n, line := range strings.Split(string(data), "\n") {
		for _, source := range copied(line) {
			count, git := 0, ""
			for _, rel := range files {
				if !takes(source, rel) {
					continue
				}
				count++
				if folder, _, ok := strings.Cut("/"+rel, "/.git/"); ok && git == "" {
					git = strings.TrimPrefix(folder+"/.git", "/")
				}
			}
			at := diag.Pos{File: file, Line: n + 1, Column: 1}
			if count > manyFiles {
				l.add(rule{ruleManyFiles, 1, 2}, at, fmt.Sprintf("%q brings %d files, and each is watched and sent to the build: copy only what is needed, or list the rest in .dockerignore", source, count))
			}
			if git != "" {
				l.add(rule{ruleGitFolder, 1, 2}, at, fmt.Sprintf("%q brings %s, which changes with every git command and makes the image anew: list .git in .dockerignore", source, git))
			}
		}
	}
	return nil
}

// ignoreOf is the rules of Dockerfile.dockerignore, else of .dockerignore.
func ignoreOf(dir, file string) (*tree.Ignore, error) {
	for _, name := range []string{file + ".dockerignore", filepath.Join(dir, ".dockerignore")} {
		ignore, err := tree.ReadIgnore(name)
		if err == nil {
			return ignore, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil, nil
}

func contextFiles(ctx context.Context, dir string, ignore *tree.Ignore) ([]string, error) {
	var files []string
	skip := func(rel string, d fs.DirEntry) bool {
		return d.IsDir() && ignore.Skip(rel) || !d.IsDir() && ignore.Match(rel)
	}
	err := tree.Walk(ctx, dir, skip, func(rel string, d fs.DirEntry) error {
		if !d.IsDir() {
			files = append(files, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return files, nil
}

// copied is the sources that a COPY or ADD line takes from the context.
func copied(line string) []string {
	words := strings.Fields(line)
	if len(words) < 3 || !strings.EqualFold(words[0], "COPY") && !strings.EqualFold(words[0], "ADD") {
		return nil
	}
	words = words[1:]
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		if strings.HasPrefix(words[0], "--from") {
			return nil // files of another stage
		}
		words = words[1:]
	}
	for i := range words {
		words[i] = strings.Trim(words[i], `[],"`)
	}
	var sources []string
	for _, word := range words[:max(0, len(words)-1)] {
		if word != "" && !strings.Contains(word, "://") && !strings.HasPrefix(word, "<<") {
			sources = append(sources, word)
		}
	}
	return sources
}

// takes tells whether a source of COPY brings a file.
func takes(source, rel string) bool {
	source = strings.TrimPrefix(path.Clean("/"+source), "/")
	if source == "" {
		return true
	}
	for at := rel; at != "."; at = path.Dir(at) {
		if ok, err := doublestar.Match(source, at); ok && err == nil {
			return true
		}
	}
	return false
}
