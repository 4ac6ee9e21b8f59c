package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"text/template"

	"github.com/spf13/cobra"
)

// Version is what a release sets with -ldflags "-X github.com/skiff-dev/skiff/internal/cli.Version=v1.2.3".
var Version string

// buildInfo is what `version --output` can show.
type buildInfo struct {
	Version, GitCommit, GoVersion, Platform string
}

func newVersion(w World) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(*cobra.Command, []string) error {
			tmpl, err := template.New("version").Parse(output)
			if err != nil {
				return usage("see the documentation of Go's text/template", fmt.Errorf("--output: %w", err))
			}
			if err := tmpl.Execute(w.Out, info()); err != nil {
				return usage("the fields are .Version, .GitCommit, .GoVersion and .Platform", fmt.Errorf("--output: %w", err))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "{{.Version}}\n", "Go template for what is printed")
	return cmd
}

func info() buildInfo {
	i := buildInfo{Version: Version, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return i
	}
	for _, s := range built.Settings {
		if s.Key == "vcs.revision" {
			i.GitCommit = s.Value
		}
	}
	if i.Version == "" {
		i.Version = built.Main.Version
	}
	if i.Version == "" || i.Version == "(devel)" {
		i.Version = "development"
	}
	return i
}
