package filesync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/util/exec"

	"github.com/skiff-dev/skiff/internal/kube"
)

// target is a container and what it runs.
type target struct {
	namespace, pod, container string
	artifact, image           string
	lazy                      bool // no channel is opened ahead
}

func (t target) String() string {
	return fmt.Sprintf("container %q of pod %s/%s", t.container, t.namespace, t.pod)
}

// host starts commands in one container and waits for all of them in the end.
type host struct {
	cluster Cluster
	target  target
	wg      *sync.WaitGroup
}

// process is a command that runs in a container and reads what is written to stdin.
type process struct {
	stdin *io.PipeWriter
	kill  context.CancelCauseFunc
	dead  chan struct{} // closed when the command has ended
	err   error         // how, once dead is closed
}

func (h host) start(ctx context.Context, stdout, stderr io.Writer, command ...string) *process {
	// The end of the session closes stdin, which ends the command; a cut connection would leave that to the node.
	ctx, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	r, w := io.Pipe()
	p := &process{stdin: w, kill: kill, dead: make(chan struct{})}
	h.wg.Go(func() {
		defer close(p.dead)
		defer kill(nil)
		p.err = h.cluster.Exec(ctx, kube.Exec{
			Namespace: h.target.namespace, Pod: h.target.pod, Container: h.target.container,
			Command: command, Stdin: r, Stdout: stdout, Stderr: stderr,
		})
		if cause := context.Cause(ctx); cause != nil {
			p.err = cause
		}
		r.CloseWithError(io.ErrClosedPipe)
	})
	return p
}

// farewell is how long a command has to end after its stdin is closed.
const farewell = 300 * time.Millisecond

func (p *process) close() {
	p.stdin.Close()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-p.dead:
	case <-timer.C:
		p.kill(errEnded)
	}
}

// failure is how the process ended, never nil.
func (p *process) failure() error {
	if p.err != nil {
		return p.err
	}
	return errors.New("the command ended early")
}

// run runs a short command to its end.
func (h host) run(ctx context.Context, command ...string) (string, error) {
	var text tail
	err := h.cluster.Exec(ctx, kube.Exec{
		Namespace: h.target.namespace, Pod: h.target.pod, Container: h.target.container,
		Command: command, Stdout: &text, Stderr: &text,
	})
	return text.String(), err
}

// removeAtOnce keeps one command line well below what a kernel takes.
const removeAtOnce = 200

func (h host) remove(ctx context.Context, paths []string) error {
	for len(paths) > 0 {
		n := min(len(paths), removeAtOnce)
		text, err := h.run(ctx, append([]string{"rm", "-rf", "--"}, paths[:n]...)...)
		if err != nil {
			return refusal(h.target, text, err)
		}
		paths = paths[n:]
	}
	return nil
}

// missing says that the container has no such program: runtimes tell it as an exit code or in words.
func missing(err error) bool {
	if err == nil {
		return false
	}
	if code, ok := exitCode(err); ok {
		return code == 126 || code == 127
	}
	text := err.Error()
	return strings.Contains(text, "executable file not found") || strings.Contains(text, "no such file or directory")
}

func exitCode(err error) (int, bool) {
	var e exec.CodeExitError
	if errors.As(err, &e) {
		return e.Code, true
	}
	return 0, false
}

// tail keeps the last part of what a command writes. Two streams may write at once.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 4 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// String is the text without the newline at its end.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
