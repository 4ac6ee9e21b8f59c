package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

func newInspect(w World) *cobra.Command {
	return group("inspect", "Answer the questions of editors and scripts about a project, as JSON", true,
		group("modules", "The modules of the project", false, newInspectModules(w), newAddRequirements(w)),
		group("profiles", "The profiles of the project", false, newInspectProfiles(w)),
		newInspectBuildEnv(w),
		group("tests", "The tests of the project", false, newInspectTests(w)),
		group("namespaces", "Where the objects of a manifest go", false, newInspectNamespaces(w)),
		newInspectJobs(w),
		group("executionModes", "Where the checks and actions run", false, newInspectModes(w)),
		group("config-dependencies", "What the project requires", false, newAddRequirements(w)),
	)
}

// inspectCommand makes a command whose answer, or failure, is JSON on standard output.
func inspectCommand(w World, cmd *cobra.Command, flags string, work func(context.Context, *options, []string) (any, error)) *cobra.Command {
	format := ""
	plainCommand(w, cmd, "filename module kubeconfig kube-context remote-cache-dir sync-remote-cache "+flags, func(ctx context.Context, o *options, args []string) error {
		answer, err := work(ctx, o, args)
		if err != nil {
			// The answer to a script is on standard output, whatever it is; a second one for people would only disturb.
			return errors.Join(told{err}, json.NewEncoder(w.Out).Encode(failureOf(err)))
		}
		if answer == nil {
			return nil
		}
		return json.NewEncoder(w.Out).Encode(answer)
	})
	cmd.Flags().StringVarP(&format, "format", "o", "json", "json is the only one")
	return cmd
}

// failure is an error in Skaffold's shape.
type failure struct {
	ErrorCode    string `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`
}

// named is an error with one of Skaffold's names.
type named struct {
	error
	name string
}

func (n named) Unwrap() error { return n.error }

func failureOf(err error) failure {
	f := failure{ErrorCode: "INSPECT_UNKNOWN_ERR", ErrorMessage: err.Error()}
	var n named
	switch {
	case errors.As(err, &n):
		f.ErrorCode = n.name
	case errors.Is(err, fs.ErrNotExist):
		f.ErrorCode = "CONFIG_FILE_NOT_FOUND_ERR"
	case diag.Kind(err) == diag.CodeConfig:
		f.ErrorCode = "CONFIG_FILE_PARSING_ERR"
	}
	return f
}

// inspectOptions is how a project is loaded to be asked about: as written, without profiles that switch themselves on.
func (w World) inspectOptions(o *options) config.Options {
	s := &session{World: w, options: o, command: "inspect", bus: &event.Bus{}}
	return config.Options{
		File: o.filename, Dir: w.Dir, Stdin: w.In, Command: "inspect", Profiles: o.profiles, NoPropagateProfiles: !o.propagateProfiles,
		Modules: o.modules, KubeContext: s.currentContext, KubeContextGiven: o.kubeContext != "", KubeNamespace: s.currentNamespace,
		Fetch: w.clones(o, "inspect").fetch, Download: download, RelativePaths: true, Getenv: w.Getenv,
	}
}

// newInspectList makes a command that answers from the loaded project.
func newInspectList(w World, short, flags string, answer func(p *config.Project) any) *cobra.Command {
	return inspectCommand(w, &cobra.Command{Use: "list", Short: short}, flags, func(ctx context.Context, o *options, _ []string) (any, error) {
		p, err := config.Load(ctx, w.inspectOptions(o))
		if err != nil {
			return nil, err
		}
		return answer(p), nil
	})
}

func newInspectModules(w World) *cobra.Command {
	type module struct {
		Name     string `json:"name"`
		Path     string `json:"path"`
		IsRemote bool   `json:"isRemote,omitempty"`
		IsRoot   bool   `json:"isRoot,omitempty"`
	}
	unnamed := false
	cmd := newInspectList(w, "List the modules that --module can name", "", func(p *config.Project) any {
		list := []module{}
		for _, c := range p.Configs {
			m := module{c.Metadata.Name, c.File, c.Remote, c.File == p.File}
			if m.Name == "" {
				if !unnamed {
					continue
				}
				m.Name = fmt.Sprintf("__config_%d", c.Index)
			}
			list = append(list, m)
		}
		return map[string]any{"modules": list}
	})
	cmd.Flags().BoolVarP(&unnamed, "all", "a", false, "list modules without a name as well")
	return cmd
}

