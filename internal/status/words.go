package status

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/event"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

const (
	// eventsEvery bounds how often the events of one object are read, and only while nothing else explains the wait.
	eventsEvery = 5 * time.Second
	shownLines  = 10
	askFor      = 3 * time.Second
)

// warningOf is the last warning event of an object: a failed probe, a volume that cannot be mounted.
func (w *waiter) warningOf(ctx context.Context, it *item, namespace, uid string) string {
	if time.Since(it.warned) < eventsEvery {
		return it.warning
	}
	it.warned, it.warning = time.Now(), ""
	if e := w.lastEvent(ctx, namespace, uid, func(e *corev1.Event) bool { return e.Type == corev1.EventTypeWarning }); e != nil {
		it.warning = oneLine(e.Message)
	}
	return it.warning
}

// scalingUp is true when an autoscaler has said that it makes room for a pod.
func (w *waiter) scalingUp(ctx context.Context, pod *corev1.Pod) bool {
	return pod != nil && w.lastEvent(ctx, pod.Namespace, string(pod.UID), func(e *corev1.Event) bool { return e.Reason == "TriggeredScaleUp" }) != nil
}

func (w *waiter) lastEvent(ctx context.Context, namespace, uid string, want func(*corev1.Event) bool) *corev1.Event {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	list, err := w.cluster.Typed.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("involvedObject.uid", uid).String(),
	})
	if err != nil {
		return nil
	}
	var last *corev1.Event
	for i := range list.Items {
		e := &list.Items[i]
		if string(e.InvolvedObject.UID) == uid && want(e) && (last == nil || when(e).After(when(last))) {
			last = e
		}
	}
	return last
}

func when(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	}
	return e.EventTime.Time
}

// lastLines tells what the container that failed wrote last.
func (w *waiter) lastLines(ctx context.Context, v verdict) {
	if v.pod == nil || v.container == "" || !started(v) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	lines := int64(shownLines)
	stream, err := w.cluster.Logs(ctx, v.pod.Namespace, v.pod.Name, &corev1.PodLogOptions{
		Container: v.container, Previous: v.previous, TailLines: &lines,
	})
	if err != nil {
		return
	}
	defer stream.Close()
	text, _ := io.ReadAll(io.LimitReader(stream, 64<<10))
	if out := strings.TrimRight(string(text), "\n"); out != "" {
		w.sink.Send(event.Note{Text: fmt.Sprintf("the last lines of container %q in Pod/%s:\n%s", v.container, v.pod.Name, out)})
	}
}

// started is true when the container ran at all.
func started(v verdict) bool {
	for _, list := range [][]corev1.ContainerStatus{v.pod.Status.InitContainerStatuses, v.pod.Status.ContainerStatuses} {
		for _, s := range list {
			if s.Name == v.container {
				return s.State.Terminated != nil || s.LastTerminationState.Terminated != nil
			}
		}
	}
	return false
}

var (
	rpcError  = regexp.MustCompile(`rpc error: code = \w+ desc = `)
	pullNoise = regexp.MustCompile(`(failed to pull and unpack image|failed to resolve image|failed to resolve reference) "[^"]*": `)
	backOff   = regexp.MustCompile(`^Back-off pulling image "[^"]*": `)
)

// pullWords is what the registry said, without what each layer of the node put before it.
func pullWords(message string) string {
	message = rpcError.ReplaceAllString(oneLine(message), "")
	message = backOff.ReplaceAllString(message, "")
	message = pullNoise.ReplaceAllString(message, "")
	return strings.TrimPrefix(message, "ErrImagePull: ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func lower(s string) string { return strings.ToLower(s) }

func imageOf(pod *corev1.Pod, container string) string {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			if c.Name == container {
				return c.Image
			}
		}
	}
	return ""
}

// idsOf is every run of a container that its status speaks of.
func idsOf(s corev1.ContainerStatus) []string {
	ids := []string{s.ContainerID}
	for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
		if t != nil {
			ids = append(ids, t.ContainerID)
		}
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// runs says whether a container's status is about an image: by digest where the reference has one, and else by name.
func runs(s corev1.ContainerStatus, image string) bool {
	if _, digest, ok := strings.Cut(image, "@"); ok {
		return strings.Contains(s.ImageID, digest) || strings.Contains(s.Image, digest)
	}
	return canonical(s.Image) == canonical(image)
}

// speaksOf says whether a message of the kubelet names an image: by digest where the reference has one, and else by name.
func speaksOf(message, image string) bool {
	if _, digest, ok := strings.Cut(image, "@"); ok {
		return strings.Contains(message, digest)
	}
	return strings.Contains(message, image)
}

// canonical writes out what a short name leaves away.
func canonical(image string) string {
	image = strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/")
	if i := strings.LastIndexByte(image, ':'); i <= strings.LastIndexByte(image, '/') {
		image += ":latest"
	}
	return image
}
