package local

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/skiff-dev/skiff/internal/proc"
)

// hookTime is how long a hook may take; Kubernetes has no limit of its own for postStart.
const hookTime = 10 * time.Minute

// lifecycle takes over what is to be done when a container has begun and before it ends.
func (p *planner) lifecycle(d *draft, c *container) {
	if c.Lifecycle == nil {
		return
	}
	c.process.PostStart = p.hook(d, c, "postStart", c.Lifecycle.PostStart)
	if waits(c.Lifecycle.PreStop) {
		// It gives load balancers time to look away. There are none here, and every save would wait for it.
		p.find(Differs, d, c, "lifecycle", "", "preStop only waits: it is left out")
		return
	}
	c.process.PreStop = p.hook(d, c, "preStop", c.Lifecycle.PreStop)
}

// waits says whether a hook does nothing but wait.
func waits(h *corev1.LifecycleHandler) bool {
	if h == nil || h.Exec == nil {
		return h != nil && h.Sleep != nil
	}
	words := h.Exec.Command
	if len(words) == 3 && strings.HasSuffix(words[0], "sh") {
		list, simple := commands(words[2])
		if !simple || len(list) != 1 {
			return false
		}
		words = list[0]
	}
	return len(words) == 2 && (words[0] == "sleep" || strings.HasSuffix(words[0], "/sleep"))
}

func (p *planner) hook(d *draft, c *container, name string, h *corev1.LifecycleHandler) *Probe {
	switch {
	case h == nil:
		return nil
	case h.Sleep != nil:
		return &Probe{Kind: "sleep", Delay: time.Duration(h.Sleep.Seconds) * time.Second, Timeout: hookTime}
	}
	hook := p.probe(d, c, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: h.Exec, HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket}})
	if hook == nil {
		p.find(Gap, d, c, "lifecycle", "", "%s is not run", name)
		return nil
	}
	hook.Timeout = hookTime
	return hook
}

// aliases are the names that a pod wants in its hosts file.
func (p *planner) aliases(d *draft) {
	if len(d.pod.HostAliases) > 0 && !p.Host.Hosts {
		p.find(Differs, d, nil, "network", "", "hostAliases are not applied: processes have no hosts file of their own")
		return
	}
	for _, a := range d.pod.HostAliases {
		d.unit.Aliases = append(d.unit.Aliases, a.IP+" "+strings.Join(a.Hostnames, " "))
	}
}

// began does what is to be done once a process runs; false when that failed, and the process was ended for it.
func (u *unitRun) began(ctx context.Context, p Process, running *proc.Process) bool {
	if p.PostStart == nil {
		return true
	}
	err := p.PostStart.ask(ctx, u.beside(p))
	if err != nil && ctx.Err() == nil {
		u.note("container %q is restarted: postStart failed: %v", p.Container, err)
		running.Stop()
	}
	return err == nil
}

// stopping does what is to be done before a process is asked to end. That takes no longer than its grace.
func (u *unitRun) stopping(ctx context.Context, p Process) {
	if p.PreStop == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.Grace)
	defer cancel()
	if err := p.PreStop.ask(ctx, u.beside(p)); err != nil {
		u.note("container %q: preStop failed: %v", p.Container, err)
	}
}

// sidecars waits until those have started that begin after so many init processes; false when ctx ended before.
func (u *unitRun) sidecars(ctx context.Context, all []Process, after int) bool {
	for {
		changed := u.target.pods.next()
		if !slices.ContainsFunc(all, func(p Process) bool { return p.Sidecar && p.After == after && !u.started(p) }) {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (u *unitRun) started(p Process) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.states[p.Container]
	return s != nil && s.started
}

// worked closes done when the last process of a job that is not a sidecar has ended.
func (u *unitRun) worked() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.unit.Processes {
		if s := u.states[p.Container]; !p.Sidecar && !s.over {
			return
		}
	}
	u.once.Do(func() { close(u.done) })
}
