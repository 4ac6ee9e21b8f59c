// Package nodes brings images into the nodes of a kind or k3d cluster: the engine's images go in; every node has them, and was sent
// only the layers that it lacked.
package nodes

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
)

// Engine is what a Loader needs of the engine whose containers the nodes are.
type Engine interface {
	Containers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
	Exec(ctx context.Context, container string, command []string, stdin io.Reader, stdout, stderr io.Writer) (int, error)
	Save(ctx context.Context, ref string) (io.ReadCloser, error)
}

// Cluster is a cluster whose nodes are containers of the engine.
type Cluster struct {
	Tool string // "kind" or "k3d"
	Name string
}

var (
	kindContext = regexp.MustCompile(`^(?:kind-(.+)|(.+)@kind)$`)
	byID        = regexp.MustCompile(`:[0-9a-f]{64}$`)
	k3dContext  = regexp.MustCompile(`^k3d-(.+)$`)
)

// Named is the cluster that the name of a kube context means, if it is one of these.
func Named(kubeContext string) (Cluster, bool) {
	if m := kindContext.FindStringSubmatch(kubeContext); m != nil {
		return Cluster{"kind", m[1] + m[2]}, true
	}
	if m := k3dContext.FindStringSubmatch(kubeContext); m != nil {
		return Cluster{"k3d", m[1]}, true
	}
	return Cluster{}, false
}

// label is what the containers of the cluster bear, and role what says which of them are nodes.
func (c Cluster) label() (labels map[string]string, role string) {
	if c.Tool == "k3d" {
		return map[string]string{"k3d.cluster": c.Name}, "k3d.role"
	}
	return map[string]string{"io.x-k8s.kind.cluster": c.Name}, "io.x-k8s.kind.role"
}

// Loader loads into one cluster.
type Loader struct {
	Engine  Engine
	Cluster Cluster
	Tell    func(text string) // hears what is sent where; nil: nobody does
}

// Load sees to it that every node has the images. Where they are named by their IDs, a name that a node knows is the image; under
// any other name a node may have an older one.
func (l *Loader) Load(ctx context.Context, refs []string) error {
	names, err := full(refs)
	if err != nil || len(refs) == 0 {
		return err
	}
	found, err := l.find(ctx)
	if err != nil {
		return err
	}
	states := make([]state, len(found))
	g, gctx := errgroup.WithContext(ctx)
	for i, n := range found {
		g.Go(func() (err error) {
			states[i], err = l.ask(gctx, n)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, name := range names {
		var lack []state
		for _, s := range states {
			if !s.images[name] || !byID.MatchString(name) {
				lack = append(lack, s)
			}
		}
		if len(lack) == 0 {
			continue
		}
		if err := l.send(ctx, refs[i], name, lack); err != nil {
			return err
		}
	}
	return nil
}

// full spells references as nodes do.
func full(refs []string) ([]string, error) {
	var names []string
	for _, ref := range refs {
		named, err := reference.ParseDockerRef(ref)
		if err != nil {
			return nil, fmt.Errorf("image %q: %w", ref, err)
		}
		names = append(names, named.String())
	}
	return names, nil
}

// find are the containers that are nodes: not the balancer in front of them.
func (l *Loader) find(ctx context.Context) ([]engine.Container, error) {
	labels, role := l.Cluster.label()
	all, err := l.Engine.Containers(ctx, labels)
	if err != nil {
		return nil, err
	}
	nodes := slices.DeleteFunc(all, func(c engine.Container) bool {
		return !c.Running || !slices.Contains([]string{"control-plane", "worker", "server", "agent"}, c.Labels[role])
	})
	if len(nodes) == 0 {
		return nil, &diag.Error{
			What: fmt.Sprintf("the engine runs no node of the %s cluster %q, so images cannot be loaded into it", l.Cluster.Tool, l.Cluster.Name),
			Hint: fmt.Sprintf("use the engine that the cluster was made with (DOCKER_HOST), or push: --push, or skiff config set %s-disable-load true", l.Cluster.Tool),
			Code: diag.CodeCluster,
		}
	}
	return nodes, nil
}

// state is what a node has.
type state struct {
	engine.Container
	images, blobs map[string]bool
}

const (
	listImages = "ctr --namespace=k8s.io images ls -q"
	listBlobs  = "ctr --namespace=k8s.io content ls -q"
	importTar  = "ctr --namespace=k8s.io images import --digests=false -"
)

// ask lists a node's images and blobs.
func (l *Loader) ask(ctx context.Context, n engine.Container) (state, error) {
	s := state{Container: n, images: map[string]bool{}, blobs: map[string]bool{}}
	out, err := l.run(ctx, n, "sh -c "+listImages+" && echo && "+listBlobs, nil, []string{"sh", "-c", listImages + " && echo && " + listBlobs})
	if err != nil {
		return s, err
	}
	images, blobs, _ := strings.Cut("\n"+out, "\n\n")
	for line := range strings.Lines(images) {
		s.images[strings.TrimSpace(line)] = true
	}
	for line := range strings.Lines(blobs) {
		s.blobs[strings.TrimSpace(line)] = true
	}
	return s, nil
}

// run is what a command in a node prints.
func (l *Loader) run(ctx context.Context, n engine.Container, what string, stdin io.Reader, command []string) (string, error) {
	var out, complaints bytes.Buffer
	code, err := l.Engine.Exec(ctx, n.ID, command, stdin, &out, &complaints)
	if err != nil {
		return "", err
	}
	if code != 0 {
		return "", &diag.Error{
			What: fmt.Sprintf("node %s: %q exited with %d: %s", n.Name, what, code, strings.TrimSpace(complaints.String())), Code: diag.CodeCluster,
		}
	}
	return out.String(), nil
}

// send brings one image to the nodes that lack it, side by side.
func (l *Loader) send(ctx context.Context, ref, name string, lack []state) error {
	needed := func(digest string) bool {
		return slices.ContainsFunc(lack, func(s state) bool { return !s.blobs[digest] })
	}
	img, err := l.read(ctx, ref, needed)
	if err != nil {
		return err
	}
	defer img.close()
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range lack {
		g.Go(func() error { return l.sendTo(gctx, img, name, s) })
	}
	return g.Wait()
}

// sendTo streams to one node what it lacks of an image.
func (l *Loader) sendTo(ctx context.Context, img *saved, name string, s state) error {
	from, into := io.Pipe()
	g, gctx := errgroup.WithContext(ctx)
	var layers int
	var size int64
	g.Go(func() (err error) {
		layers, size, err = img.write(into, name, s.blobs)
		into.CloseWithError(err)
		return nil // a node that does not read on says why itself
	})
	g.Go(func() error {
		_, err := l.run(gctx, s.Container, importTar, from, strings.Fields(importTar))
		from.CloseWithError(io.ErrClosedPipe)
		return err
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("load %s: %w", name, err)
	}
	for digest := range img.blobs {
		s.blobs[digest] = true
	}
	if l.Tell != nil {
		l.Tell(fmt.Sprintf("%s: %d of %d layers (%.1f MB) to node %s", name, layers, len(img.layers), float64(size)/1e6, s.Name))
	}
	return nil
}
