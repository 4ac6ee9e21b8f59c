// Package cli is the command line: flags and files go in, the rooms are wired and run, an exit code comes out.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/skiff-dev/skiff/internal/diag"
	show "github.com/skiff-dev/skiff/internal/term"
)

// World is all that a command takes from outside, as values: a test hands in its own.
type World struct {
	Args     []string // without the program's name
	Dir      string   // working folder, absolute
	In       io.Reader
	Out      io.Writer                   // results, and the progress of a session
	Err      io.Writer                   // failures and remarks
	Getenv   func(string) (string, bool) // the environment
	Environ  func() []string             // all of it, as NAME=value
	Terminal bool                        // Out is a terminal that shows colours
	Width    int                         // of that terminal, 0 when unknown
	Home     string                      // the user's home folder, "" when unknown
	Host     string                      // the machine's name
	State    string                      // where skiff keeps what it may forget: caches
}

// OS is the world of this process.
func OS() World {
	w := World{Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.LookupEnv, Environ: os.Environ}
	w.Dir, _ = os.Getwd()
	w.Home, _ = os.UserHomeDir()
	w.Host, _ = os.Hostname()
	if w.Terminal = term.IsTerminal(int(os.Stdout.Fd())); w.Terminal {
		w.Width, _, _ = term.GetSize(int(os.Stdout.Fd()))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		w.State = filepath.Join(cache, "skiff")
	} else {
		w.State = filepath.Join(os.TempDir(), "skiff")
	}
	return w
}

// env is one variable, "" when it is not set.
func (w World) env(name string) string {
	value, _ := w.Getenv(name)
	return value
}

// path is name as an absolute path.
func (w World) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(w.Dir, name)
}

// Main runs the command that the arguments name and returns the exit code of the process; docs/errors.md lists the codes.
func Main(ctx context.Context, w World) int {
	err := run(ctx, w)
	if err != nil && !errors.Is(err, context.Canceled) && !errors.As(err, new(told)) {
		fmt.Fprint(w.Err, show.Failure(err, w.Dir))
	}
	return diag.Exit(err)
}

// told is an error that the session has already shown; only its exit code is left to use.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

func run(ctx context.Context, w World) error {
	env, err := readEnvFile(w)
	if err != nil {
		return err
	}
	w.Getenv = env
	if line := strings.Fields(w.env("SKAFFOLD_CMDLINE")); len(w.Args) == 0 && len(line) > 0 {
		w.Args = line
	}
	// Libraries of Kubernetes log to standard error by themselves, over what the user reads; errors reach us as values.
	klog.SetLogger(logr.Discard())
	root := newRoot(w)
	root.SetArgs(w.Args)
	root.SetOut(w.Out)
	root.SetErr(w.Err)
	root.SetIn(w.In)
	return root.ExecuteContext(ctx)
}

func newRoot(w World) *cobra.Command {
	root := &cobra.Command{
		Use:   "skiff",
		Short: "The inner loop of Kubernetes development: you save a file, and the change is running",
		Long: `skiff reads the skaffold.yaml that a project already has and takes the same command line.
It needs no docker, kubectl, helm or kustomize on the machine.

Every flag can also be set in the environment: --default-repo is SKAFFOLD_DEFAULT_REPO.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Sprintf("%s --help", cmd.CommandPath()), err)
	})
	root.AddCommand(
		newDev(w), newRun(w), newBuild(w), newRender(w), newFilter(w), newDeploy(w), newApply(w), newDelete(w),
		newTest(w), newVerify(w), newExec(w),
		newDiagnose(w), newImages(w), newVersion(w), newFix(w), newFindConfigs(w), newSchema(w), newConfig(w), newInspect(w), newLint(w), newExplain(w), newWhy(w),
	)
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		wrapArgs(cmd)
	}
	return root
}

// laterCommands are Skaffold's that are not there yet.
var laterCommands = []string{"debug", "init", "lsp"}

// wrapArgs makes a wrong number of arguments, or an unknown command, a fault of the command line with its exit code.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			if cmd.Root() == cmd && len(args) > 0 && slices.Contains(laterCommands, args[0]) {
				return usage("skiff --help lists the commands that are there", fmt.Errorf("the command %q of Skaffold is not supported yet", args[0]))
			}
			if cmd.Root() == cmd && len(args) > 0 {
				return usage(suggest(cmd, args[0]), fmt.Errorf("unknown command %q", args[0]))
			}
			return usage(cmd.CommandPath()+" --help", err)
		}
		return nil
	}
}

func suggest(root *cobra.Command, name string) string {
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return fmt.Sprintf("did you mean %q? skiff --help lists the commands", near[0])
	}
	return "skiff --help lists the commands"
}

func usage(hint string, err error) error {
	e := diag.Errorf(hint, "%s", err)
	e.Code = diag.CodeUsage
	return e
}
