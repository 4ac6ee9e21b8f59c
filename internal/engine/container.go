package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/skiff-dev/skiff/internal/diag"
)

// ErrNameTaken is a container or network name that another one has.
var ErrNameTaken = errors.New("the name is taken")

// Port is a port of a container that this machine can reach.
type Port struct {
	Container int    // of the container
	Protocol  string // "tcp" (also when empty), "udp"
	Address   string // of this machine; empty: 127.0.0.1
	Host      int    // on this machine; 0: the engine chooses
}

// Bind is a folder or file of this machine, or a volume of the engine, that a container sees.
type Bind struct {
	Source, Target string // absolute
	ReadOnly       bool
	Volume         bool // Source is the name of a volume, which is made when it is not there
}

// Health is a command that an engine runs in a container to see whether it is well.
type Health struct {
	Test                           []string // "CMD" and the command, "CMD-SHELL" and a line, or "NONE"
	Interval, Timeout, StartPeriod time.Duration
	Retries                        int
}

// ContainerOptions is one container to be made. Image is needed; the rest may be empty.
type ContainerOptions struct {
	Name       string
	Image      string   // must be in the engine
	Entrypoint []string // nil: the image's
	Args       []string // nil: the image's
	Env        []string // NAME=value
	WorkDir    string
	User       string
	Hostname   string
	ExtraHosts []string // NAME:ADDRESS
	Network    string
	Aliases    []string // more names in that network
	Labels     map[string]string
	Ports      []Port
	Binds      []Bind
	Health     *Health // nil: the image's
	Restart    string  // "no" (also when empty), "on-failure", "always", "unless-stopped"
}

// Pull fetches an image from its registry; out gets the engine's progress lines.
func (e *Engine) Pull(ctx context.Context, ref string, out func(line string)) error {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return fmt.Errorf("pull %q: %w", ref, err)
	}
	header, err := e.authHeader(reference.Domain(named))
	if err != nil {
		return fmt.Errorf("pull %s: %w", ref, err)
	}
	stream, err := e.client.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: header})
	if err != nil {
		return pullFailed(ref, e.unreachable(ctx, err))
	}
	defer stream.Close()
	err = readMessages(stream, func(m message) error {
		if m.Error != nil {
			return errors.New(strings.TrimSpace(m.Error.Message))
		}
		if line := statusLine(m); line != "" {
			out(line)
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return pullFailed(ref, err)
	}
	return nil
}

func pullFailed(ref string, err error) error {
	if errors.As(err, new(*diag.Error)) {
		return err // no engine answers
	}
	return diag.Errorf("check the image's name, and that this machine may read it", "pull %s: %w", ref, err)
}

// Create makes a container, which Start starts, and returns its ID. A name that is taken is ErrNameTaken.
func (e *Engine) Create(ctx context.Context, o ContainerOptions) (string, error) {
	exposed, bindings, err := portBindings(o.Ports)
	if err != nil {
		return "", err
	}
	config := &container.Config{
		Image: o.Image, Entrypoint: o.Entrypoint, Cmd: o.Args, Env: o.Env, WorkingDir: o.WorkDir, User: o.User, Hostname: o.Hostname, Labels: o.Labels, ExposedPorts: exposed,
	}
	if h := o.Health; h != nil {
		config.Healthcheck = &container.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
	}
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(o.Network), PortBindings: bindings, ExtraHosts: o.ExtraHosts,
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(o.Restart)},
	}
	for _, b := range o.Binds {
		kind := mount.TypeBind
		if b.Volume {
			kind = mount.TypeVolume
		}
		host.Mounts = append(host.Mounts, mount.Mount{Type: kind, Source: b.Source, Target: b.Target, ReadOnly: b.ReadOnly})
	}
	var networks *network.NetworkingConfig
	if o.Network != "" && len(o.Aliases) > 0 {
		networks = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{o.Network: {Aliases: o.Aliases}}}
	}
	made, err := e.client.ContainerCreate(ctx, client.ContainerCreateOptions{Name: o.Name, Config: config, HostConfig: host, NetworkingConfig: networks})
	switch {
	case cerrdefs.IsConflict(err):
		return "", fmt.Errorf("container %s: %w", o.Name, ErrNameTaken)
	case cerrdefs.IsNotFound(err):
		return "", fmt.Errorf("container of %s: %w", o.Image, ErrNotFound)
	case err != nil:
		return "", fmt.Errorf("make a container of %s: %w", o.Image, e.unreachable(ctx, err))
	}
	return made.ID, nil
}

