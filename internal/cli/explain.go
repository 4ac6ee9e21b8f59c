package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
)

func newExplain(w World) *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain [FIELD]", Short: "Say what a field of the project file does", Args: cobra.MaximumNArgs(1),
		Example: "  skiff explain build.artifacts.sync\n  skiff explain portForward",
	}
	return plainCommand(w, cmd, "", func(_ context.Context, _ *options, args []string) error {
		f, err := config.Explain(strings.Join(args, ""))
		if err != nil {
			return err
		}
		return writeField(w.Out, f)
	})
}

// writeField writes what there is to know about a field: first what it is, then what it does, and last what it holds.
func writeField(out io.Writer, f *config.Field) error {
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	line("FIELD", f.Path)
	line("TYPE", f.Type)
	if f.Required {
		line("REQUIRED", "yes")
	}
	line("DEFAULT", f.Default)
	line("VALUES", f.Values)
	line("TEMPLATES", f.Templates)
	line("ONE OF", strings.Join(f.OneOf, ", "))
	line("SINCE", f.Since)
	line("UNTIL", f.Until)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", f.Meaning)
	if len(f.Fields) > 0 {
		fmt.Fprintln(out, "\nFIELDS")
		for _, kid := range f.Fields {
			key := kid.Path[strings.LastIndexByte(kid.Path, '.')+1:]
			fmt.Fprintf(t, "  %s\t%s\t%s\n", strings.TrimSuffix(key, "[]"), kid.Type, kid.Meaning)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if f.Example != "" {
		fmt.Fprintf(out, "\nEXAMPLE\n  %s\n", strings.ReplaceAll(strings.TrimSuffix(f.Example, "\n"), "\n", "\n  "))
	}
	return nil
}
