// Package docker deploys to the local Docker engine: images go in, each becomes a container in a network of the project's own.
package docker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// The labels of what a Target makes. The owner tells apart what several checkouts of one project run on one engine.
const (
	labelOwner   = "skiff.dev/owner"
	labelService = "skiff.dev/service"
	labelSpec    = "skiff.dev/spec"
)

// Options says for whom a Target works.
type Options struct {
	Engine  func(ctx context.Context) (*engine.Engine, error)
	Owner   string // one person's checkout
	Dir     string // the working folder; absolute
	Environ []string
	Image   func(artifact string) (ref string, ok bool) // what was built
	Follow  bool                                        // the output of containers is shown
	Settle  time.Duration                               // how long a container without a health check must live to count as running
	Sink    event.Sink
}

// Target is the engine as the place where a project runs. It keeps what it knows of one session; its methods may be called side by side,
// but Apply, Delete and Cleanup by one caller at a time.
type Target struct {
	o     Options
	owner string

	mu       sync.Mutex
	services []Service
	running  map[string]string // service -> container
	made     []string          // containers of this session
	network  bool              // it is this session's
	shown    map[string]bool   // containers whose output is followed, or will be
	due      []shown           // that Run is to follow
	wake     chan struct{}
	put      map[string]map[string]put // artifact -> path in the container -> what was synced since its image was built
	seq      uint64
}

// New is a Target that has no project yet; Use gives it one.
func New(o Options) *Target {
	sum := sha256.Sum256([]byte(o.Owner))
	return &Target{o: o, owner: hex.EncodeToString(sum[:8]), running: map[string]string{}, shown: map[string]bool{}, wake: make(chan struct{}, 1), put: map[string]map[string]put{}}
}

// Use takes a project that was loaded. What does not belong to it any more is gone after the next Apply.
func (t *Target) Use(ctx context.Context, p *config.Project) error {
	var services []Service
	for _, c := range p.Configs {
		d := c.Deploy.Docker
		if d == nil {
			continue
		}
		if d.UseCompose {
			more, err := compose(ctx, p, c, t.o)
			if err != nil {
				return err
			}
			services = append(services, more...)
			continue
		}
		for i, name := range d.Images {
			services = append(services, Service{
				Name: serviceName(name), Artifact: name, Ports: forwards(p, name), pos: c.Position("deploy", "docker", "images", i),
			})
		}
	}
	if err := unique(services); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.services = services
	return nil
}

// serviceName is how others in the network call the container of an image: by the last part of its name.
func serviceName(image string) string {
	name := kube.Repository(image)
	return name[strings.LastIndex(name, "/")+1:]
}

func unique(services []Service) error {
	seen := map[string]bool{}
	for _, s := range services {
		if seen[s.Name] {
			return &diag.Error{Pos: s.pos, What: fmt.Sprintf("two containers would be called %q", s.Name), Hint: "give the images names that end differently", Code: diag.CodeConfig}
		}
		seen[s.Name] = true
	}
	return nil
}

// forwards are the ports that the project forwards of a container, by the name of its image.
func forwards(p *config.Project, image string) []engine.Port {
	var ports []engine.Port
	for _, c := range p.Configs {
		for _, f := range c.PortForward {
			if strings.EqualFold(f.ResourceType, "container") && f.ResourceName == image {
				local := f.LocalPort
				if local == 0 {
					local = f.Port.Int
				}
				ports = append(ports, engine.Port{Container: f.Port.Int, Address: f.Address, Host: local})
			}
		}
	}
	return ports
}

// Service is one container that a project runs.
type Service struct {
	Name       string
	Artifact   string // whose image it runs; empty: Image is nobody's
	Image      string
	Entrypoint []string
	Args       []string
	Env        []string
	WorkDir    string
	User       string
	Hostname   string
	ExtraHosts []string
	Ports      []engine.Port
	Binds      []engine.Bind
	Restart    string
	Health     *engine.Health
	Container  string          // its name on the engine; empty: Name
	Needs      map[string]Need // by name: services that come before it

	pos diag.Pos
}

// Need is how far another service must have come.
type Need string

// The needs, in the words of Compose.
const (
	Started   Need = "service_started"
	Healthy   Need = "service_healthy"
	Completed Need = "service_completed_successfully"
)

// spec is the digest of all that decides about a container.
func (s Service) spec() string {
	data, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Namespace is empty: an engine has none.
func (t *Target) Namespace() string { return "" }

func (t *Target) labels() map[string]string { return map[string]string{labelOwner: t.owner} }

func (t *Target) networkName() string { return "skaffold-network-" + t.owner }

// Apply makes the containers equal to the project: one whose image and settings are as they were is left alone. The objects of the
// project's manifests have no place here.
func (t *Target) Apply(ctx context.Context, _ []*kube.Object) ([]*kube.Object, error) {
	e, err := t.o.Engine(ctx)
	if err != nil {
		return nil, err
	}
	there, err := e.Containers(ctx, t.labels())
	if err != nil {
		return nil, err
	}
	services, err := t.wanted(ctx, e)
	if err != nil {
		return nil, err
	}
	old := map[string]engine.Container{}
	for _, c := range there {
		if !slices.ContainsFunc(services, func(s Service) bool { return s.Name == c.Labels[labelService] }) {
			if err := t.discard(ctx, e, c); err != nil {
				return nil, err
			}
			continue
		}
		old[c.Labels[labelService]] = c
	}
	if err := t.ensureNetwork(ctx, e); err != nil {
		return nil, err
	}
	return nil, t.startAll(ctx, e, services, old)
}

// wanted is the services with the images that were built, and with images that are there.
func (t *Target) wanted(ctx context.Context, e *engine.Engine) ([]Service, error) {
	t.mu.Lock()
	services := slices.Clone(t.services)
	t.mu.Unlock()
	for i, s := range services {
		if s.Artifact != "" {
			ref, ok := t.o.Image(s.Artifact)
			if !ok {
				return nil, &diag.Error{Pos: s.pos, What: fmt.Sprintf("no image of %q was built", s.Artifact), Hint: "name an artifact of build.artifacts, or the image with --images"}
			}
			services[i].Image = ref
		}
		ref := services[i].Image
		if there, err := e.Exists(ctx, ref); err != nil || there {
			if err != nil {
				return nil, err
			}
			continue
		}
		if err := e.Pull(ctx, ref, func(string) {}); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, &diag.Error{Pos: s.pos, What: err.Error(), Hint: "check the image's name, and that this machine may read it", Err: err}
		}
	}
	return services, nil
}

