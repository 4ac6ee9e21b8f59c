// Command skiff is the inner loop of Kubernetes development: you save a file, and the change is running.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/skiff-dev/skiff/internal/cli"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		// The first signal ends the session in good order, a second one at once.
		<-signals
		os.Exit(130)
	}()
	code := cli.Main(ctx, cli.OS())
	cancel()
	os.Exit(code)
}
