package dev

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// podWatch is the one watch of pods that everything in the session shares.
type podWatch struct {
	namespaces []string
	stop       context.CancelFunc
	selection  atomic.Pointer[kube.Selection]
}

// containerKey names a container in a pod, across its restarts.
type containerKey struct{ namespace, pod, container string }

// rendered is told what a pass is about to deploy: from now on these are our pods. It runs within the pass; passes never overlap.
func (l *loop) rendered(ctx context.Context, objects []*kube.Object, selection *kube.Selection) {
	l.pods.selection.Store(selection)
	l.Syncer.Select(selection)
	for _, f := range l.Faces {
		f.Deployed(objects, selection)
	}
	namespaces := selection.Namespaces()
	if l.pods.stop != nil && slices.Equal(l.pods.namespaces, namespaces) {
		return
	}
	if l.pods.stop != nil {
		l.pods.stop()
	}
	l.pods.namespaces = namespaces
	ctx, l.pods.stop = context.WithCancel(ctx)
	l.group.Go(func() error {
		err := l.Pods.WatchPods(ctx, namespaces, func(e kube.PodEvent) { l.pod(ctx, e) })
		if err != nil && ctx.Err() == nil {
			l.Sink.Send(event.Failed{Err: fmt.Errorf("watch pods: %w", err)})
		}
		return nil
	})
}

// pod hands one pod to everything that follows pods, and looks whether it stays alive. Only the watch calls it.
func (l *loop) pod(ctx context.Context, e kube.PodEvent) {
	l.Syncer.Pod(e)
	for _, f := range l.Faces {
		f.Pod(e)
	}
	selection := l.pods.selection.Load()
	members := selection.Members(e.Pod)
	for _, m := range members {
		key := containerKey{e.Pod.Namespace, e.Pod.Name, m.Container}
		was := l.exits[key]
		if e.Deleted || e.Pod.DeletionTimestamp != nil {
			delete(l.exits, key)
			continue
		}
		now := lastExit(e.Pod, m.Container)
		if now == was {
			continue
		}
		l.exits[key] = now
		crashed := Crashed{Artifact: m.Artifact, Crashing: l.anyCrashing(e.Pod, members, m.Artifact)}
		if now.id != was.id && now.code != 0 && was.seen {
			crashed.Err = died(e.Pod, m.Container, now)
		}
		l.send(ctx, crashed)
	}
}

// exit is how a container last ended.
type exit struct {
	seen     bool   // the container was looked at; what it did before is not our session's
	crashing bool   // it does not stay alive
	id       string // of the instance that ended; "" when none has
	code     int32
	reason   string
}

// lastExit is how the container last ended, and whether it is dead now.
func lastExit(pod *corev1.Pod, container string) exit {
	e := exit{seen: true}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name != container {
			continue
		}
		ended := s.State.Terminated
		if ended == nil {
			ended = s.LastTerminationState.Terminated
		}
		if ended != nil {
			e.id, e.code, e.reason = ended.ContainerID, ended.ExitCode, ended.Reason
		}
		// The kubelet waits before it starts the container again, or it has ended with a fault.
		e.crashing = s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff" ||
			s.State.Terminated != nil && s.State.Terminated.ExitCode != 0
	}
	return e
}

// anyCrashing is whether a container of the artifact in this pod does not stay alive.
func (l *loop) anyCrashing(pod *corev1.Pod, members []kube.Member, artifact string) bool {
	return slices.ContainsFunc(members, func(m kube.Member) bool {
		return m.Artifact == artifact && l.exits[containerKey{pod.Namespace, pod.Name, m.Container}].crashing
	})
}

func died(pod *corev1.Pod, container string, e exit) error {
	how := fmt.Sprintf("exit code %d", e.code)
	if e.reason != "" && e.reason != "Error" {
		how += " (" + e.reason + ")"
	}
	hint := "its last words are in the log above; save what mends it"
	return diag.Errorf(hint, "container %q of pod/%s ended with %s", container, pod.Name, how)
}
