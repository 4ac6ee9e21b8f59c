package cli

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var updateCommands = flag.Bool("update-commands", false, "write docs/commands.md")

// TestThePageOfCommandsIsWhatHelpSays keeps docs/commands.md true; -update-commands writes it.
func TestThePageOfCommandsIsWhatHelpSays(t *testing.T) {
	const file = "../../docs/commands.md"
	got := commandsPage(newRoot(World{Getenv: func(string) (string, bool) { return "", false }}))
	if *updateCommands {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is old: go test ./internal/cli -run PageOfCommands -update-commands (-file +help):\n%s", file, diff)
	}
}

// flagUse is a flag with one meaning, and the commands that have it.
type flagUse struct {
	flag     *pflag.Flag
	commands []string
}

func commandsPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands and flags\n\nWhat `skiff COMMAND --help` says, on one page. This page is made by a test of `internal/cli`. Every flag can also be set in the\nenvironment: `--default-repo` is `SKAFFOLD_DEFAULT_REPO`.\n\n| command | what it does |\n|---|---|\n")
	var uses []*flagUse
	var sections strings.Builder
	walkCommands(root, func(c *cobra.Command) {
		name := strings.TrimPrefix(c.CommandPath(), root.Name()+" ")
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, c.Short)
		if c.Long != "" || c.Example != "" {
			fmt.Fprintf(&sections, "\n## %s\n\n    %s\n\n%s\n", name, c.UseLine(), c.Long)
			if c.Example != "" {
				fmt.Fprintf(&sections, "\n    %s\n", strings.ReplaceAll(strings.TrimSpace(c.Example), "\n  ", "\n    "))
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			at := slices.IndexFunc(uses, func(u *flagUse) bool {
				return u.flag.Name == f.Name && u.flag.Usage == f.Usage && u.flag.DefValue == f.DefValue
			})
			if at < 0 {
				uses = append(uses, &flagUse{flag: f})
				at = len(uses) - 1
			}
			short := strings.Join(strings.Fields(name)[:min(2, len(strings.Fields(name)))], " ")
			if !slices.Contains(uses[at].commands, short) {
				uses[at].commands = append(uses[at].commands, short)
			}
		})
	})
	b.WriteString(sections.String())
	slices.SortStableFunc(uses, func(x, y *flagUse) int { return strings.Compare(x.flag.Name, y.flag.Name) })
	b.WriteString("\n## Flags\n\n| flag | default | commands | what it does |\n|---|---|---|---|\n")
	for _, u := range uses {
		name := "`--" + u.flag.Name + "`"
		if u.flag.Shorthand != "" {
			name += ", `-" + u.flag.Shorthand + "`"
		}
		fallback := strings.TrimSpace(strings.Trim(u.flag.DefValue, "[]"))
		if fallback != "" {
			fallback = "`" + fallback + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, fallback, strings.Join(u.commands, ", "), strings.ReplaceAll(u.flag.Usage, "|", `\|`))
	}
	return b.String()
}

// walkCommands visits every command that does something, in the order of their names.
func walkCommands(c *cobra.Command, visit func(*cobra.Command)) {
	for _, kid := range c.Commands() {
		if kid.Name() == "help" || kid.Name() == "completion" {
			continue
		}
		if !kid.HasSubCommands() {
			visit(kid)
		}
		walkCommands(kid, visit)
	}
}
