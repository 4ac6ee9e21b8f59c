// Command skiff is the inner loop of Kubernetes development: you save a file, and the change is running.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/skiff-dev/skiff/internal/cli"
)

// samePress is how close two signals come from one press of Ctrl-C.
const samePress = 250 * time.Millisecond

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		// The first signal ends the session in good order, a second one at once. A wrapper that hands on what the terminal has
		// already sent to the whole group makes two of one key.
		for first := time.Now(); ; {
			<-signals
			if time.Since(first) > samePress {
				os.Exit(130)
			}
		}
	}()
	code := cli.Main(ctx, cli.OS())
	cancel()
	os.Exit(code)
}
