//go:build e2e && linux

package e2e

import (
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pair of pseudo terminals: what is written to the second is read from the first.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func TestALogPrefixHasAColourOnATerminal(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.env = append(p.env, "TERM=xterm", "NO_COLOR=")
	ours, theirs := terminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := p.command(ctx, "run", "--tail")
	cmd.Stdout, cmd.Stderr = theirs, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close() // the child has it; now its end is the end of what is read here
	out := &transcript{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, ours) // a terminal whose other side is gone reads as an error
	}()
	if !wait(t, patience, func() bool { return strings.Contains(out.String(), "m[web]\x1b[0m up") }) {
		t.Errorf("no coloured prefix:\n%q", out)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	<-done
}
