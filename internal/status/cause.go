package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What ends the wait, and what does not:
//
//   - an image that cannot be pulled: when the registry says that there is none or that we may not have it, and else when
//     the kubelet has tried twice (ImagePullBackOff);
//   - a container that cannot be made (a missing ConfigMap, a bad command): at once;
//   - a container that exits with an error: when it does so again after its first restart, since a dependency may just have
//     been starting; at once where it is not restarted;
//   - no node: after 30 s, unless the cluster is adding one;
//   - a controller that may not make pods (quota, admission): after 3 s, since old pods may have to make room first;
//   - a Deployment past its own deadline, a Job that failed: when the cluster says so;
//   - a probe that fails: at the deadline, and the probe's answer is told meanwhile.

// cause looks for the reason among the pods of the newest rollout.
func (w *waiter) cause(ctx context.Context, it *item, v verdict) verdict {
	if !it.runsPods {
		return v
	}
	pods := w.podsOf(it)
	best := verdict{}
	for _, pod := range pods {
		c, ok := it.podCause(pod)
		if !ok || best.state == failed || best.reason != "" && c.state != failed || !w.newest(ctx, it, pod) {
			continue
		}
		best = c
	}
	switch {
	case best.state == failed && best.container == "" && w.scalingUp(ctx, best.pod):
		best.state, best.reason = pending, best.reason+" (the cluster is adding a node)"
	case best.reason == "" && v.state == pending:
		best = w.controllerCause(ctx, it, pods)
	}
	if best.reason == "" {
		return v
	}
	if v.state == failed {
		best.state = failed
	}
	return best
}

func (w *waiter) podsOf(it *item) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range w.pods {
		if it.mayOwn(pod) && pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		if c := b.CreationTimestamp.Compare(a.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return pods
}

// newest says whether a pod belongs to what was applied last and not to the rollout before.
func (w *waiter) newest(ctx context.Context, it *item, pod *corev1.Pod) bool {
	switch it.gvk.Kind {
	case "Deployment":
		return w.newestReplicaSet(ctx, it, pod)
	case "StatefulSet":
		want, _, _ := unstructured.NestedString(it.live.Object, "status", "updateRevision")
		return want == "" || pod.Labels["controller-revision-hash"] == want
	case "DaemonSet":
		pods := w.podsOf(it)
		return len(pods) == 0 || pod.Labels["controller-revision-hash"] == pods[0].Labels["controller-revision-hash"]
	}
	return true
}

func (w *waiter) newestReplicaSet(ctx context.Context, it *item, pod *corev1.Pod) bool {
	observed, _, _ := unstructured.NestedInt64(it.live.Object, "status", "observedGeneration")
	if observed < it.live.GetGeneration() {
		return false // the controller has not seen the change yet
	}
	const key = "deployment.kubernetes.io/revision"
	revision := it.live.GetAnnotations()[key]
	for _, ref := range pod.OwnerReferences {
		if ref.Kind != "ReplicaSet" {
			continue
		}
		cached := string(ref.UID) + "/" + revision
		is, ok := it.current[cached]
		if !ok {
			set, err := w.cluster.Typed.AppsV1().ReplicaSets(pod.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
			// Where we may not look, a pod that is there counts.
			is = err != nil || set.Annotations[key] == revision
			it.current[cached] = is
		}
		return is
	}
	return false
}

// podCause is why a pod is not ready, if that can be seen.
func (it *item) podCause(pod *corev1.Pod) (verdict, bool) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			v := verdict{reason: "no node can take the pod: " + c.Message, telling: true, pod: pod,
				hint: "lower what the pod asks for, or add a node: kubectl describe pod " + pod.Name + " -n " + pod.Namespace}
			if time.Since(it.began) > unscheduledFor {
				v.state = failed
			}
			return v, true
		}
	}
	for i, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, s := range list {
			if v, ok := it.containerCause(pod, s, i == 0); ok {
				v.pod, v.container = pod, s.Name
				return v, true
			}
		}
	}
	return verdict{}, false
}

func (it *item) containerCause(pod *corev1.Pod, s corev1.ContainerStatus, init bool) (verdict, bool) {
	if s.Ready {
		return verdict{}, false
	}
	if wait := s.State.Waiting; wait != nil {
		switch wait.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError":
			return it.pullCause(pod, s, wait)
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError", "PostStartHookError":
			return verdict{state: failed, reason: fmt.Sprintf("container %q cannot start: %s", s.Name, wait.Message)}, true
		case "CrashLoopBackOff":
			return it.crashCause(pod, s, s.LastTerminationState.Terminated)
		}
	}
	if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
		return it.crashCause(pod, s, t)
	}
	if t := s.LastTerminationState.Terminated; t != nil && t.ExitCode != 0 && s.State.Running != nil && !it.old[t.ContainerID] {
		return verdict{reason: fmt.Sprintf("container %q was restarted after exit %d", s.Name, t.ExitCode), telling: true, previous: true}, true
	}
	if init && s.State.Running != nil && s.Started != nil && !*s.Started {
		return verdict{reason: fmt.Sprintf("init container %q runs", s.Name)}, true
	}
	return verdict{}, false
}

