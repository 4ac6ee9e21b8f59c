package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/local"
)

func newSchema(w World) *cobra.Command {
	var output string
	list := plainCommand(w, &cobra.Command{Use: "list", Short: "List every apiVersion of the project file"}, "", func(context.Context, *options, []string) error {
		if !slices.Contains([]string{"plain", "json"}, output) {
			return usage("choose one of: plain, json", fmt.Errorf("--output=%s", output))
		}
		if output == "json" {
			return json.NewEncoder(w.Out).Encode(map[string][]string{"versions": config.Versions()})
		}
		for _, version := range config.Versions() {
			fmt.Fprintln(w.Out, version)
		}
		return nil
	})
	list.Flags().StringVarP(&output, "output", "o", "plain", "plain or json")
	get := &cobra.Command{
		Use: "get VERSION", Short: "Print the JSON Schema of an apiVersion, for editors; that of skiff.yaml is " + local.SettingsSchema, Args: cobra.ExactArgs(1),
		ValidArgs: append(config.Versions(), local.SettingsSchema),
	}
	plainCommand(w, get, "", func(_ context.Context, _ *options, args []string) error {
		if args[0] == local.SettingsSchema {
			return writeSchema(w, local.Schema())
		}
		data, err := config.Schema(args[0])
		if err != nil {
			return err
		}
		_, err = w.Out.Write(data)
		return err
	})
	return group("schema", "List and print the JSON Schemas of the project file", false, list, get)
}

// writeSchema prints a schema as config.Schema lays it out.
func writeSchema(w World, schema map[string]any) error {
	e := json.NewEncoder(w.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(schema)
}
