package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

// faultsAs makes a command that has --format tell its failure as that says.
func faultsAs(w World, cmd *cobra.Command) *cobra.Command {
	work := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := work(cmd, args)
		json := cmd.Flags().Lookup("format").Value.String() == "json"
		if err == nil || !json || errors.Is(err, context.Canceled) || errors.As(err, new(told)) {
			return err
		}
		return tellJSON(w.Out, err)
	}
	return cmd
}

// tellJSON writes every fault of a failure as one JSON object and leaves only its exit code to be used.
func tellJSON(out io.Writer, err error) error {
	return errors.Join(told{err}, json.NewEncoder(out).Encode(map[string]diag.List{"errors": diag.All(err)}))
}

// templates is what fills in the templates of the project's fields.
func (w World) templates(ctx context.Context) config.Templates {
	return config.Templates{Environ: w.Environ(), Run: func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = w.Dir, w.Environ()
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("run %s: %w", name, err)
		}
		return string(out), nil
	}}
}

// written writes a file that a flag names.
func written(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return diag.Errorf("check that the folder exists and can be written to", "%w", err)
	}
	return nil
}
