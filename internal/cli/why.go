package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
)

func newWhy(w World) *cobra.Command {
	cmd := sessionCommand(w, "why [PATH... | -- IMAGE...]", "Say what a changed file would do, or why an image is built",
		`With a path: what would happen if that file changed: which images it belongs to (or which line of which file keeps it out), whether it
would be synced and where to or rebuilt and how, and what would start anew. The file need not exist.
With the name of an image, after -- where a file has the same name: whether the image would be built now or found, and which of its
inputs changed since the last time. Nothing is built, pushed or deployed. --format=json prints JSON.`, progressToErr, runWhy)
	cmd.Args = cobra.ArbitraryArgs
	cmd.Example = "  skiff why web/app.py\n  skiff why -- web\n  skiff why                 # all images"
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if dash := cmd.ArgsLenAtDash(); dash >= 0 {
			// What stands behind the dash is kept apart by an empty word.
			args = append(append(append([]string{}, args[:dash]...), ""), args[dash:]...)
		}
		return run(cmd, args)
	}
	return cmd
}

// whyAnswer is what why prints as JSON.
type whyAnswer struct {
	Paths  []whyPath      `json:"paths,omitempty"`
	Images []image.Answer `json:"images,omitempty"`
}

func runWhy(ctx context.Context, s *session) error {
	if s.format != "text" && s.format != "json" {
		return usage("choose text or json", fmt.Errorf("--format=%s", s.format))
	}
	s.peek(ctx)
	defer s.close()
	l, err := s.line(ctx, s.project)
	if err != nil {
		return err
	}
	paths, images, err := s.whyWords()
	if err != nil {
		return err
	}
	var answer whyAnswer
	if len(paths) > 0 {
		asked := newWhyPaths(ctx, s, l)
		for _, p := range paths {
			found, err := asked.path(ctx, p)
			if err != nil {
				return err
			}
			answer.Paths = append(answer.Paths, found)
		}
	}
	if len(images) > 0 {
		if s.cache == nil {
			return diag.Errorf("leave out --cache-artifacts=false", "without the cache every image is built every time")
		}
		requests, err := l.Tag(ctx, s.project.Artifacts())
		if err != nil {
			return err
		}
		answers, err := image.Why(ctx, l.Images, requests)
		if err != nil {
			return err
		}
		for _, a := range answers {
			if images[a.Image] {
				answer.Images = append(answer.Images, a)
			}
		}
	}
	if s.format == "json" {
		return json.NewEncoder(s.Out).Encode(answer)
	}
	for _, p := range answer.Paths {
		p.write(s.Out)
	}
	for _, a := range answer.Images {
		writeWhyImage(s.Out, a)
	}
	return nil
}

// whyWords sorts the words of the command line into paths and names of images. Without a word all images are asked for.
func (s *session) whyWords() (paths []string, images map[string]bool, err error) {
	images = map[string]bool{}
	artifacts := s.project.Artifacts()
	if len(s.args) == 0 {
		for _, a := range artifacts {
			images[a.Image] = true
		}
		return nil, images, nil
	}
	behind := false
	for _, word := range s.args {
		if word == "" {
			behind = true
			continue
		}
		found := called(artifacts, word)
		_, absent := os.Lstat(s.path(word))
		switch {
		case behind && len(found) == 0:
			return nil, nil, diag.Errorf("the project's images are: "+strings.Join(imageNames(artifacts), ", "), "there is no image %q", word)
		case behind, absent != nil && len(found) == 1:
			for _, a := range found {
				images[a.Image] = true
			}
		case absent == nil && len(found) == 1 && found[0].Image == word:
			return nil, nil, diag.Errorf(fmt.Sprintf("write \"skiff why -- %s\" for the image, \"skiff why ./%s\" for the path", word, word),
				"%q is a path and the name of an image", word)
		default:
			paths = append(paths, filepath.Clean(s.path(word)))
		}
	}
	if behind && len(images) == 0 {
		return nil, nil, usage("skiff why -- IMAGE", errors.New("no image is named after --"))
	}
	return paths, images, nil
}

// called is the artifact of a name, or those whose names end in it as a whole part.
func called(artifacts []*config.Artifact, word string) []*config.Artifact {
	var ending []*config.Artifact
	for _, a := range artifacts {
		if a.Image == word {
			return []*config.Artifact{a}
		}
		if strings.HasSuffix(a.Image, "/"+word) {
			ending = append(ending, a)
		}
	}
	return ending
}

func imageNames(artifacts []*config.Artifact) []string {
	var names []string
	for _, a := range artifacts {
		names = append(names, a.Image)
	}
	return names
}

// mostChanges is how many changes are told one by one.
const mostChanges = 20

func writeWhyImage(w io.Writer, a image.Answer) {
	if a.Found != "" {
		fmt.Fprintf(w, "%s would not be built: the %s has it: %s\n", a.Image, a.Found, a.Ref)
	} else {
		fmt.Fprintf(w, "%s would be built: %s\n", a.Image, a.Cause)
	}
	if a.Last != nil {
		fmt.Fprintf(w, "  last time (%s): %s\n", a.Last.Time.Local().Format(time.DateTime), lastTime(a.Last))
	}
	if len(a.Changes) == 0 {
		return
	}
	fmt.Fprintln(w, "  since then:")
	for i, c := range a.Changes {
		if i == mostChanges {
			fmt.Fprintf(w, "   - and %d more changes\n", len(a.Changes)-i)
			break
		}
		fmt.Fprintf(w, "   - %s\n", c)
	}
}

func lastTime(r *image.Record) string {
	switch r.Outcome {
	case "found":
		return "found in the " + r.Where + ", nothing had changed"
	case "failed":
		return "the build failed; it was tried because " + r.Cause
	}
	text := "built"
	if r.How != "" {
		text += " (" + r.How + ")"
	}
	if r.Cause != "" {
		text += ", because " + r.Cause
	}
	return text
}
