package dev

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"

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
	for _, m := range selection.Members(e.Pod) {
		if m.Artifact == "" {
			continue
		}
		key := containerKey{e.Pod.Namespace, e.Pod.Name, m.Container}
		was, now := l.crashed[key], !e.Deleted && crashing(e.Pod, m.Container)
		if now {
			l.crashed[key] = true
		} else {
			delete(l.crashed, key)
		}
		if was != now {
			l.send(ctx, Crashed{Artifact: m.Artifact, Crashing: l.anyCrashed(selection, e.Pod, m.Artifact)})
		}
	}
}

// anyCrashed is whether a container of the artifact in this pod does not stay alive.
func (l *loop) anyCrashed(selection *kube.Selection, pod *corev1.Pod, artifact string) bool {
	for _, m := range selection.Members(pod) {
		if m.Artifact == artifact && l.crashed[containerKey{pod.Namespace, pod.Name, m.Container}] {
			return true
		}
	}
	return false
}

// crashing is whether a container does not stay alive: the kubelet waits before it starts it again, or it has ended with a fault.
func crashing(pod *corev1.Pod, container string) bool {
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name != container {
			continue
		}
		if w := s.State.Waiting; w != nil {
			return w.Reason == "CrashLoopBackOff"
		}
		return s.State.Terminated != nil && s.State.Terminated.ExitCode != 0
	}
	return false
}
