package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/settings"
)

// settingsFlags are the flags of the commands that read and change the user's settings.
type settingsFlags struct {
	file, kubeContext   string
	global, all, survey bool
}

func newConfig(w World) *cobra.Command {
	return group("config", "Show and change what holds for all your projects", false, newConfigList(w), newConfigSet(w), newConfigUnset(w))
}

func newConfigList(w World) *cobra.Command {
	f := &settingsFlags{}
	cmd := &cobra.Command{Use: "list", Short: "Show the settings of the kube context", Long: "Shows the settings of the current kube context, or of the one that is named. --global shows those of all contexts, --all the whole file."}
	cmd = settingsCommand(w, cmd, f, func(file *settings.File, place string, _ []string) error {
		data, err := file.YAML(place)
		if f.all {
			data, err = file.All()
		}
		if err != nil || len(data) == 0 {
			return err
		}
		_, err = fmt.Fprintf(w.Out, "skaffold config: %s\n%s", f.path(w), data)
		return err
	})
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "show the whole file")
	return cmd
}

func newConfigSet(w World) *cobra.Command {
	f := &settingsFlags{}
	cmd := &cobra.Command{Use: "set KEY VALUE", Short: "Give a setting a value", Args: cobra.ExactArgs(2), Example: "  skiff config set default-repo registry.example.com/me\n  skiff config set --global insecure-registries localhost:5000"}
	return settingsCommand(w, cmd, f, func(file *settings.File, place string, args []string) error {
		if err := file.Set(place, f.key(args[0]), args[1]); err != nil {
			return err
		}
		if err := f.save(w, file); err != nil {
			return err
		}
		fmt.Fprintln(w.Out, f.told("set", args[0]+" to "+args[1], place))
		return nil
	})
}

func newConfigUnset(w World) *cobra.Command {
	f := &settingsFlags{}
	cmd := &cobra.Command{Use: "unset KEY", Short: "Take a setting back", Args: cobra.ExactArgs(1)}
	return settingsCommand(w, cmd, f, func(file *settings.File, place string, args []string) error {
		if err := file.Unset(place, f.key(args[0])); err != nil {
			return err
		}
		if err := f.save(w, file); err != nil {
			return err
		}
		fmt.Fprintln(w.Out, f.told("unset", args[0], place))
		return nil
	})
}

// settingsCommand makes cmd a command on the settings of one place: a kube context, or "" for all of them.
func settingsCommand(w World, cmd *cobra.Command, f *settingsFlags, work func(file *settings.File, place string, args []string) error) *cobra.Command {
	plainCommand(w, cmd, "kubeconfig", func(_ context.Context, o *options, args []string) error {
		place := ""
		if !f.global && !f.all && !f.survey {
			var err error
			if place, err = f.place(w, o); err != nil {
				return err
			}
		}
		if f.path(w) == "" {
			return usage("name the file with --config", errors.New("the home folder is not known"))
		}
		file, err := settings.Open(f.path(w))
		if err != nil {
			return diag.WithCode(diag.CodeConfig, err)
		}
		return work(file, place, args)
	})
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "config", "c", "", "file of the settings (default ~/.skaffold/config)")
	flags.StringVarP(&f.kubeContext, "kube-context", "k", "", "the kube context that the setting is for (default the current one)")
	flags.BoolVarP(&f.global, "global", "g", false, "the setting is for all kube contexts")
	flags.BoolVarP(&f.survey, "survey", "s", false, "the setting is one of Skaffold's survey, which skiff does not have")
	return cmd
}

// path is the file of the settings, "" when it is not known.
func (f *settingsFlags) path(w World) string {
	if f.file != "" {
		return w.path(f.file)
	}
	return settingsPath(w)
}

// settingsPath is where the user's settings are, "" when the home folder is not known.
func settingsPath(w World) string {
	if w.Home == "" {
		return ""
	}
	return filepath.Join(w.Home, ".skaffold", "config")
}

// save writes the file in one step, so that no reader sees half of it.
func (f *settingsFlags) save(w World, file *settings.File) error {
	data, err := file.All()
	if err != nil {
		return err
	}
	path := f.path(w)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("save the settings: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "config-*")
	if err != nil {
		return fmt.Errorf("save the settings: %w", err)
	}
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("save the settings: %w", err), os.Remove(tmp.Name()))
	}
	return nil
}

// place is the kube context that the command is about.
func (f *settingsFlags) place(w World, o *options) (string, error) {
	if f.kubeContext != "" {
		return f.kubeContext, nil
	}
	c, err := kube.Connect(kube.Options{Kubeconfig: o.kubeconfig, Getenv: w.env, Dir: w.Dir})
	if err != nil || c.Context == "" {
		return "", usage("name one with --kube-context, or pass --global", errors.New("there is no current kube context"))
	}
	return c.Context, nil
}

func (f *settingsFlags) key(name string) string {
	if f.survey {
		return "survey." + name
	}
	return name
}

func (f *settingsFlags) told(verb, what, place string) string {
	if place == "" {
		return verb + " global value " + what
	}
	return verb + " value " + what + " for context " + place
}
