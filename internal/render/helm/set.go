package helm

import (
	"fmt"
	"os"

	helmvalues "helm.sh/helm/v4/pkg/cli/values"
	"helm.sh/helm/v4/pkg/strvals"
)

// setters are the single values in helm's order: JSON, --set, --set-string, --set-file, --set-literal.
func setters(o *helmvalues.Options) []func(map[string]any) error {
	var all []func(map[string]any) error
	add := func(flag string, texts []string, set func(string, map[string]any) error) {
		for _, text := range texts {
			all = append(all, func(to map[string]any) error {
				if err := set(text, to); err != nil {
					// The text may hold a secret; its key is enough.
					return fmt.Errorf("%s: %w", flag, err)
				}
				return nil
			})
		}
	}
	add("--set-json", o.JSONValues, strvals.ParseJSON)
	add("setValues", o.Values, strvals.ParseInto)
	add("--set-string", o.StringValues, strvals.ParseIntoString)
	add("setFiles", o.FileValues, func(text string, to map[string]any) error {
		return strvals.ParseIntoFile(text, to, func(path []rune) (any, error) {
			data, err := os.ReadFile(string(path))
			return string(data), err
		})
	})
	add("--set-literal", o.LiteralValues, strvals.ParseLiteralInto)
	return all
}
