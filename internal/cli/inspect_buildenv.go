package cli

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/config"
)

// buildEnv is which builder a pipeline asks for.
func buildEnv(b config.BuildConfig) string {
	switch {
	case b.Cluster != nil:
		return "cluster"
	case b.GoogleCloudBuild != nil:
		return "googleCloudBuild"
	}
	return "local"
}

func newInspectBuildEnv(w World) *cobra.Command {
	type env struct {
		Type   string `json:"type"`
		Path   string `json:"path"`
		Module string `json:"module,omitempty"`
	}
	list := newInspectList(w, "List the builders in use", "profile propagate-profiles", func(p *config.Project) any {
		envs := []env{}
		for _, c := range p.Configs {
			envs = append(envs, env{buildEnv(c.Build), c.File, c.Metadata.Name})
		}
		return map[string]any{"build_envs": envs}
	})
	var add, modify []*cobra.Command
	for _, name := range []string{"local", "googleCloudBuild", "cluster"} {
		add = append(add, newEditEnv(w, name, false))
		modify = append(modify, newEditEnv(w, name, true))
	}
	return group("build-env", "The builders of the project", false, list,
		group("add", "Add a builder to the project, or to a profile", false, add...),
		group("modify", "Change a builder of the project, or of a profile", false, modify...))
}

// envFlag is a flag that sets a value of a builder.
type envFlag struct {
	name, help string
	bare       string // the value of the flag without one
	set        func(b *config.BuildConfig, value string) error
}

// newEditEnv makes a command that writes a builder into the project file.
func newEditEnv(w World, env string, exists bool) *cobra.Command {
	short, profile, strict := "Add "+env, "", true
	if exists {
		short = "Change " + env
	}
	flags := envFlags()[env]
	var cmd *cobra.Command
	cmd = inspectCommand(w, &cobra.Command{Use: env, Short: short}, "", func(ctx context.Context, o *options, _ []string) (any, error) {
		found := false
		load := w.inspectOptions(o)
		err := config.Edit(ctx, load, func(c *config.Config, inFile bool) (bool, error) {
			b, ok := target(c, inFile, profile, exists)
			if !ok {
				return false, nil
			}
			found = true
			switch there := hasEnv(*b, env, exists); {
			case there && !exists:
				return false, alreadyThere(env, c, profile)
			case !there && exists && strict:
				return false, notThere(env, c, profile)
			case !there && exists:
				return false, nil
			}
			only(b, env)
			if profile != "" && !exists {
				activate(c, profile)
			}
			return true, apply(cmd, flags, b)
		})
		if err == nil && !found && profile != "" {
			err = named{fmt.Errorf("no config has a profile %q: add it with add", profile), "INSPECT_PROFILE_NOT_FOUND_ERR"}
		}
		return nil, err
	})
	f := cmd.Flags()
	f.StringVarP(&profile, "profile", "p", "", "the profile that gets the builder (default the project itself)")
	if exists {
		f.BoolVar(&strict, "strict", true, "fail where the builder is not configured")
	}
	for _, flag := range flags {
		f.String(flag.name, "", flag.help)
		f.Lookup(flag.name).NoOptDefVal = flag.bare
	}
	return cmd
}

// target is the build block to change, and whether this config is concerned. Without a profile only the file itself is.
func target(c *config.Config, inFile bool, profile string, exists bool) (*config.BuildConfig, bool) {
	if profile == "" {
		return &c.Build, inFile
	}
	at := slices.IndexFunc(c.Profiles, func(p *config.Profile) bool { return p.Name == profile })
	if at < 0 {
		if exists {
			return nil, false
		}
		c.Profiles = append(c.Profiles, &config.Profile{Name: profile})
		at = len(c.Profiles) - 1
	}
	return &c.Profiles[at].Build, true
}

// hasEnv tells whether the builder is configured; one that is written without settings may still be added.
func hasEnv(b config.BuildConfig, env string, exists bool) bool {
	blocks := map[string]any{"local": b.Local, "googleCloudBuild": b.GoogleCloudBuild, "cluster": b.Cluster}
	block := reflect.ValueOf(blocks[env])
	return !block.IsNil() && (exists || !block.Elem().IsZero())
}

// only makes the builder the only one: a pipeline has one.
func only(b *config.BuildConfig, env string) {
	was := *b
	b.Local, b.GoogleCloudBuild, b.Cluster = nil, nil, nil
	switch env {
	case "local":
		if b.Local = was.Local; b.Local == nil {
			b.Local = &config.LocalBuild{}
		}
	case "googleCloudBuild":
		if b.GoogleCloudBuild = was.GoogleCloudBuild; b.GoogleCloudBuild == nil {
			b.GoogleCloudBuild = &config.GoogleCloudBuild{}
		}
	case "cluster":
		if b.Cluster = was.Cluster; b.Cluster == nil {
			b.Cluster = &config.ClusterBuild{}
		}
	}
}

// activate makes the configs that are required here switch the new profile on together with this one.
func activate(c *config.Config, profile string) {
	for _, r := range c.Requires {
		if r.Git != nil {
			continue // a repository of others need not have it
		}
		at := slices.IndexFunc(r.ActiveProfiles, func(p *config.ActiveProfile) bool { return p.Name == profile })
		if at < 0 {
			r.ActiveProfiles = append(r.ActiveProfiles, &config.ActiveProfile{Name: profile, ActivatedBy: []string{profile}})
		} else if p := r.ActiveProfiles[at]; !slices.Contains(p.ActivatedBy, profile) {
			p.ActivatedBy = append(p.ActivatedBy, profile)
		}
	}
}

