package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// up brings everything up; see usage.
func up(ctx context.Context, c *cluster) error {
	s, err := c.newSession(ctx)
	if err != nil {
		return err
	}
	steps := append(s.preparation(), s.control()...)
	steps = append(steps, s.nodeSteps()...)
	if err := runSteps(ctx, c.tell, append(steps, s.fill()...)); err != nil {
		return err
	}
	c.tell.say("the cluster is ready")
	fmt.Fprintf(c.tell.out, "\nexport KUBECONFIG=%s\n", c.path("kubeconfig"))
	return nil
}

// setup does all that needs no running cluster.
func setup(ctx context.Context, c *cluster) error {
	s, err := c.newSession(ctx)
	if err != nil {
		return err
	}
	return runSteps(ctx, c.tell, s.preparation())
}

// images fills a registry and an engine that run.
func images(ctx context.Context, c *cluster) error {
	s, err := c.newSession(ctx)
	if err != nil {
		return err
	}
	steps := append(s.preparation(), step{"registry", []string{"settings"}, s.part(c.registryPart())})
	steps = append(steps, step{"engine", []string{"packages"}, func(ctx context.Context) (string, error) { return "", engineReady(ctx) }})
	return runSteps(ctx, c.tell, append(steps, s.fill()...))
}

// session is one run of up: what its steps learn for each other. The order of steps guards the fields, save blobs.
type session struct {
	*cluster
	kube      string    // the Kubernetes binary
	began     time.Time // when this run began
	kubeletUp bool      // this run started the kubelet
	mu        sync.Mutex
	blobs     map[string]blob
}

func (c *cluster) newSession(ctx context.Context) (*session, error) {
	kube, err := c.kubePath(ctx)
	if err != nil {
		return nil, err
	}
	return &session{cluster: c, kube: kube, began: time.Now(), blobs: map[string]blob{}}, nil
}

// part makes the body of a step of a part.
func (s *session) part(p part) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return s.run(ctx, p) }
}

// preparation needs nothing that runs: packages, the binary, settings, and the layers of the images.
func (s *session) preparation() []step {
	steps := []step{
		{"packages", nil, s.installPackages},
		{"kubernetes binary", nil, func(ctx context.Context) (string, error) { return s.buildKube(ctx, s.kube) }},
		{"settings", nil, s.settings},
		{"pause layer", nil, func(ctx context.Context) (string, error) { return s.keep(ctx, s.pauseLayer()) }},
	}
	sources := s.layerSources()
	for _, name := range []string{"busybox", "debian", "python", "go"} {
		steps = append(steps, step{name + " layer", []string{"packages"}, func(ctx context.Context) (string, error) {
			l, err := sources[name](ctx)
			if err != nil {
				return "", err
			}
			return s.keep(ctx, l)
		}})
	}
	return steps
}

// keep makes a layer for the steps that come.
func (s *session) keep(ctx context.Context, l layer) (string, error) {
	b, made, err := s.makeLayer(ctx, l)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[l.name] = b
	if !made {
		return "", nil
	}
	return fmt.Sprintf("made, %d MB", b.Size>>20), nil
}

func (s *session) settings(context.Context) (string, error) {
	if err := writeSecrets(s.path("pki"), machineAddresses()); err != nil {
		return "", err
	}
	return "", s.writeConfig(s.values(s.pauseImage()))
}

func (s *session) control() []step {
	etcd, apiserver, controllers, scheduler := s.controlPlane(s.kube)
	return []step{
		{etcd.name, []string{"kubernetes binary", "settings"}, func(ctx context.Context) (string, error) { return s.store(ctx, etcd) }},
		{apiserver.name, []string{etcd.name}, s.part(apiserver)},
		{controllers.name, []string{apiserver.name}, s.part(controllers)},
		{scheduler.name, []string{apiserver.name}, s.part(scheduler)},
		{"objects", []string{apiserver.name}, s.objects},
	}
}

