package local

import (
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
)

// externals makes a unit of every server that skiff.yaml says how to start.
func (p *planner) externals() {
	for _, name := range slices.Sorted(maps.Keys(p.Settings.External)) {
		e := p.Settings.External[name]
		if e.Command == "" || !p.asked(name) {
			continue
		}
		d := &draft{external: true, object: &kube.Object{}, unit: Unit{Object: "external/" + name, Name: name, Namespace: defaultNamespace}}
		c := &container{where: d.unit.Object, moved: map[int]int{}}
		c.Name = name
		c.own = Service{Command: e.Command, Env: e.Env}
		c.process = Process{Container: name, Restart: proc.Always, Grace: proc.DefaultGrace}
		c.layout.Dir = filepath.Join(p.Settings.Dir, filepath.FromSlash(e.Dir))
		if port := p.externalPort(name, e); port != 0 {
			c.Ports = []corev1.ContainerPort{{ContainerPort: int32(port)}}
			c.process.Ready = &Probe{Kind: "tcp", Address: address(loopback, port), Period: time.Second, Timeout: time.Second, Success: 1, Failure: 3}
		}
		d.containers = []*container{c}
		p.drafts = append(p.drafts, d)
	}
}

// asked says whether the manifests use a server of this name.
func (p *planner) asked(name string) bool {
	return slices.ContainsFunc(p.Objects, func(o *kube.Object) bool {
		return (o.GetKind() == "Service" || kube.PodSpec(o) != nil) && o.GetName() == name ||
			slices.ContainsFunc(kube.Containers(o), func(c kube.Container) bool { return c.Name == name || imageName(c.Image) == name })
	})
}

// externalPort is where an external server listens: as it is said, or as the container that it stands for.
func (p *planner) externalPort(name string, e External) int {
	if e.Port != 0 {
		return e.Port
	}
	for _, o := range p.Objects {
		for _, c := range kube.Containers(o) {
			if (imageName(c.Image) == name || o.GetName() == name || c.Name == name) && len(c.Ports) > 0 {
				return c.Ports[0].Number
			}
		}
	}
	return 0
}

// externalAddress is where a Service leads to whose server skiff.yaml names.
func (p *planner) externalAddress(service *kube.Object, port int) (reach, bool) {
	names := []string{service.GetName()}
	for _, o := range p.Objects {
		labels, _ := podMeta(o)
		selector, _, _ := nestedMap(service.Object, "spec", "selector")
		if len(selector) == 0 || len(labels) == 0 || !selects(selector, labels) {
			continue
		}
		names = append(names, o.GetName())
		for _, c := range kube.Containers(o) {
			names = append(names, imageName(c.Image), c.Name)
		}
	}
	name, ok := p.Settings.external(names...)
	if !ok {
		return reach{}, false
	}
	e := p.Settings.External[name]
	to := reach{port: port, local: port, host: loopback}
	if e.Address != "" {
		host, number, err := net.SplitHostPort(e.Address)
		if err != nil {
			return reach{}, false
		}
		to.host = host
		if host == "localhost" {
			to.host = loopback
		}
		to.local, _ = strconv.Atoi(number)
		return to, true
	}
	if n := p.externalPort(name, e); n != 0 {
		to.local = n
	}
	return to, true
}
