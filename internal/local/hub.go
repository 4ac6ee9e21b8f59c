package local

import (
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/skiff-dev/skiff/internal/kube"
)

// hub is the latest state of every unit as a pod, and those who follow it.
type hub struct {
	mu      sync.Mutex
	pods    map[string]*corev1.Pod
	changed chan struct{} // closed at the next change
	watches []*watch
}

// watch is what one follower has not been told yet.
type watch struct {
	queue []kube.PodEvent
	more  chan struct{}
}

// put publishes a pod. A deleted one is published for the last time.
func (h *hub) put(pod *corev1.Pod, deleted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pods == nil {
		h.pods = map[string]*corev1.Pod{}
	}
	name := pod.Namespace + "/" + pod.Name
	h.pods[name] = pod
	if deleted {
		delete(h.pods, name)
	}
	for _, w := range h.watches {
		w.add(kube.PodEvent{Pod: pod, Deleted: deleted})
	}
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

func (w *watch) add(e kube.PodEvent) {
	w.queue = append(w.queue, e)
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// next is closed at the next change of any pod.
func (h *hub) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.changed
}

// WatchPods tells fn of every unit as a pod, first those that are there, then each change, until ctx ends. Namespaces do not divide
// one machine, so they are not looked at.
func (t *Target) WatchPods(ctx context.Context, _ []string, fn func(kube.PodEvent)) error {
	h := &t.pods
	w := &watch{more: make(chan struct{}, 1)}
	h.mu.Lock()
	for _, pod := range h.pods {
		w.add(kube.PodEvent{Pod: pod})
	}
	h.watches = append(h.watches, w)
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.watches = slices.DeleteFunc(h.watches, func(other *watch) bool { return other == w })
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.more:
		}
		h.mu.Lock()
		events := w.queue
		w.queue = nil
		h.mu.Unlock()
		for _, e := range events {
			fn(e)
		}
	}
}

// pod is the unit as a pod that a cluster would show. The caller holds its lock.
func (u *unitRun) pod() *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: u.unit.Name, Namespace: u.unit.Namespace, Labels: u.unit.Labels, UID: types.UID("local/" + u.unit.Object)},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: loopback, HostIP: loopback},
	}
	ready := corev1.ConditionTrue
	for _, p := range u.unit.Processes {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: p.Container, Image: p.Image})
		status := u.states[p.Container].status(p)
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
		if !status.Ready {
			ready = corev1.ConditionFalse
		}
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	return pod
}

// status is a process as the status of a container.
func (s *state) status(p Process) corev1.ContainerStatus {
	c := corev1.ContainerStatus{Name: p.Container, Image: p.Image, Ready: s.ready, RestartCount: int32(s.starts - 1), Started: &s.running}
	var ended *corev1.ContainerStateTerminated
	if s.ended != "" {
		ended = &corev1.ContainerStateTerminated{ExitCode: int32(s.exit.Code), ContainerID: s.ended}
		if s.exit.Signal != "" {
			ended.Reason = s.exit.Signal
		}
		if s.exit.Code < 0 {
			ended.ExitCode = 137 // as a container that a signal ended
			if s.exit.Signal == "terminated" {
				ended.ExitCode = 143
			}
		}
	}
	switch {
	case s.running:
		c.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(s.since)}
		c.LastTerminationState.Terminated = ended
	case s.over:
		c.State.Terminated = ended
	case s.waits:
		c.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
		c.LastTerminationState.Terminated = ended
	default:
		c.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
		c.LastTerminationState.Terminated = ended
	}
	return c
}