func (s *session) nodeSteps() []step {
	runtime, kubelet, proxy, dns := s.nodeParts(s.kube)
	return []step{
		{"network", []string{"packages"}, openNetwork},
		{runtime.name, []string{"packages", "settings", "network"}, s.part(runtime)},
		{"pause image", []string{runtime.name, "pause layer"}, s.importPause},
		{kubelet.name, []string{"kube-apiserver", "pause image"}, func(ctx context.Context) (string, error) {
			note, err := s.run(ctx, kubelet)
			s.kubeletUp = note != "already runs"
			return note, err
		}},
		{proxy.name, []string{"kube-apiserver", "network"}, s.part(proxy)},
		{dns.name, []string{"kube-apiserver"}, s.part(dns)},
		{"node", []string{kubelet.name, proxy.name, dns.name, "objects", "kube-controller-manager", "kube-scheduler"}, s.nodeReady},
		{"registry", []string{"packages", "settings"}, s.part(s.registryPart())},
		{"engine", []string{runtime.name, "network"}, s.engine},
	}
}

// store starts etcd. It writes without waiting for the disk, so the data may be of no use after a power cut: then the cluster
// begins empty rather than not at all.
func (s *session) store(ctx context.Context, etcd part) (string, error) {
	note, err := s.run(ctx, etcd)
	if !errors.Is(err, errEnded) {
		return note, err
	}
	data := s.path("etcd")
	if err := errors.Join(removeTree(data+".broken"), os.Rename(data, data+".broken")); err != nil {
		return "", err
	}
	if _, err := s.run(ctx, etcd); err != nil {
		return "", err
	}
	return "started empty: the data could not be read and is now in " + data + ".broken", nil
}

// objects puts what clients look for into the cluster; system namespaces come a moment after the API server.
func (s *session) objects(ctx context.Context) (string, error) {
	a, err := s.api()
	if err != nil {
		return "", err
	}
	return "", until(ctx, time.Minute, func(ctx context.Context) error {
		err := a.apply(ctx, "/api/v1/namespaces/kube-public/configmaps/local-registry-hosting", registryNotice())
		if err != nil {
			return err
		}
		return a.apply(ctx, "/api/v1/namespaces/kube-system/services/kube-dns", dnsService())
	})
}

// nodeReady waits until a pod can run: the node is ready, and the account that pods run under exists.
func (s *session) nodeReady(ctx context.Context) (string, error) {
	a, err := s.api()
	if err != nil {
		return "", err
	}
	since := time.Time{}
	if s.kubeletUp {
		since = s.began
	}
	err = until(ctx, 2*time.Minute, func(ctx context.Context) error {
		n, err := a.node(ctx)
		if err != nil {
			return err
		}
		if err := n.readySince(since); err != nil {
			return err
		}
		slice := "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns-host"
		if err := a.apply(ctx, slice, dnsEndpoints(n.address())); err != nil {
			return err
		}
		_, err = a.call(ctx, "GET", "/api/v1/namespaces/default/serviceaccounts/default", nil)
		return err
	})
	if err != nil {
		return "", &partError{err, s.path("log", "kubelet.log")}
	}
	return "ready", nil
}

// importPause gives containerd the image of pod sandboxes.
func (s *session) importPause(ctx context.Context) (string, error) {
	ctr := func(args ...string) []string {
		return append([]string{"--address", runtimeSocket, "--namespace", "k8s.io", "images"}, args...)
	}
	have, err := output(ctx, "ctr", ctr("ls", "-q")...)
	if err != nil || strings.Contains(have, s.pauseImage()) {
		return "", err
	}
	config := object{"Entrypoint": []string{"/pause"}}
	image, err := makeImage(recipe{[]string{s.pauseImage()}, []string{"pause"}, config}, s.blobs)
	if err != nil {
		return "", err
	}
	archive, end := image.stream()
	defer end()
	_, err = pipe(ctx, archive, "ctr", ctr("import", "-")...)
	return "imported", err
}

// engine starts a Docker engine where none answers.
func (s *session) engine(ctx context.Context) (string, error) {
	mine, err := s.processes("dockerd")
	if err != nil {
		return "", err
	}
	if _, ours := leaderOf(mine); !ours && engineReady(ctx) == nil {
		return "one of this machine answers", nil
	}
	return s.run(ctx, s.enginePart())
}
