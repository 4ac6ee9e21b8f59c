package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
)

func newFix(w World) *cobra.Command {
	var version, output string
	var overwrite bool
	cmd := &cobra.Command{
		Use: "fix", Short: "Upgrade the project file to a newer apiVersion",
		Long: "Prints the project file as it looks in the latest apiVersion, or in the one of --version. Comments and the order of the keys stay.\n" +
			"--overwrite writes it in place and keeps the old text in FILE.v2.",
	}
	cmd = plainCommand(w, cmd, "filename format", func(ctx context.Context, o *options, _ []string) error {
		if err := o.check("fix"); err != nil {
			return err
		}
		if overwrite && output != "" {
			return usage("leave one of the two out", errors.New("--overwrite and --output exclude each other"))
		}
		if overwrite && strings.Contains(o.filename, "://") {
			return usage("write the result to a file with --output", errors.New("--overwrite cannot change a file behind a URL"))
		}
		fixed, err := config.Fix(ctx, config.Options{File: o.filename, Dir: w.Dir, Stdin: w.In, Download: download}, version)
		if err != nil {
			return err
		}
		for _, n := range fixed.Notes {
			fmt.Fprintln(w.Err, "note: "+n.Error())
		}
		if fixed.New == nil {
			fmt.Fprintf(w.Out, "%s has %s already\n", shownFile(fixed.File), reached(version))
			return nil
		}
		switch {
		case output != "":
			return written(w.path(output), fixed.New)
		case overwrite && fixed.File != "-":
			return replace(w, fixed, reached(version))
		}
		_, err = w.Out.Write(fixed.New)
		return err
	})
	f := cmd.Flags()
	f.StringVar(&version, "version", "", "apiVersion to upgrade to (default the latest)")
	f.BoolVar(&overwrite, "overwrite", false, "write the file in place; the old text is kept in FILE.v2")
	f.StringVarP(&output, "output", "o", "", "write the result to this file")
	return faultsAs(w, cmd)
}

func reached(version string) string {
	if version == "" {
		return config.Latest()
	}
	return version
}

func shownFile(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// replace writes the new text in the place of the old one, which is safe in another file by then.
func replace(w World, fixed *config.Fixed, version string) error {
	if err := written(fixed.File+".v2", fixed.Old); err != nil {
		return err
	}
	if err := written(fixed.File, fixed.New); err != nil {
		return err
	}
	fmt.Fprintf(w.Out, "%s has %s now; the old text is in %s\n", fixed.File, version, fixed.File+".v2")
	return nil
}