func newInspectProfiles(w World) *cobra.Command {
	type profile struct {
		Name   string `json:"name"`
		Path   string `json:"path"`
		Module string `json:"module,omitempty"`
	}
	env := ""
	cmd := newInspectList(w, "List the profiles that --profile can name", "", func(p *config.Project) any {
		list := []profile{}
		for _, c := range p.Configs {
			for _, one := range c.Profiles {
				if env == "" || buildEnv(one.Build) == env {
					list = append(list, profile{one.Name, c.File, c.Metadata.Name})
				}
			}
		}
		return map[string]any{"profiles": list}
	})
	cmd.Flags().StringVar(&env, "build-env", "", "only profiles that build with local, googleCloudBuild or cluster")
	return cmd
}

func newInspectTests(w World) *cobra.Command {
	type structureTest struct {
		TestType          string   `json:"testType"`
		StructureTest     string   `json:"structureTest"`
		StructureTestArgs []string `json:"structureTestArgs"`
	}
	type dependencies struct {
		Command       string
		Paths, Ignore []string
	}
	// The keys in capitals are those that Skaffold has there.
	type customTest struct {
		TestType       string `json:"testType"`
		Command        string
		TimeoutSeconds int
		Dependencies   *dependencies
	}
	return newInspectList(w, "List the tests of the images", "profile propagate-profiles", func(p *config.Project) any {
		list := []any{}
		for _, c := range p.Configs {
			for _, t := range c.Test {
				for _, one := range t.Custom {
					test := customTest{"custom-test", one.Command, one.TimeoutSeconds, nil}
					if d := one.Dependencies; d != nil {
						test.Dependencies = &dependencies{d.Command, d.Paths, d.Ignore}
					}
					list = append(list, test)
				}
				for _, one := range t.StructureTests {
					list = append(list, structureTest{"structure-test", one, t.StructureTestsArgs})
				}
			}
		}
		return map[string]any{"tests": list}
	})
}

func newInspectModes(w World) *cobra.Command {
	mode := func(m config.ExecutionMode) string {
		if m.KubernetesCluster != nil {
			return "kubernetesCluster"
		}
		return "local"
	}
	return newInspectList(w, "List where each check and each action runs", "profile propagate-profiles", func(p *config.Project) any {
		verify, actions := map[string]string{}, map[string]string{}
		for _, c := range p.Configs {
			for _, v := range c.Verify {
				verify[v.Name] = mode(v.ExecutionMode)
			}
			for _, a := range c.CustomActions {
				actions[a.Name] = mode(a.ExecutionMode)
			}
		}
		return map[string]any{"verifyExecutionModes": verify, "customActionsExecutionModes": actions}
	})
}

func newInspectNamespaces(w World) *cobra.Command {
	type place struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	}
	cmd := &cobra.Command{Use: "list MANIFEST", Short: "List the namespaces that the Deployments of a rendered manifest go to", Args: cobra.ExactArgs(1)}
	return inspectCommand(w, cmd, "profile propagate-profiles", func(ctx context.Context, o *options, args []string) (any, error) {
		data, err := readFile(w, args[0])
		if err != nil {
			return nil, err
		}
		objects, err := kube.ReadObjects(args[0], data)
		if err != nil {
			return nil, err
		}
		p, err := config.Load(ctx, w.inspectOptions(o))
		if err != nil {
			return nil, err
		}
		fallback, found := namespaceOf(p), map[string][]place{}
		for _, object := range objects {
			if object.GetAPIVersion() != "apps/v1" || object.GetKind() != "Deployment" {
				continue
			}
			namespace := object.GetNamespace()
			if namespace == "" {
				namespace = fallback
			}
			kind := object.GroupVersionKind().String()
			found[kind] = append(found[kind], place{object.GetName(), namespace})
		}
		return map[string]any{"resourceToInfoMap": found}, nil
	})
}

// namespaceOf is where objects without a namespace go, as far as the project says it.
func namespaceOf(p *config.Project) string {
	byDefault, byFlag := "default", ""
	for _, c := range p.Configs {
		k := c.Deploy.Kubectl
		if k == nil {
			continue
		}
		if k.DefaultNamespace != nil && *k.DefaultNamespace != "" {
			byDefault = *k.DefaultNamespace
		}
		for _, flags := range [][]string{k.Flags.Global, k.Flags.Apply} {
			if n := namespaceFlag(flags); n != "" {
				byFlag = n
			}
		}
	}
	if byFlag != "" {
		return byFlag
	}
	return byDefault
}

// namespaceFlag is the value of -n or --namespace, "" where the flags have neither.
func namespaceFlag(flags []string) string {
	words := strings.Fields(strings.Join(flags, " "))
	for i, word := range words {
		name, value, joined := strings.Cut(word, "=")
		if !slices.Contains([]string{"-n", "--namespace"}, name) {
			continue
		}
		if joined {
			return value
		}
		if i+1 < len(words) {
			return words[i+1]
		}
	}
	return ""
}
