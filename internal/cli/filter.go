package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/render"
)

// newFilter is the hidden command that helm calls as a post-renderer in projects made for Skaffold.
func newFilter(w World) *cobra.Command {
	cmd := sessionCommand(w, "filter", "Put images and labels into the manifests of standard input",
		"Reads manifests from standard input, puts in the images of --build-artifacts, and labels, and prints them: a post-renderer for helm.", progressToErr, runFilter)
	cmd.Hidden = true
	return cmd
}

func runFilter(ctx context.Context, s *session) error {
	if s.debugging {
		return diag.Errorf("leave --debugging out", "objects cannot be made ready for a debugger yet")
	}
	text, err := io.ReadAll(s.In)
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	if s.postRenderer != "" {
		cmd := exec.CommandContext(ctx, s.postRenderer)
		cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stderr = s.Dir, s.Environ(), bytes.NewReader(text), s.Err
		if text, err = cmd.Output(); err != nil {
			return fmt.Errorf("run %s: %w", s.postRenderer, err)
		}
	}
	images, err := s.givenRefs()
	if err != nil {
		return err
	}
	labels, err := s.labelMap()
	if err != nil {
		return err
	}
	more, err := s.moreRules()
	if err != nil {
		return err
	}
	out, err := render.RulesOf(s.project, more...).Text(text, images, labels)
	if err != nil {
		return diag.WithCode(diag.CodeDeploy, err)
	}
	_, err = s.Out.Write(out)
	return err
}

// moreRules are those of --resource-selector-rules-file.
func (s *session) moreRules() ([]*config.ResourceSelector, error) {
	if s.rulesFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(s.path(s.rulesFile))
	if err != nil {
		return nil, usage("correct --resource-selector-rules-file", err)
	}
	rules, err := render.ParseRules(s.rulesFile, data)
	if err != nil {
		return nil, err
	}
	return []*config.ResourceSelector{rules}, nil
}

// setterValues are those of --set and --set-value-file.
func (s *session) setterValues() (render.Setters, error) {
	all := render.Setters{}
	add := func(pair string) bool {
		name, value, ok := strings.Cut(pair, "=")
		if ok {
			all[strings.TrimSpace(name)] = value
		}
		return ok && strings.TrimSpace(name) != ""
	}
	if s.setterFile != "" {
		data, err := os.ReadFile(s.path(s.setterFile))
		if err != nil {
			return nil, usage("correct --set-value-file", err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if !add(line) {
				return nil, &diag.Error{Pos: diag.Pos{File: s.setterFile, Line: i + 1}, What: "not of the form NAME=VALUE", Hint: "write NAME=VALUE, or # in front of a remark", Code: diag.CodeConfig}
			}
		}
	}
	for _, pair := range s.setters {
		if !add(pair) {
			return nil, usage("write --set=NAME=VALUE", errors.New("--set="+pair))
		}
	}
	return all, nil
}
