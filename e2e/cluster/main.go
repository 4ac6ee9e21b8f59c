// Command cluster sets up, starts and stops a real one-node Kubernetes on a Debian machine, with a registry, DNS, a Docker
// engine and base images made offline, for skiff's end-to-end tests, benchmarks and demo.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: cluster COMMAND     (as root, on Debian)

  up       installs what is missing, starts the cluster and fills it with the base images; leaves alone what already runs
  down     stops what up started and removes the state of the cluster; what was built stays for the next up
  status   says which parts run; exit code 1 if one does not
  setup    installs the Debian packages and builds the Kubernetes binary and the base images, but starts nothing
  images   puts the base images into the running registry and the running engine

All it keeps is in one folder: $SKIFF_E2E_HOME, or skiff-e2e in the user's cache folder.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err == nil {
		return
	}
	// The steps have told their own failures already.
	if !errors.Is(err, errTold) {
		fmt.Fprintln(os.Stderr, "cluster:", err)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("one command is needed\n%s", usage)
	}
	commands := map[string]func(context.Context, *cluster) error{
		"up": up, "down": down, "status": status, "setup": setup, "images": images,
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root; run it by sudo, or set E2E_KUBECONTEXT to test against one of yours")
	}
	c, err := newCluster(os.Getenv)
	if err != nil {
		return err
	}
	if args[0] != "status" {
		unlock, err := c.lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
	}
	return command(ctx, c)
}