// startAll starts what is not there as wanted, side by side, each after those it needs.
func (t *Target) startAll(ctx context.Context, e *engine.Engine, services []Service, old map[string]engine.Container) error {
	g, gctx := errgroup.WithContext(ctx)
	started := map[string]chan struct{}{}
	for _, s := range services {
		started[s.Name] = make(chan struct{})
	}
	for _, s := range services {
		g.Go(func() error {
			for name, need := range s.Needs {
				if started[name] == nil {
					continue // an optional one that is not there
				}
				select {
				case <-started[name]:
				case <-gctx.Done():
					return gctx.Err()
				}
				if err := t.reached(gctx, e, name, need); err != nil {
					return err
				}
			}
			if err := t.start(gctx, e, s, old[s.Name]); err != nil {
				return err
			}
			close(started[s.Name])
			return nil
		})
	}
	return g.Wait()
}

func (t *Target) start(ctx context.Context, e *engine.Engine, s Service, old engine.Container) error {
	spec := s.spec()
	if old.ID != "" && old.Running && old.Labels[labelSpec] == spec {
		t.note(s.Name, old.ID)
		t.o.Sink.Send(event.Applied{Object: "container/" + s.Name, Action: "unchanged"})
		return t.show(ctx, e, s, old.ID)
	}
	action := "created"
	if old.ID != "" {
		action = "configured"
		t.forget(s.Name)
		if err := e.Discard(ctx, old.ID); err != nil {
			return err
		}
	}
	labels := t.labels()
	labels[labelService], labels[labelSpec] = s.Name, spec
	o := engine.ContainerOptions{
		Name: cmp.Or(s.Container, s.Name), Image: s.Image, Health: s.Health, Entrypoint: s.Entrypoint, Args: s.Args, Env: s.Env, WorkDir: s.WorkDir, User: s.User, Hostname: s.Hostname, ExtraHosts: s.ExtraHosts, Network: t.networkName(),
		Aliases: []string{s.Name}, Labels: labels, Ports: free(s.Ports), Binds: s.Binds, Restart: s.Restart,
	}
	id, err := e.CreateNamed(ctx, o)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.made = append(t.made, id)
	t.mu.Unlock()
	if err := t.replay(ctx, e, s, id); err != nil {
		return err
	}
	if err := e.Start(ctx, id); err != nil {
		return &diag.Error{Pos: s.pos, What: fmt.Sprintf("container %q: %v", s.Name, err), Hint: "see the cause", Err: err}
	}
	t.note(s.Name, id)
	t.o.Sink.Send(event.Applied{Object: "container/" + s.Name, Action: action})
	return t.show(ctx, e, s, id)
}

func (t *Target) note(service, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running[service] = id
}

// forget makes the end of a container one that was wanted.
func (t *Target) forget(service string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, service)
}

func (t *Target) ensureNetwork(ctx context.Context, e *engine.Engine) error {
	_, err := e.CreateNetwork(ctx, t.networkName(), t.labels())
	if errors.Is(err, engine.ErrNameTaken) {
		return nil
	}
	if err == nil {
		t.mu.Lock()
		t.network = true
		t.mu.Unlock()
	}
	return err
}

func (t *Target) discard(ctx context.Context, e *engine.Engine, c engine.Container) error {
	t.forget(c.Labels[labelService])
	if err := e.Discard(ctx, c.ID); err != nil {
		return err
	}
	t.o.Sink.Send(event.Applied{Object: "container/" + c.Labels[labelService], Action: "deleted"})
	return nil
}

// Delete takes away all containers of the project that run for this checkout, and their network.
func (t *Target) Delete(ctx context.Context, _ []*kube.Object, dryRun bool) ([]kube.ID, error) {
	e, err := t.o.Engine(ctx)
	if err != nil {
		return nil, err
	}
	there, err := e.Containers(ctx, t.labels())
	if err != nil {
		return nil, err
	}
	var gone []kube.ID
	for _, c := range there {
		gone = append(gone, kube.ID{Kind: "container", Name: c.Labels[labelService]})
		if dryRun {
			continue
		}
		if err := t.discard(ctx, e, c); err != nil {
			return gone, err
		}
	}
	if dryRun {
		return gone, nil
	}
	return gone, e.RemoveNetwork(ctx, t.networkName())
}

// Cleanup takes away the containers that this session made, and the network if it made that.
func (t *Target) Cleanup(ctx context.Context) error {
	t.mu.Lock()
	made, network := t.made, t.network
	clear(t.running)
	t.mu.Unlock()
	if len(made) == 0 && !network {
		return nil
	}
	e, err := t.o.Engine(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, id := range made {
		g.Go(func() error { return e.Discard(gctx, id) })
	}
	if err := g.Wait(); err != nil || !network {
		return err
	}
	return e.RemoveNetwork(ctx, t.networkName())
}