// CreateNamed makes a container like Create; where its name is taken it gets a number behind it.
func (e *Engine) CreateNamed(ctx context.Context, o ContainerOptions) (string, error) {
	name := o.Name
	if len(name) == 1 {
		name = "container-" + name // the engine wants two letters at least
	}
	o.Name = name
	for i := 1; ; i++ {
		id, err := e.Create(ctx, o)
		if !errors.Is(err, ErrNameTaken) || i > 100 {
			return id, err
		}
		o.Name = name + "-" + strconv.Itoa(i)
	}
}

func portBindings(ports []Port) (network.PortSet, network.PortMap, error) {
	exposed, bindings := network.PortSet{}, network.PortMap{}
	for _, p := range ports {
		protocol := p.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		port, err := network.ParsePort(strconv.Itoa(p.Container) + "/" + strings.ToLower(protocol))
		if err != nil {
			return nil, nil, fmt.Errorf("port %d: %w", p.Container, err)
		}
		address := p.Address
		if address == "" {
			address = "127.0.0.1"
		}
		ip, err := netip.ParseAddr(address)
		if err != nil {
			return nil, nil, fmt.Errorf("address of port %d: %w", p.Container, err)
		}
		exposed[port] = struct{}{}
		host := ""
		if p.Host > 0 {
			host = strconv.Itoa(p.Host)
		}
		bindings[port] = append(bindings[port], network.PortBinding{HostIP: ip, HostPort: host})
	}
	return exposed, bindings, nil
}

// Start starts a container.
func (e *Engine) Start(ctx context.Context, id string) error {
	if _, err := e.client.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start the container: %w", e.unreachable(ctx, err))
	}
	return nil
}

// Follow hands on what a container writes, from its first line to its end; stderr tells the streams apart.
func (e *Engine) Follow(ctx context.Context, id string, stdout, stderr io.Writer) error {
	stream, err := e.client.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		return fmt.Errorf("read the output of the container: %w", e.unreachable(ctx, err))
	}
	defer stream.Close()
	if _, err := stdcopy.StdCopy(stdout, stderr, stream); err != nil && ctx.Err() == nil {
		return fmt.Errorf("read the output of the container: %w", err)
	}
	return ctx.Err()
}

// Exit waits until a container has ended, and returns its exit code.
func (e *Engine) Exit(ctx context.Context, id string) (int, error) {
	wait := e.client.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case end := <-wait.Result:
		if end.Error != nil {
			return int(end.StatusCode), errors.New(end.Error.Message)
		}
		return int(end.StatusCode), nil
	case err := <-wait.Error:
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, fmt.Errorf("wait for the container: %w", e.unreachable(ctx, err))
	}
}

// Discard ends a container by force and takes it away with its anonymous volumes; one that is gone is no error.
func (e *Engine) Discard(ctx context.Context, id string) error {
	_, err := e.client.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove the container: %w", e.unreachable(ctx, err))
	}
	return nil
}

// CreateNetwork makes a network in which containers find each other by name, and returns its ID. A name that is taken is ErrNameTaken.
func (e *Engine) CreateNetwork(ctx context.Context, name string, labels map[string]string) (string, error) {
	// Engines let several networks have one name, and then refuse to use any of them.
	there, err := e.client.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("name", name)})
	if err != nil {
		return "", fmt.Errorf("list networks: %w", e.unreachable(ctx, err))
	}
	for _, n := range there.Items {
		if n.Name == name {
			return "", fmt.Errorf("network %s: %w", name, ErrNameTaken)
		}
	}
	made, err := e.client.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels})
	if cerrdefs.IsConflict(err) {
		return "", fmt.Errorf("network %s: %w", name, ErrNameTaken)
	}
	if err != nil {
		return "", fmt.Errorf("make the network %s: %w", name, e.unreachable(ctx, err))
	}
	return made.ID, nil
}

// RemoveNetwork takes a network away; one that is gone is no error.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	if _, err := e.client.NetworkRemove(ctx, id, client.NetworkRemoveOptions{}); err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove the network: %w", e.unreachable(ctx, err))
	}
	return nil
}
