package status

import (
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// settle holds back an object that is ready, until that has lasted.
func (w *waiter) settle(it *item, v verdict) verdict {
	if v.state != ready {
		it.since = time.Time{}
		return v
	}
	hold := w.hold(it)
	if hold <= 0 {
		return v
	}
	if it.since.IsZero() {
		it.since = time.Now()
	}
	if time.Since(it.since) < hold {
		return verdict{state: settling}
	}
	return v
}

// hold is how long the object must stay ready: not at all where every container is probed, has run for long, or has ended well.
func (w *waiter) hold(it *item) time.Duration {
	if w.options.Settle < 0 || !it.runsPods || it.gvk.Kind == "CronJob" || probed(it.live) || idle(it.live) {
		return 0
	}
	if it.gvk.Kind == "Job" && (complete(it.live) || suspended(it.live)) {
		return 0
	}
	pods := w.podsOf(it)
	fresh := len(pods) == 0
	for _, pod := range pods {
		fresh = fresh || len(pod.Status.ContainerStatuses) == 0
		for _, s := range pod.Status.ContainerStatuses {
			if t := s.LastTerminationState.Terminated; t != nil && t.ExitCode != 0 && !it.old[t.ContainerID] && s.RestartCount > 0 && young(t.FinishedAt.Time) {
				return 4 * w.options.Settle
			}
			// The pod may be older than the object that says it is ready: one that is not seen running counts as fresh.
			fresh = fresh || s.State.Running == nil || young(s.State.Running.StartedAt.Time)
		}
	}
	if !fresh {
		return 0
	}
	return w.options.Settle
}

// young allows for a clock of the node that is not ours.
func young(t time.Time) bool { return time.Since(t) < settled }

func probed(o *unstructured.Unstructured) bool {
	containers, _ := kube.PodSpec(&kube.Object{Unstructured: *o})["containers"].([]any)
	for _, c := range containers {
		m, _ := c.(map[string]any)
		if m["readinessProbe"] == nil && m["startupProbe"] == nil {
			return false
		}
	}
	return len(containers) > 0
}

func idle(o *unstructured.Unstructured) bool {
	n, ok, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	return ok && n == 0 || phase == string(corev1.PodSucceeded)
}

func suspended(o *unstructured.Unstructured) bool {
	is, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend")
	return is
}
