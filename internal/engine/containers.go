package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// ErrNoContainer is a container that is not there, or not any more.
var ErrNoContainer = errors.New("no such container")

// Container is what an engine knows of a container.
type Container struct {
	ID      string
	Name    string
	Image   string // as it was named when the container was made
	Labels  map[string]string
	Running bool
	Exit    int    // of its last run
	Health  string // "starting", "healthy", "unhealthy"; empty when the image has no check
	Error   string // why it did not start
	Ports   []Port // those that this machine reaches, with the port that the engine chose
}

// Containers lists the containers that have all of the labels, also those that do not run; none of them has Health, Exit or Error.
func (e *Engine) Containers(ctx context.Context, labels map[string]string) ([]Container, error) {
	found, err := e.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: labelFilter(labels)})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", e.unreachable(ctx, err))
	}
	var all []Container
	for _, c := range found.Items {
		one := Container{ID: c.ID, Image: c.Image, Labels: c.Labels, Running: c.State == container.StateRunning}
		if len(c.Names) > 0 {
			one.Name = strings.TrimPrefix(c.Names[0], "/")
		}
		all = append(all, one)
	}
	return all, nil
}

func labelFilter(labels map[string]string) client.Filters {
	f := client.Filters{}
	for name, value := range labels {
		if value != "" {
			name += "=" + value
		}
		f.Add("label", name)
	}
	return f
}

// Container looks at one container; one that is not there is ErrNoContainer.
func (e *Engine) Container(ctx context.Context, id string) (Container, error) {
	found, err := e.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return Container{}, ErrNoContainer
	}
	if err != nil {
		return Container{}, fmt.Errorf("look at the container: %w", e.unreachable(ctx, err))
	}
	in := found.Container
	c := Container{ID: in.ID, Name: strings.TrimPrefix(in.Name, "/")}
	if in.Config != nil {
		c.Image, c.Labels = in.Config.Image, in.Config.Labels
	}
	if s := in.State; s != nil {
		c.Running, c.Exit, c.Error = s.Running, s.ExitCode, s.Error
		if s.Health != nil && s.Health.Status != container.NoHealthcheck {
			c.Health = string(s.Health.Status)
		}
	}
	if in.NetworkSettings != nil {
		for port, bindings := range in.NetworkSettings.Ports {
			for _, b := range bindings {
				host, _ := strconv.Atoi(b.HostPort)
				c.Ports = append(c.Ports, Port{Container: int(port.Num()), Protocol: string(port.Proto()), Address: b.HostIP.String(), Host: host})
			}
		}
	}
	return c, nil
}

// Watch tells of everything that happens to the containers with the labels, from now on, until ctx ends: their IDs and what
// happened ("start", "die", "destroy", "health_status: healthy").
func (e *Engine) Watch(ctx context.Context, labels map[string]string, ready func(), fn func(id, what string)) error {
	stream := e.client.Events(ctx, client.EventsListOptions{Filters: labelFilter(labels).Add("type", "container")})
	if ready != nil {
		ready()
	}
	for {
		select {
		case m := <-stream.Messages:
			fn(m.Actor.ID, string(m.Action))
		case err := <-stream.Err:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("watch containers: %w", e.unreachable(ctx, err))
		}
	}
}

// CopyTo unpacks a tar stream into a folder of a container.
func (e *Engine) CopyTo(ctx context.Context, id, folder string, tar io.Reader) error {
	_, err := e.client.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: folder, Content: tar, AllowOverwriteDirWithFile: true})
	if cerrdefs.IsNotFound(err) {
		return ErrNoContainer
	}
	if err != nil {
		return fmt.Errorf("copy to the container: %w", e.unreachable(ctx, err))
	}
	return nil
}

// Exec runs a command in a container and returns its exit code. stdin may be nil; stdout and stderr may be the same.
func (e *Engine) Exec(ctx context.Context, id string, command []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	made, err := e.client.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: command, AttachStdin: stdin != nil, AttachStdout: true, AttachStderr: true})
	if cerrdefs.IsNotFound(err) {
		return 0, ErrNoContainer
	}
	if err != nil {
		return 0, fmt.Errorf("run %s in the container: %w", command[0], e.unreachable(ctx, err))
	}
	stream, err := e.client.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return 0, fmt.Errorf("run %s in the container: %w", command[0], e.unreachable(ctx, err))
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, stream.Close)
	defer stop()
	var g errgroup.Group
	if stdin != nil {
		g.Go(func() error {
			// A command that ends early does not read the rest; its exit code says what came of it.
			_, _ = io.Copy(stream.Conn, stdin)
			return stream.CloseWrite()
		})
	}
	_, err = stdcopy.StdCopy(stdout, stderr, stream.Reader)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("output of %s in the container: %w", command[0], err)
	}
	_ = g.Wait() // what was not written was not wanted
	end, err := e.client.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	if err != nil {
		return 0, fmt.Errorf("run %s in the container: %w", command[0], e.unreachable(ctx, err))
	}
	return end.ExitCode, nil
}
