package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

// readFile reads a file that an argument names.
func readFile(w World, name string) ([]byte, error) {
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		return nil, diag.Errorf("correct the path", "%w", err)
	}
	return data, nil
}

// newAddRequirements makes the command that adds entries to "requires" of every config that is selected.
func newAddRequirements(w World) *cobra.Command {
	cmd := &cobra.Command{Use: "add FILE", Short: "Add what a file lists, as JSON or YAML, to what the project requires", Args: cobra.ExactArgs(1)}
	return inspectCommand(w, cmd, "", func(ctx context.Context, o *options, args []string) (any, error) {
		data, err := readFile(w, args[0])
		if err != nil {
			return nil, err
		}
		more, err := config.ReadRequirements(args[0], data)
		if err != nil {
			return nil, err
		}
		return nil, config.Edit(ctx, w.inspectOptions(o), func(c *config.Config, _ bool) (bool, error) {
			c.Requires = append(c.Requires, more...)
			return len(more) > 0, nil
		})
	})
}

// jobs is which Job each check and each action starts from, by name.
type jobs struct {
	Verify  map[string]string `json:"verifyJobManifestPaths"`
	Actions map[string]string `json:"customActionJobManifestPaths"`
}

func newInspectJobs(w World) *cobra.Command {
	list := newInspectList(w, "List the Job that each check and each action starts from", "profile propagate-profiles", func(p *config.Project) any {
		found := jobs{map[string]string{}, map[string]string{}}
		for _, c := range p.Configs {
			for _, v := range c.Verify {
				if k := v.ExecutionMode.KubernetesCluster; k != nil && k.JobManifestPath != "" {
					found.Verify[v.Name] = k.JobManifestPath
				}
			}
			for _, a := range c.CustomActions {
				if k := a.ExecutionMode.KubernetesCluster; k != nil && k.JobManifestPath != "" {
					found.Actions[a.Name] = k.JobManifestPath
				}
			}
		}
		return found
	})
	return group("jobManifestPaths", "The Jobs that checks and actions start from", false, list, newModifyJobs(w))
}

// newModifyJobs makes the command that prints the effective configuration with other Jobs in it. The project file stays.
func newModifyJobs(w World) *cobra.Command {
	output := ""
	cmd := &cobra.Command{Use: "modify FILE", Short: "Print the effective configuration with the Jobs that a file names, as list prints them", Args: cobra.ExactArgs(1)}
	plainCommand(w, cmd, "filename module profile propagate-profiles profile-auto-activation kubeconfig kube-context remote-cache-dir sync-remote-cache", func(ctx context.Context, o *options, args []string) error {
		data, err := readFile(w, args[0])
		if err != nil {
			return err
		}
		var other jobs
		if err := json.Unmarshal(data, &other); err != nil {
			return diag.Errorf("make it with: skiff inspect jobManifestPaths list", "%s: %w", args[0], err)
		}
		load := w.inspectOptions(o)
		load.RelativePaths, load.ProfileAutoActivation = false, o.profileAutoActivation
		p, err := config.Load(ctx, load)
		if err != nil {
			return err
		}
		for _, c := range p.Configs {
			if err := withJobs(c, other); err != nil {
				return err
			}
		}
		if data, err = p.YAML(); err != nil {
			return err
		}
		if output != "" {
			return written(w.path(output), data)
		}
		_, err = w.Out.Write(data)
		return err
	})
	cmd.Flags().StringVar(&output, "output", "", "write the result to this file")
	return cmd
}

func withJobs(c *config.Config, other jobs) error {
	put := func(kind, name, path string, named bool, m config.ExecutionMode) error {
		switch {
		case !named:
			return nil
		case m.KubernetesCluster == nil:
			return diag.Errorf(`give it "executionMode: {kubernetesCluster: {}}"`, "%s %q does not run in the cluster", kind, name)
		}
		m.KubernetesCluster.JobManifestPath = path
		return nil
	}
	var errs []error
	for _, v := range c.Verify {
		path, named := other.Verify[v.Name]
		errs = append(errs, put("check", v.Name, path, named, v.ExecutionMode))
	}
	for _, a := range c.CustomActions {
		path, named := other.Actions[a.Name]
		errs = append(errs, put("action", a.Name, path, named, a.ExecutionMode))
	}
	return errors.Join(errs...)
}

// alreadyThere and notThere are what Skaffold says of a builder, with its names for the two.
func alreadyThere(env string, c *config.Config, profile string) error {
	return named{fmt.Errorf("%s is configured already%s: change it with modify, or name a new profile with --profile", env, within(c, profile)), "INSPECT_BUILD_ENV_ALREADY_EXISTS_ERR"}
}

func notThere(env string, c *config.Config, profile string) error {
	return named{fmt.Errorf("%s is not configured%s: add it with add, or pass --strict=false to leave it out", env, within(c, profile)), "INSPECT_BUILD_ENV_INCORRECT_TYPE_ERR"}
}

func within(c *config.Config, profile string) string {
	if profile == "" {
		return " in " + c.File
	}
	return fmt.Sprintf(" in profile %q of %s", profile, c.File)
}
