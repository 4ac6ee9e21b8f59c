package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// rule is one thing that lint looks for. The numbers are Skaffold's, as its field names in JSON are.
type rule struct {
	RuleID   int
	RuleType int // 0 for YAML files, 1 for Dockerfiles
	Severity int // as editors have it: 2 is a warning
}

func (r rule) id() string { return fmt.Sprintf("ID%06d", r.RuleID) }

func (r rule) kind() string {
	return [...]string{"YamlFieldLintRule", "DockerfileCommandLintRule"}[r.RuleType]
}

// The rules.
const (
	ruleOldVersion = 1
	rulePorts      = 2
	ruleManyFiles  = 4
	ruleGitFolder  = 5
	ruleManagedBy  = 6
	ruleNote       = 7 // what the upgrade of an old file tells
)

// finding is something that lint found, in Skaffold's shape.
type finding struct {
	Rule                                       rule
	AbsFilePath, RelFilePath                   string
	Explanation                                string
	StartLine, EndLine, StartColumn, EndColumn int
}

func newLint(w World) *cobra.Command {
	format := ""
	cmd := &cobra.Command{
		Use: "lint", Short: "Say what could be better in the project",
		Long: "Tells every fault of the project file, and then what works but could be better: in the project file, in its Dockerfiles and in its\nmanifests. Findings do not change the exit code, faults do.",
	}
	plainCommand(w, cmd, "filename module profile profile-auto-activation propagate-profiles kube-context kubeconfig namespace remote-cache-dir sync-remote-cache", func(ctx context.Context, o *options, _ []string) error {
		if !slices.Contains([]string{"plain-text", "json"}, format) {
			return usage("choose one of: plain-text, json", fmt.Errorf("--format=%s", format))
		}
		s := &session{World: w, options: o, command: "lint", bus: &event.Bus{}}
		project, err := s.load(ctx)
		if err != nil && format == "json" {
			return tellJSON(w.Out, err)
		}
		if err != nil {
			return err
		}
		l := &linter{World: w, project: project}
		if err := l.lint(ctx); err != nil {
			return err
		}
		if format == "json" {
			return json.NewEncoder(w.Out).Encode(l.found)
		}
		return l.print()
	})
	cmd.Flags().StringVar(&format, "format", "plain-text", "plain-text or json")
	return cmd
}

// linter collects findings.
type linter struct {
	World
	project *config.Project
	found   []finding
}

func (l *linter) lint(ctx context.Context) error {
	l.found = []finding{}
	for _, n := range l.project.Notes {
		l.add(rule{ruleNote, 0, 2}, n.Pos, n.What+hinted(n.Hint))
	}
	seen := map[string]bool{}
	for _, c := range l.project.Configs {
		if written := c.Written(); written != config.Latest() {
			l.add(rule{ruleOldVersion, 0, 2}, c.Position("apiVersion"),
				fmt.Sprintf("the file has apiVersion %s; the latest is %s: upgrade it with skiff fix --overwrite", written, config.Latest()))
		}
		manifests, err := l.manifests(c)
		if err != nil {
			return err
		}
		l.ports(c, manifests)
		l.managedBy(manifests)
		for _, a := range c.Build.Artifacts {
			if a.Docker == nil {
				continue
			}
			if file := dockerfile(a); !seen[file] {
				seen[file] = true
				if err := l.dockerfile(ctx, a, file); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func hinted(hint string) string {
	if hint == "" {
		return ""
	}
	return ": " + hint
}

// add remembers a finding; the place is as in messages, or an absolute path.
func (l *linter) add(r rule, at diag.Pos, explanation string) {
	path := l.path(at.File)
	rel, err := filepath.Rel(l.Dir, path)
	if err != nil {
		rel = path
	}
	line, column := max(1, at.Line), max(1, at.Column)
	l.found = append(l.found, finding{
		Rule: r, AbsFilePath: path, RelFilePath: rel, Explanation: explanation,
		StartLine: line, EndLine: line, StartColumn: column, EndColumn: column,
	})
}

// print writes the findings for people: the place, the rule, and the line itself.
func (l *linter) print() error {
	for _, f := range l.found {
		if _, err := fmt.Fprintf(l.Out, "%s:%d:%d: %s: %s: (%s)\n", f.RelFilePath, f.StartLine, f.StartColumn, f.Rule.id(), f.Explanation, f.Rule.kind()); err != nil {
			return err
		}
		data, err := os.ReadFile(f.AbsFilePath)
		if err != nil {
			continue // standard input, or a file that has gone meanwhile: the line is an extra
		}
		if lines := strings.Split(string(data), "\n"); f.StartLine <= len(lines) {
			fmt.Fprintf(l.Out, "%s\n%s^\n", lines[f.StartLine-1], strings.Repeat(" ", f.StartColumn-1))
		}
	}
	return nil
}

// manifests is the objects of the files that a config names. What is not on this machine, or no manifest, is left to render.
func (l *linter) manifests(c *config.Config) ([]*kube.Object, error) {
	var all []*kube.Object
	for _, pattern := range c.Manifests.RawYaml {
		if strings.Contains(pattern, "://") || strings.Contains(pattern, "{{") {
			continue
		}
		files, err := doublestar.FilepathGlob(pattern)
		if err != nil {
			return nil, c.Fault(fmt.Sprintf("the pattern %q cannot be read: %v", pattern, err), "correct the pattern", "manifests", "rawYaml")
		}
		for _, file := range files {
			if info, err := os.Stat(file); err != nil || info.IsDir() {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read a manifest: %w", err)
			}
			objects, err := kube.ReadObjects(file, data)
			if err != nil {
				return nil, diag.WithCode(diag.CodeConfig, err)
			}
			all = append(all, objects...)
		}
	}
	return all, nil
}

// ports asks for fixed local ports where containers listen and none is named.
func (l *linter) ports(c *config.Config, manifests []*kube.Object) {
	if c.Has("portForward") || !c.Has("manifests") {
		return
	}
	var entries []string
	local := 32581
	for _, object := range manifests {
		if kind := object.GetKind(); kind != "Pod" && kind != "Deployment" {
			continue
		}
		for _, container := range kube.Containers(object) {
			for _, port := range container.Ports {
				entries = append(entries, fmt.Sprintf("\n- resourceType: %s\n  resourceName: %s\n  port: %v\n  localPort: %d", strings.ToLower(object.GetKind()), object.GetName(), port.Number, local))
				local++
			}
		}
	}
	if len(entries) > 0 {
		l.add(rule{rulePorts, 0, 2}, c.Position(), "containers listen, and no port is forwarded to a fixed local one, so that tools find them again; add\nportForward:"+strings.Join(entries, ""))
	}
}

// managedBy finds a label that Skaffold puts on every object itself.
func (l *linter) managedBy(manifests []*kube.Object) {
	const label = "app.kubernetes.io/managed-by"
	for _, object := range manifests {
		if _, has := object.GetLabels()[label]; has {
			l.add(rule{ruleManagedBy, 0, 2}, diag.Pos{File: object.File, Line: object.Line}, fmt.Sprintf("%s has the label %s, which Skaffold overwrites when it deploys: leave it out", object.ID(), label))
		}
	}
}
