package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// plainCommand makes cmd a command that needs no session: it answers at once, from files. flags names, separated by blanks, those of
// the table that it has.
func plainCommand(w World, cmd *cobra.Command, flags string, work func(context.Context, *options, []string) error) *cobra.Command {
	o := &options{}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := fromEnv(cmd, w); err != nil {
			return err
		}
		return work(cmd.Context(), o, args)
	}
	addFlags(cmd, o)
	for _, def := range flagTable() {
		if slices.Contains(strings.Fields(flags), def.name) {
			addFlag(cmd.Flags(), o, def)
		}
	}
	return cmd
}

// group makes a command that only holds others.
func group(use, short string, hidden bool, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Hidden: hidden, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	for _, c := range commands {
		wrapArgs(c)
	}
	return cmd
}
