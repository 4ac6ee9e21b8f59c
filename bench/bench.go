// Command bench runs the real skiff against the cluster of KUBECONFIG and measures it: flags go in, a table and a JSON file come
// out. It judges nothing: the targets and the numbers of Skaffold stand beside what was measured. It must run on the cluster's
// only node, because the clock of a save is the container's own file system.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// options is the command line.
type options struct {
	out, skiff     string
	file           string
	only           []string
	saves, builds  int
	files, bursts  int
	rounds, runs   int
	manifests      int
	folders, inOne int
	settle, idle   time.Duration
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&o.out, "o", "dist/bench.json", "where the JSON goes")
	f.StringVar(&o.skiff, "skiff", "", "the skiff to measure (default: built from this checkout)")
	f.StringVar(&only, "only", "", "only these measures, separated by commas: "+strings.Join(names(), ","))
	f.IntVar(&o.builds, "builds", 15, "rebuild: how many saves on each road")
	f.IntVar(&o.saves, "saves", 200, "sync: how many saves")
	f.StringVar(&o.file, "file", "app.py", "sync: which file; unused.py is one that does not make Flask start anew")
	f.IntVar(&o.files, "files", 500, "burst: how many files at once")
	f.IntVar(&o.bursts, "bursts", 3, "burst: how often")
	f.IntVar(&o.rounds, "rounds", 5, "warm, local, services: how many sessions or rounds; deploy: how many unchanged runs, and rollouts")
	f.IntVar(&o.manifests, "manifests", 30, "deploy: how many saves of a manifest")
	f.IntVar(&o.folders, "folders", 5000, "idle: how many folders")
	f.IntVar(&o.inOne, "per-folder", 10, "idle: how many files in each")
	f.DurationVar(&o.settle, "settle", 10*time.Second, "idle: rest before measuring")
	f.DurationVar(&o.idle, "idle", 20*time.Second, "idle: how long is measured")
	f.IntVar(&o.runs, "runs", 20, "start, load: how often each command")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	for name := range strings.SplitSeq(only, ",") {
		if name == "" {
			continue
		}
		if !slices.Contains(names(), name) {
			return o, fmt.Errorf("-only=%s: choose of %s", name, strings.Join(names(), ","))
		}
		o.only = append(o.only, name)
	}
	return o, nil
}

// measure is one function that measures, and what it needs.
type measure struct {
	name    string
	cluster bool
	run     func(context.Context, *lab) (Result, error)
}

func measures() []measure {
	return []measure{
		{"sync", true, measureSync},
		{"burst", true, measureBurst},
		{"rebuild", true, measureRebuild},
		{"builds", true, measureBuilds},
		{"warm", true, measureWarm},
		{"deploy", true, measureDeploy},
		{"idle", true, measureIdle},
		{"start", false, measureStart},
		{"load", false, measureLoad},
		{"go", false, measureGo},
		{"local", false, measureLocal},
		{"services", false, measureServices},
	}
}

func names() []string {
	var all []string
	for _, m := range measures() {
		all = append(all, m.name)
	}
	return all
}

// lab is what the measures work with.
type lab struct {
	options
	root  string // the checkout
	tmp   string // deleted at the end
	skiff string // the binary
	log   io.Writer
	*site // nil when no measure needs the cluster
}

func run(ctx context.Context, args []string, out, log io.Writer) (err error) {
	o, err := parse(args, log)
	if err != nil {
		return err
	}
	l, err := newLab(ctx, o, log)
	if err != nil {
		return err
	}
	defer os.RemoveAll(l.tmp)
	chosen := slices.DeleteFunc(measures(), func(m measure) bool { return len(o.only) > 0 && !slices.Contains(o.only, m.name) })
	if slices.ContainsFunc(chosen, func(m measure) bool { return m.cluster }) {
		if l.site, err = openSite(ctx); err != nil {
			return err
		}
		defer l.site.close(ctx)
	}
	report := Report{Time: time.Now().UTC(), Machine: machine(), Skiff: l.version(ctx)}
	for _, m := range chosen {
		fmt.Fprintf(log, "measuring %s\n", m.name)
		result, failed := m.run(ctx, l)
		result.Name = m.name
		if failed != nil {
			result.Err = failed.Error()
			err = errors.Join(err, fmt.Errorf("measure %s: %w", m.name, failed))
		}
		report.Results = append(report.Results, result)
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Fprint(out, report.Table())
	return errors.Join(err, report.write(o.out))
}

// newLab makes the folder that all measures share, and builds skiff if none is named.
func newLab(ctx context.Context, o options, log io.Writer) (*lab, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "examples", "flask")); err != nil {
		return nil, fmt.Errorf("run it in the checkout's first folder: %w", err)
	}
	tmp, err := os.MkdirTemp("", "skiff-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{options: o, root: root, tmp: tmp, log: log}
	if o.skiff != "" {
		l.skiff, err = filepath.Abs(o.skiff)
		return l, err
	}
	l.skiff = filepath.Join(tmp, "skiff")
	if runtime.GOOS == "windows" {
		l.skiff += ".exe"
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", l.skiff, "./cmd/skiff")
	build.Stdout, build.Stderr = log, log
	if err := build.Run(); err != nil {
		os.RemoveAll(tmp)
		return nil, fmt.Errorf("build skiff: %w", err)
	}
	return l, nil
}

// version is what the measured binary says of itself.
func (l *lab) version(ctx context.Context) string {
	text, _ := exec.CommandContext(ctx, l.skiff, "version").Output()
	return strings.TrimSpace(string(text))
}

func (r Report) write(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}