// apply puts in what the command line says.
func apply(cmd *cobra.Command, flags []envFlag, b *config.BuildConfig) error {
	for _, flag := range flags {
		if f := cmd.Flags().Lookup(flag.name); f.Changed && f.Value.String() != "" {
			if err := flag.set(b, f.Value.String()); err != nil {
				return usage(cmd.CommandPath()+" --help", fmt.Errorf("--%s=%s: %w", flag.name, f.Value, err))
			}
		}
	}
	return nil
}

func textFlag(name, help string, at func(*config.BuildConfig) *string) envFlag {
	return envFlag{name, help, "", func(b *config.BuildConfig, value string) error { *at(b) = value; return nil }}
}

func truthFlag(name, help string, put func(*config.BuildConfig, bool)) envFlag {
	return envFlag{name, help, "true", func(b *config.BuildConfig, value string) error {
		truth, err := strconv.ParseBool(value)
		put(b, truth)
		return err
	}}
}

func numberFlag(name, help string, put func(*config.BuildConfig, int)) envFlag {
	return envFlag{name, help, "", func(b *config.BuildConfig, value string) error {
		number, err := strconv.Atoi(value)
		if err == nil && number >= 0 { // -1 is "not given"
			put(b, number)
		}
		return err
	}}
}

// envFlags is the flags of every builder, under Skaffold's names.
func envFlags() map[string][]envFlag {
	type build = config.BuildConfig
	return map[string][]envFlag{
		"local": {
			numberFlag("concurrency", "how many images are built side by side; 0 is no limit", func(b *build, n int) { b.Local.Concurrency = &n }),
			truthFlag("push", "push the images", func(b *build, t bool) { b.Local.Push = &t }),
			truthFlag("tryImportMissing", "take an image from the registry instead of building it", func(b *build, t bool) { b.Local.TryImportMissing = t }),
			truthFlag("useDockerCLI", "build with the docker command", func(b *build, t bool) { b.Local.UseDockerCLI = t }),
			truthFlag("useBuildkit", "build with BuildKit", func(b *build, t bool) { b.Local.UseBuildkit = &t }),
		},
		"googleCloudBuild": {
			textFlag("projectId", "the Google Cloud project", func(b *build) *string { return &b.GoogleCloudBuild.ProjectID }),
			numberFlag("diskSizeGb", "size of the machine's disk", func(b *build, n int) { b.GoogleCloudBuild.DiskSizeGB = n }),
			textFlag("machineType", "type of the machine", func(b *build) *string { return &b.GoogleCloudBuild.MachineType }),
			textFlag("timeout", "how long a build may take", func(b *build) *string { return &b.GoogleCloudBuild.Timeout }),
			textFlag("logging", "where the logs go", func(b *build) *string { return &b.GoogleCloudBuild.Logging }),
			textFlag("logStreamingOption", "when the logs are written to storage", func(b *build) *string { return &b.GoogleCloudBuild.LogStreamingOption }),
			textFlag("workerPool", "the pool of machines", func(b *build) *string { return &b.GoogleCloudBuild.WorkerPool }),
			numberFlag("concurrency", "how many images are built side by side; 0 is no limit", func(b *build, n int) { b.GoogleCloudBuild.Concurrency = n }),
		},
		"cluster": {
			textFlag("pullSecretPath", "file with the key of the service account", func(b *build) *string { return &b.Cluster.PullSecretPath }),
			textFlag("pullSecretName", "Secret with the credentials", func(b *build) *string { return &b.Cluster.PullSecretName }),
			textFlag("pullSecretMountPath", "where the Secret is mounted", func(b *build) *string { return &b.Cluster.PullSecretMountPath }),
			textFlag("namespace", "namespace of the builds", func(b *build) *string { return &b.Cluster.Namespace }),
			textFlag("dockerConfigPath", "path of docker's config.json", func(b *build) *string { return &dockerConfig(b).Path }),
			textFlag("dockerConfigSecretName", "Secret with docker's config.json", func(b *build) *string { return &dockerConfig(b).SecretName }),
			textFlag("serviceAccount", "service account of the builds", func(b *build) *string { return &b.Cluster.ServiceAccount }),
			numberFlag("runAsUser", "number of the user that builds", func(b *build, n int) { b.Cluster.RunAsUser = &n }),
			truthFlag("randomPullSecret", "put a random ending to the Secret's name", func(b *build, t bool) { b.Cluster.RandomPullSecret = t }),
			truthFlag("randomDockerConfigSecret", "put a random ending to the name of docker's Secret", func(b *build, t bool) { b.Cluster.RandomDockerConfigSecret = t }),
			numberFlag("concurrency", "how many images are built side by side; 0 is no limit", func(b *build, n int) { b.Cluster.Concurrency = n }),
			textFlag("timeout", "how long a build may take", func(b *build) *string { return &b.Cluster.Timeout }),
		},
	}
}

func dockerConfig(b *config.BuildConfig) *config.DockerConfig {
	if b.Cluster.DockerConfig == nil {
		b.Cluster.DockerConfig = &config.DockerConfig{}
	}
	return b.Cluster.DockerConfig
}
