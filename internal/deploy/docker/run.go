package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// shown is a container whose output is to be followed.
type shown struct{ service, artifact, id string }

// lastLines is how much of its output a container that died is quoted with.
const lastLines = 10

// free gives a port that is taken on this machine to the engine to choose, as forwards of a cluster do.
func free(ports []engine.Port) []engine.Port {
	ports = slices.Clone(ports)
	for i, p := range ports {
		if p.Host == 0 || p.Protocol == "udp" {
			continue
		}
		address := p.Address
		if address == "" {
			address = "127.0.0.1"
		}
		l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(p.Host)))
		if err != nil {
			ports[i].Host = 0
			continue
		}
		_ = l.Close()
	}
	return ports
}

// show tells where the ports of a container are, and has its output followed. A container is shown once.
func (t *Target) show(ctx context.Context, e *engine.Engine, s Service, id string) error {
	t.mu.Lock()
	known := t.shown[id]
	t.shown[id] = true
	if !known && t.o.Follow {
		t.due = append(t.due, shown{s.Name, s.Artifact, id})
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	t.mu.Unlock()
	if known || len(s.Ports) == 0 {
		return nil
	}
	c, err := e.Container(ctx, id)
	if err != nil {
		return err
	}
	for _, p := range c.Ports {
		t.o.Sink.Send(event.Forward{Resource: "container/" + s.Name, RemotePort: p.Container, Address: p.Address, LocalPort: p.Host})
	}
	return nil
}

// Run follows the output of containers and tells of those that die, until ctx ends.
func (t *Target) Run(ctx context.Context) error {
	e, err := t.o.Engine(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return e.Watch(gctx, t.labels(), nil, func(id, what string) {
			if what == "die" {
				t.died(gctx, e, id)
			}
		})
	})
	g.Go(func() error {
		for {
			select {
			case <-gctx.Done():
				return gctx.Err()
			case <-t.wake:
			}
			t.mu.Lock()
			due := t.due
			t.due = nil
			t.mu.Unlock()
			for _, s := range due {
				g.Go(func() error { return t.output(gctx, e, s) })
			}
		}
	})
	err = g.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// output hands on what a container writes, also after the engine has started it again.
func (t *Target) output(ctx context.Context, e *engine.Engine, s shown) error {
	out := &logLines{to: func(line string) {
		t.o.Sink.Send(event.Log{Pod: s.service, Container: s.service, Artifact: s.artifact, Time: time.Now(), Line: line})
	}}
	if err := e.Follow(ctx, s.id, out, out); err != nil && ctx.Err() == nil {
		t.o.Sink.Send(event.Note{Warn: true, Text: fmt.Sprintf("container %s: %v", s.service, err)})
	}
	return nil
}

// died tells of a container that ended by itself.
func (t *Target) died(ctx context.Context, e *engine.Engine, id string) {
	t.mu.Lock()
	name := ""
	for service, running := range t.running {
		if running == id {
			name = service
		}
	}
	t.mu.Unlock()
	c, err := e.Container(ctx, id)
	if name == "" || err != nil || c.Running || c.Exit == 0 {
		return
	}
	t.o.Sink.Send(event.Failed{Err: diag.WithCode(diag.CodeReady, t.explain(ctx, e, name, c))})
}

// explain says why a container does not run, with the end of its output.
func (t *Target) explain(ctx context.Context, e *engine.Engine, name string, c engine.Container) error {
	what := fmt.Sprintf("container %q ended with exit code %d", name, c.Exit)
	if c.Error != "" {
		what += ": " + c.Error
	}
	var buf bytes.Buffer
	_ = e.Follow(ctx, c.ID, &buf, &buf) // without its output the exit code has to do
	lines := strings.Split(strings.TrimRight(buf.String(), "\n"), "\n")
	if text := strings.Join(lines[max(0, len(lines)-lastLines):], "\n"); text != "" {
		what += "\n" + text
	}
	return &diag.Error{Pos: t.pos(name), What: what, Hint: "its last lines are above"}
}

func (t *Target) pos(service string) diag.Pos {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.services {
		if s.Name == service {
			return s.pos
		}
	}
	return diag.Pos{}
}

// reached waits until a service has come as far as another one needs it.
func (t *Target) reached(ctx context.Context, e *engine.Engine, name string, need Need) error {
	t.mu.Lock()
	id := t.running[name]
	t.mu.Unlock()
	switch need {
	case Completed:
		code, err := e.Exit(ctx, id)
		if err == nil && code != 0 {
			err = t.explain(ctx, e, name, engine.Container{ID: id, Exit: code})
		}
		return err
	case Healthy:
		return t.watched(ctx, e, func(ctx context.Context, changes *bell) error { return t.await(ctx, e, name, changes) })
	}
	return nil
}

// watched does work that is told of everything that happens to the containers.
func (t *Target) watched(ctx context.Context, e *engine.Engine, work func(ctx context.Context, changes *bell) error) error {
	ctx, cancel := context.WithCancel(ctx)
	changes := newBell()
	var watch errgroup.Group
	listening := make(chan struct{})
	watch.Go(func() error {
		return e.Watch(ctx, t.labels(), func() { close(listening) }, func(string, string) { changes.ring() })
	})
	defer func() {
		cancel()
		_ = watch.Wait() // it ends with ctx
	}()
	<-listening
	return work(ctx, changes)
}

// Wait returns when every container runs: one whose image has a health check when that is good, any other when it has lived for a
// while. It says why one does not.
func (t *Target) Wait(ctx context.Context, _ []*kube.Object) error {
	e, err := t.o.Engine(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	var names []string
	for name := range t.running {
		names = append(names, name)
	}
	t.mu.Unlock()
	slices.Sort(names)
	return t.watched(ctx, e, func(ctx context.Context, changes *bell) error {
		g, gctx := errgroup.WithContext(ctx)
		for _, name := range names {
			g.Go(func() error { return t.await(gctx, e, name, changes) })
		}
		return g.Wait()
	})
}

func (t *Target) await(ctx context.Context, e *engine.Engine, name string, changes *bell) error {
	start := time.Now()
	settled := time.NewTimer(t.o.Settle)
	defer settled.Stop()
	for {
		next := changes.next()
		t.mu.Lock()
		id := t.running[name]
		t.mu.Unlock()
		c, err := e.Container(ctx, id)
		if errors.Is(err, engine.ErrNoContainer) {
			return diag.Errorf("deploy again", "container %q was removed by somebody else", name)
		}
		if err != nil {
			return err
		}
		switch {
		case !c.Running && c.Exit != 0, c.Health == "unhealthy":
			return t.explain(ctx, e, name, c)
		case c.Health == "healthy", !c.Running, c.Health == "" && time.Since(start) >= t.o.Settle:
			t.o.Sink.Send(event.Ready{Object: "container/" + name, Took: time.Since(start)})
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		case <-settled.C:
		}
	}
}

// bell wakes everybody who waits for the next change.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBell() *bell { return &bell{ch: make(chan struct{})} }

func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

// WatchPods waits until ctx ends: an engine has no pods.
func (t *Target) WatchPods(ctx context.Context, _ []string, _ func(kube.PodEvent)) error {
	<-ctx.Done()
	return ctx.Err()
}

// logLines is a writer that hands on whole lines.
type logLines struct {
	mu   sync.Mutex
	part bytes.Buffer
	to   func(line string)
}

var _ io.Writer = (*logLines)(nil)

// Write takes the next piece.
func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part.Write(p)
	for {
		i := bytes.IndexByte(l.part.Bytes(), '\n')
		if i < 0 {
			return len(p), nil
		}
		l.to(strings.TrimRight(string(l.part.Next(i+1)), "\r\n"))
	}
}
