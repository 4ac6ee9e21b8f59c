package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

func newFindConfigs(w World) *cobra.Command {
	var dir, output string
	cmd := &cobra.Command{Use: "find-configs", Short: "List the project files below a folder, with their apiVersions", Hidden: true}
	cmd = plainCommand(w, cmd, "", func(ctx context.Context, _ *options, _ []string) error {
		if !slices.Contains([]string{"table", "json"}, output) {
			return usage("choose one of: table, json", fmt.Errorf("--output=%s", output))
		}
		found, err := findConfigs(ctx, w, dir)
		if err != nil {
			return err
		}
		if output == "json" {
			e := json.NewEncoder(w.Out)
			e.SetIndent("", "\t")
			return e.Encode(found)
		}
		table := tabwriter.NewWriter(w.Out, 0, 0, 2, ' ', 0)
		for _, path := range sortedKeys(found) {
			fmt.Fprintf(table, "%s\t%s\n", path, found[path])
		}
		return table.Flush()
	})
	cmd.Flags().StringVarP(&dir, "directory", "d", ".", "folder to look in")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// findConfigs is the apiVersion of every project file below a folder, by its path as it starts with dir. Hidden folders and those
// of installed packages are left out.
func findConfigs(ctx context.Context, w World, dir string) (map[string]string, error) {
	root, versions := w.path(dir), config.Versions()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if path == root {
				return diag.Errorf("name a folder with --directory", "%w", err)
			}
			return nil // a folder that cannot be read holds no project of this user
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules") {
			return fs.SkipDir
		}
		if ext := filepath.Ext(name); !d.Type().IsRegular() || ext != ".yaml" && ext != ".yml" {
			return nil
		}
		if v := apiVersionOf(path); slices.Contains(versions, v) {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return fmt.Errorf("name %s: %w", path, err)
			}
			found[filepath.Join(dir, rel)] = v
		}
		return nil
	})
	return found, err
}

// apiVersionOf is what the first apiVersion line of a file says: a whole parse of every manifest of a large tree would take seconds.
func apiVersionOf(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(data) {
		if value, ok := bytes.CutPrefix(line, []byte("apiVersion:")); ok {
			value, _, _ = bytes.Cut(value, []byte(" #"))
			return strings.Trim(string(bytes.TrimSpace(value)), `"'`)
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
