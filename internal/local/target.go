package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Options is what a Target works with.
type Options struct {
	State   string                                  // the folder for what this project has here; nothing else is in it
	Environ []string                                // what compilers see
	Host    Host                                    // what is asked of this machine
	Guard   *proc.Guard                             // starts everything
	Read    func(a *config.Artifact) (Image, error) // what the artifact's recipe says
	Strict  bool                                    // a difference to the cluster is a failure, and nothing begins
	NoWait  bool                                    // Wait is not called: Apply tells what differs
}

// Target is this machine as a place to run a project. It takes the same objects as a cluster does, and tells of its processes as pods.
type Target struct {
	Options
	sink event.Sink
	jobs chan func(context.Context)
	pods hub

	mu        sync.Mutex
	artifacts []*config.Artifact
	settings  Settings
	refs      map[string]string // reference -> artifact
	told      map[string]bool   // findings that the user has seen
	remarks   *remarks          // what is to be told when the start is over; nil: nothing

	manifests  func(context.Context) ([]*kube.Object, error) // as they are before images are put in
	byArtifact map[string][]string                           // the names of what runs an artifact; nil: not asked yet

	applying sync.Mutex // one plan at a time; guards what is below
	plan     Plan
	running  map[string]*unitRun
	proxies  proxies
}

// New makes a Target. Nothing runs before Run and Apply.
func New(o Options, sink event.Sink) *Target {
	return &Target{Options: o, sink: sink, jobs: make(chan func(context.Context)), refs: map[string]string{}, told: map[string]bool{}, running: map[string]*unitRun{}}
}

// Use takes a loaded project: its artifacts, its own settings, and how its manifests are read.
func (t *Target) Use(p *config.Project, s Settings, manifests func(context.Context) ([]*kube.Object, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Dir == "" {
		s.Dir = p.Dir
	}
	t.artifacts, t.settings, t.manifests, t.byArtifact = p.Artifacts(), s, manifests, nil
}

// ownHosts says whether processes get an /etc/hosts of their own.
func (t *Target) ownHosts() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Host.Hosts && (t.settings.Hosts == nil || *t.settings.Hosts)
}

// image is what the artifact's recipe says.
func (t *Target) image(a *config.Artifact) (Image, error) { return t.Read(a) }

// Run owns the processes: it returns when ctx has ended and all of them are gone.
func (t *Target) Run(ctx context.Context) error {
	var work sync.WaitGroup
	for {
		select {
		case <-ctx.Done():
			work.Wait()
			t.proxies.close()
			return nil
		case job := <-t.jobs:
			work.Go(func() { job(ctx) })
		}
	}
}

// Plan is what would run for these objects, with all that differs from a cluster.
func (t *Target) Plan(objects []*kube.Object) (Plan, error) {
	in, err := t.input(objects)
	return Compose(in), err
}

// input is what a plan for these objects depends on.
func (t *Target) input(objects []*kube.Object) (Input, error) {
	in := Input{Images: map[string]Image{}, Refs: map[string]string{}, Objects: objects, State: t.State, Host: t.Host}
	t.mu.Lock()
	artifacts := t.artifacts
	in.Settings = t.settings
	for ref, artifact := range t.refs {
		in.Refs[ref] = artifact
	}
	t.mu.Unlock()
	var failed error
	for _, a := range artifacts {
		img, err := t.image(a)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		in.Images[a.Image] = img
	}
	ours := t.plan.Listening()
	in.Host.Hosts = t.ownHosts()
	in.Host.Free = func(port int) bool { _, held := ours[port]; return held || t.Host.Free(port) }
	return in, failed
}

// Apply makes what runs equal to the objects. It returns those whose processes began anew. What cannot run is the error; the rest runs.
func (t *Target) Apply(ctx context.Context, objects []*kube.Object) ([]*kube.Object, error) {
	t.applying.Lock()
	defer t.applying.Unlock()
	in, err := t.input(objects)
	if err != nil {
		return nil, err
	}
	quick := in
	if !t.Strict {
		quick.Host.Lacks, quick.Host.Version = nil, nil // programs have to be started to know it
	}
	plan := Compose(quick)
	failed := plan.Failures(t.Strict)
	if t.Strict && failed != nil {
		return nil, failed
	}
	t.warn(plan.Findings)
	if err := t.network(ctx, plan); err != nil {
		failed = errors.Join(failed, err)
	}
	began, err := t.replace(ctx, plan)
	t.plan = plan
	err = errors.Join(err, t.look(ctx, in, plan))
	if failed = errors.Join(failed, err); failed != nil || t.NoWait || len(began) == 0 {
		t.differences(ctx)
	}
	var changed []*kube.Object
	for _, o := range objects {
		if slices.Contains(began, o.ID().String()) {
			changed = append(changed, o)
		}
	}
	return changed, failed
}

// network makes the Services of the plan answer.
func (t *Target) network(ctx context.Context, plan Plan) error {
	if t.ownHosts() {
		own, err := os.ReadFile("/etc/hosts")
		if err != nil {
			return fmt.Errorf("read the hosts file: %w", err)
		}
		if err := os.MkdirAll(t.State, 0o755); err != nil {
			return err
		}
		for _, u := range append([]Unit{{}}, plan.Units...) {
			// Written in place: processes that run see the file itself, whatever its name leads to later.
			if err := os.WriteFile(t.hostsFile(u), []byte(plan.HostsFile(string(own), u.Aliases...)), 0o644); err != nil {
				return err
			}
		}
	}
	var wanted []Proxy
	for _, r := range plan.Routes {
		wanted = append(wanted, r.Proxies...)
	}
	return t.proxies.set(ctx, wanted)
}

// hostsFile is the file that a unit sees as /etc/hosts: one for all, but those that want more names.
func (t *Target) hostsFile(u Unit) string {
	if !t.ownHosts() {
		return ""
	}
	if len(u.Aliases) > 0 {
		return filepath.Join(t.State, "hosts-"+fileName(strings.ReplaceAll(u.Object, "/", "-")+"."+u.Namespace))
	}
	return filepath.Join(t.State, "hosts")
}

// Put brings a changed file to where the processes of an artifact see it. Where they run among the sources it is there already. moved
// says that it had to be brought.
func (t *Target) Put(a *config.Artifact, source, remote string, deleted bool) (moved bool, err error) {
	img, err := t.image(a)
	if err != nil {
		return false, err
	}
	l := layout(img, StageDir(t.State, img.Name))
	to, known := l.Host(remote)
	if to == source {
		return false, nil
	}
	if !known || l.Staged == "" || !strings.HasPrefix(to, l.Staged+string(filepath.Separator)) {
		return false, diag.Errorf("the sync rule and the COPY step of the Dockerfile should name the same place",
			"%s is no place of image %q on this machine", remote, a.Image)
	}
	if deleted {
		return true, os.RemoveAll(to)
	}
	return true, copyFile(source, to)
}
