package filesync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
)

// road is an open channel to one container. Only one push goes over it at a time.
type road interface {
	// push returns when the container has taken the whole batch. After an error the road is of no more use.
	push(ctx context.Context, b batch) error
	// dead is closed when the other end is gone.
	dead() <-chan struct{}
	// close ends what waits in the container.
	close()
}

// The ways to put files into a container, best first: a shell that takes batch after batch, or one tar per batch that is
// started before it is needed. Which one works is found out once for each container.
func (h host) open(ctx context.Context) (road, error) {
	s, err := openStream(ctx, h)
	if err == nil {
		return s, nil
	}
	code, _ := exitCode(err)
	switch {
	case code == exitNoTar:
		return nil, noTar(h.target)
	case code != exitNoHead && !missing(err):
		return nil, err
	}
	if _, err := h.run(ctx, "tar", "--help"); err != nil {
		if missing(err) {
			return nil, noTar(h.target)
		}
		if _, ran := exitCode(err); !ran {
			return nil, err
		}
	}
	return newHeld(ctx, h), nil
}

// errFinal marks an answer that a second try will not change.
var errFinal = errors.New("")

func noTar(t target) error {
	return diag.Errorf(`the image is rebuilt instead; put tar into it ("apt-get install tar", "apk add tar", or a base image with a shell) to have its files copied`,
		"%s has no tar to copy files with%w", t, errFinal)
}

// refusal is the error for a command that ran in the container and did not do its work.
func refusal(t target, text string, err error) error {
	if text == "" {
		text = err.Error()
	}
	hint := "the image is rebuilt instead"
	low := strings.ToLower(text)
	switch {
	case strings.Contains(low, "read-only file system"):
		hint += `; mount an emptyDir there, or set readOnlyRootFilesystem to false while developing`
	case strings.Contains(low, "permission denied"), strings.Contains(low, "not permitted"), strings.Contains(low, "file exists"):
		hint += `; let the user of the container own the folder (COPY --chown), or run it as root while developing`
	case strings.Contains(low, "no space left"):
		hint += `; raise the ephemeral-storage limit, or free space on the node`
	}
	return diag.Errorf(hint, "%s: %s", t, lastLines(text, 3))
}

// lastLines leaves out what GNU tar says in the end whatever went wrong.
func lastLines(text string, n int) string {
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(text), "\n"), func(l string) bool {
		return strings.HasSuffix(l, "Exiting with failure status due to previous errors")
	})
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

// patience is how long a container may take for a batch before the link counts as dead.
func patience(b batch) time.Duration {
	const atLeast, bytesPerSecond = 10 * time.Second, 256 << 10
	return atLeast + time.Duration(len(b.tar)/bytesPerSecond)*time.Second
}

var errSilent = errors.New("no answer")

// watchdog kills the process when ctx ends or the container stays silent; call stop when the answer is there.
func (p *process) watchdog(ctx context.Context, limit time.Duration) (stop func()) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w for %s", errSilent, limit))
	end := context.AfterFunc(ctx, func() { p.kill(context.Cause(ctx)) })
	return func() { end(); cancel() }
}