// pullCause keeps the registry's words. A pod that was changed in place may still speak of the image before.
func (it *item) pullCause(pod *corev1.Pod, s corev1.ContainerStatus, wait *corev1.ContainerStateWaiting) (verdict, bool) {
	image := imageOf(pod, s.Name)
	if it.stale[s.Name] != "" && !speaksOf(wait.Message, image) && time.Since(it.began) < staleFor {
		return verdict{}, false
	}
	words := pullWords(wait.Message)
	if words == "" || strings.HasPrefix(words, "Back-off pulling image") {
		if before := it.last; before.container == s.Name && strings.Contains(before.reason, "cannot be pulled: ") {
			_, words, _ = strings.Cut(before.reason, "cannot be pulled: ")
		}
	}
	v := verdict{reason: fmt.Sprintf("image %s of container %q cannot be pulled: %s", image, s.Name, words), telling: true,
		hint: "check the image's name, and that the cluster's nodes may pull it"}
	if wait.Reason != "ErrImagePull" && wait.Reason != "RegistryUnavailable" || final(words) {
		v.state = failed
	}
	return v, true
}

// final is true for an answer of a registry that will be the same next time.
func final(words string) bool {
	for _, sign := range []string{"not found", "manifest unknown", "unauthorized", "denied", "forbidden", "invalid reference", "no match for platform"} {
		if strings.Contains(strings.ToLower(words), sign) {
			return true
		}
	}
	return false
}

// crashCause tells of a container that exits with an error: a failure when its first restart did not help.
func (it *item) crashCause(pod *corev1.Pod, s corev1.ContainerStatus, t *corev1.ContainerStateTerminated) (verdict, bool) {
	if t == nil || it.old[t.ContainerID] {
		return verdict{}, false
	}
	v := verdict{hint: fmt.Sprintf("kubectl logs %s -c %s -n %s", pod.Name, s.Name, pod.Namespace)}
	why := fmt.Sprintf("exit %d", t.ExitCode)
	if t.Reason == "OOMKilled" {
		why = "out of memory (its limit), exit " + fmt.Sprint(t.ExitCode)
	}
	if pod.Spec.RestartPolicy == corev1.RestartPolicyNever && it.triesAgain() {
		v.reason, v.telling = fmt.Sprintf("container %q ended, and the Job tries again: %s", s.Name, why), true
		return v, true
	}
	if pod.Spec.RestartPolicy == corev1.RestartPolicyNever {
		v.state, v.reason = failed, fmt.Sprintf("container %q ended: %s", s.Name, why)
		return v, true
	}
	if s.RestartCount == 0 {
		v.reason, v.telling = fmt.Sprintf("container %q ended and is restarted: %s", s.Name, why), true
		return v, true
	}
	v.state, v.previous = failed, s.State.Terminated == nil
	v.reason = fmt.Sprintf("container %q restarted %s, last %s", s.Name, times(int(s.RestartCount)), why)
	if v.previous {
		v.hint += " --previous"
	}
	return v, true
}

// triesAgain is true for a Job that has not used up its tries.
func (it *item) triesAgain() bool {
	limit, ok, _ := unstructured.NestedInt64(it.live.Object, "spec", "backoffLimit")
	count, _, _ := unstructured.NestedInt64(it.live.Object, "status", "failed")
	return it.gvk.Kind == "Job" && ok && count <= limit && limit > 0
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// controllerCause is for an object whose pods have nothing to tell: there are none, or they only take long.
func (w *waiter) controllerCause(ctx context.Context, it *item, pods []*corev1.Pod) verdict {
	if c := condition(it.live, "ReplicaFailure"); c != nil && c["status"] == "True" {
		if it.troubled.IsZero() {
			it.troubled = time.Now()
		}
		message, _ := c["message"].(string)
		v := verdict{reason: "its pods cannot be made: " + message, telling: true, hint: "kubectl describe quota -n " + it.id.Namespace}
		if !strings.Contains(message, "quota") {
			v.hint = ""
		}
		if time.Since(it.troubled) > failedFor {
			v.state = failed
		}
		return v
	}
	it.troubled = time.Time{}
	if time.Since(w.began) < w.options.Quiet {
		return verdict{}
	}
	uid := string(it.uid)
	if len(pods) > 0 {
		uid = string(pods[0].UID)
	}
	return verdict{reason: w.warningOf(ctx, it, it.id.Namespace, uid)}
}

func condition(o *unstructured.Unstructured, kind string) map[string]any {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range list {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			return m
		}
	}
	return nil
}
