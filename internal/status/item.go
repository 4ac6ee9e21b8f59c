package status

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

type state int

const (
	pending state = iota
	ready
	failed
	settling // ready, but not for long
)

// verdict is what is known of an object now.
type verdict struct {
	state   state
	reason  string
	hint    string
	telling bool // worth saying before the quiet time is over

	pod       *corev1.Pod // whose container is the cause
	container string
	previous  bool // the lines of interest are those of the run before
}

// item is one object that is waited for.
type item struct {
	id       kube.ID
	gvk      schema.GroupVersionKind
	pos      diag.Pos
	at       place
	live     *unstructured.Unstructured
	uid      types.UID
	runsPods bool
	selector labels.Selector
	began    time.Time

	old      map[string]bool   // container ids from before the change
	stale    map[string]string // container -> id that runs an image which is no longer wanted
	troubled time.Time         // since when its controller fails to make pods
	current  map[string]bool   // ReplicaSet and revision -> is of the newest rollout
	warned   time.Time         // when events were last read
	warning  string            // the last one of them

	selected bool          // its controller must have spoken
	deadline time.Duration // after which it is too late, from the beginning

	told  bool // that it is ready
	said  string
	last  verdict
	since time.Time // since when it is ready without a break
}

func newItem(o *kube.Object, began time.Time) *item {
	it := &item{
		id: o.ID(), gvk: o.GroupVersionKind(), pos: o.Pos(), live: &o.Unstructured, uid: o.GetUID(), runsPods: kube.PodSpec(o) != nil,
		began: began, old: map[string]bool{}, stale: map[string]string{}, current: map[string]bool{},
	}
	if it.id.Kind == "Pod" && it.id.Group == "" && !o.Unchanged {
		it.baseline()
	}
	if m, ok, _ := unstructured.NestedStringMap(o.Object, "spec", "selector", "matchLabels"); ok {
		it.selector = labels.SelectorFromSet(m)
	}
	return it
}

// baseline remembers the containers of a pod that was changed in place: until the kubelet has replaced them, the pod's
// status still speaks of them.
func (it *item) baseline() {
	pod := it.pod()
	wanted := map[string]string{}
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		wanted[c.Name] = c.Image
	}
	// Where the kubelet says which version it speaks of, nothing has to be guessed from names of images, of which one may have many.
	seen := pod.Status.ObservedGeneration > 0 && pod.Status.ObservedGeneration >= pod.Generation
	for _, s := range pod.Status.ContainerStatuses {
		for _, id := range idsOf(s) {
			it.old[id] = true
		}
		if seen {
			continue
		}
		if s.ContainerID != "" && !runs(s, wanted[s.Name]) {
			it.stale[s.Name] = s.ContainerID
		}
		if w := s.State.Waiting; w != nil && s.ContainerID == "" && w.Message != "" && !speaksOf(w.Message, wanted[s.Name]) {
			it.stale[s.Name] = neverRan
		}
	}
}

// neverRan stands for the id of a container whose image from before could not even be pulled.
const neverRan = "none"

func (it *item) pod() *corev1.Pod {
	var pod corev1.Pod
	if it.live != nil {
		// What does not convert has no status that could be read.
		_ = runtime.DefaultUnstructuredConverter.FromUnstructured(it.live.Object, &pod)
	}
	return &pod
}

func (it *item) is(o *unstructured.Unstructured) bool {
	return o.GetName() == it.id.Name && o.GetNamespace() == it.id.Namespace && o.GroupVersionKind().GroupKind() == it.gvk.GroupKind()
}

// update takes a newer state. The first list of a watch may come from a cache that is behind what we just wrote.
func (it *item) update(o *unstructured.Unstructured) {
	if o.GetUID() == it.uid && older(o.GetResourceVersion(), it.live.GetResourceVersion()) {
		return
	}
	it.live, it.uid = o, o.GetUID()
}

func older(a, b string) bool {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	return errX == nil && errY == nil && x < y
}

// evaluate judges by the object alone, and for a Job by whether it got so far as to run a pod.
func (it *item) evaluate(pods map[string]*corev1.Pod) verdict {
	switch it.gvk.GroupKind() {
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		// Many a claim is bound only when a pod wants it; a pod that waits for it says so.
		return verdict{state: ready}
	case schema.GroupKind{Kind: "Pod"}:
		if v, ok := it.evaluatePod(); ok {
			return v
		}
	}
	if it.silent() {
		return verdict{state: pending, reason: "its controller has said nothing about it yet"}
	}
	r, err := status.Compute(it.live)
	if err != nil {
		return verdict{state: pending, reason: err.Error()}
	}
	v := verdict{state: pending, reason: r.Message}
	switch r.Status {
	case status.CurrentStatus:
		v.state = ready
	case status.FailedStatus:
		v.state = failed
		if it.runsPods && it.gvk.Kind != "Job" && it.gvk.Kind != "Deployment" {
			v.state = pending // cause.go knows better what a pod may recover from
		}
		for _, c := range r.Conditions {
			if c.Message != "" {
				v.reason = c.Message
			}
		}
	}
	if it.gvk.GroupKind() == (schema.GroupKind{Group: "batch", Kind: "Job"}) && v.state == ready {
		v = it.evaluateJob()
	}
	return v
}

func (it *item) evaluatePod() (verdict, bool) {
	pod := it.pod()
	if pod.DeletionTimestamp != nil {
		return verdict{state: pending, reason: "it is being deleted"}, true
	}
	if pod.Status.Phase == corev1.PodFailed {
		return verdict{state: failed, reason: podFailure(pod), pod: pod}, true
	}
	if time.Since(it.began) > staleFor {
		return verdict{}, false
	}
	for _, s := range pod.Status.ContainerStatuses {
		if id := it.stale[s.Name]; id != "" && s.ContainerID == id {
			return verdict{state: pending, reason: fmt.Sprintf("container %q still runs the image from before", s.Name)}, true
		}
	}
	return verdict{}, false
}

func podFailure(pod *corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return fmt.Sprintf("container %q exited with %d", s.Name, t.ExitCode)
		}
	}
	if pod.Status.Message != "" {
		return pod.Status.Message
	}
	return "the pod failed: " + pod.Status.Reason
}

// evaluateJob holds a Job back until a pod of it runs: an image that cannot be pulled is worth waiting for, its work is not.
func (it *item) evaluateJob() verdict {
	number := func(path ...string) int64 {
		n, _, _ := unstructured.NestedInt64(it.live.Object, path...)
		return n
	}
	if suspended(it.live) || number("status", "succeeded") > 0 || number("status", "ready") > 0 || complete(it.live) {
		return verdict{state: ready}
	}
	return verdict{state: pending, reason: "no pod of the Job runs yet"}
}

func complete(o *unstructured.Unstructured) bool {
	r, err := status.Compute(o)
	done, _, _ := unstructured.NestedString(o.Object, "status", "completionTime")
	return err == nil && r.Status == status.CurrentStatus && done != ""
}

// mayOwn is a quick test; whether a pod belongs to the newest rollout is asked only for one that has a cause to tell.
func (it *item) mayOwn(pod *corev1.Pod) bool {
	if !it.runsPods || pod.Namespace != it.id.Namespace {
		return false
	}
	if it.gvk.Kind == "Pod" {
		return pod.UID == it.uid
	}
	for _, ref := range pod.OwnerReferences {
		if ref.UID == it.uid {
			return true
		}
	}
	return it.gvk.Kind == "Deployment" && it.selector != nil && it.selector.Matches(labels.Set(pod.Labels))
}

// fail is the error for the object. Time is told in whole seconds, but for the first of them.
func (it *item) fail(reason, hint string, began time.Time) *diag.Error {
	after := time.Since(began).Round(time.Second)
	if after < time.Second {
		after = time.Since(began).Round(time.Millisecond * 100)
	}
	if hint == "" {
		hint = fmt.Sprintf("kubectl describe %s %s -n %s", lower(it.gvk.Kind), it.id.Name, it.id.Namespace)
	}
	return &diag.Error{
		Pos: it.pos, What: fmt.Sprintf("%s is not ready after %s: %s", it.id, short(after), reason), Hint: hint, Code: diag.CodeReady,
	}
}

// short writes "2m" and not "2m0s".
func short(d time.Duration) string {
	if d >= time.Minute && math.Mod(d.Seconds(), 60) == 0 {
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return d.String()
}
