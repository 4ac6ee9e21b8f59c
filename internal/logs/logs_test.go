package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// node keeps the logs of one container as a kubelet does: of the instance that runs, and of the one before.
type node struct {
	mu      sync.Mutex
	lives   []*instance
	readers map[*io.PipeWriter]bool
	changed chan struct{}
	opened  int
}

type instance struct {
	lines []string // with their time
	ended bool
}

func newNode() *node {
	return &node{readers: map[*io.PipeWriter]bool{}, changed: make(chan struct{})}
}

func (n *node) change(fn func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fn()
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *node) start() { n.change(func() { n.lives = append(n.lives, &instance{}) }) }

func (n *node) end() { n.change(func() { n.lives[len(n.lives)-1].ended = true }) }

func (n *node) write(text string) {
	n.change(func() {
		l := n.lives[len(n.lives)-1]
		l.lines = append(l.lines, time.Now().Format(time.RFC3339Nano)+" "+text+"\n")
	})
}

func (n *node) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.opened
}

// cut breaks every stream in the middle of what it says.
func (n *node) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.readers {
		w.CloseWithError(io.ErrUnexpectedEOF)
	}
}

func (n *node) Logs(ctx context.Context, _, pod string, o *corev1.PodLogOptions) (io.ReadCloser, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened++
	i := len(n.lives) - 1
	if o.Previous {
		i--
	}
	if i < 0 {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, pod)
	}
	r, w := io.Pipe()
	n.readers[w] = true
	context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go n.serve(ctx, w, n.lives[i], o)
	return r, nil
}

func (n *node) serve(ctx context.Context, w *io.PipeWriter, l *instance, o *corev1.PodLogOptions) {
	defer w.Close()
	for sent := 0; ; {
		n.mu.Lock()
		lines, ended, changed := l.lines, l.ended, n.changed
		n.mu.Unlock()
		for ; sent < len(lines); sent++ {
			at, _, _ := strings.Cut(lines[sent], " ")
			t, _ := time.Parse(time.RFC3339Nano, at)
			if o.SinceTime != nil && t.Before(o.SinceTime.Truncate(time.Second)) {
				continue
			}
			if _, err := io.WriteString(w, lines[sent]); err != nil {
				return
			}
		}
		if ended || !o.Follow {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// ours selects every container.
type ours struct{}

func (ours) Members(pod *corev1.Pod) []kube.Member {
	var members []kube.Member
	for _, c := range pod.Spec.Containers {
		members = append(members, kube.Member{Container: c.Name, Artifact: "web", Image: c.Image, Current: true})
	}
	return members
}

func podWith(created time.Time, c corev1.ContainerStatus) *corev1.Pod {
	c.Name = "main"
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: types.UID("1"), CreationTimestamp: metav1.Time{Time: created}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{c}},
	}
}

func runs(id string) corev1.ContainerStatus {
	return corev1.ContainerStatus{ContainerID: id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}}
}

func died(id string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: id, FinishedAt: metav1.Now()}}
}

// heard collects the lines.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) Send(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, e.(event.Log).Line)
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

// session runs a Tailer in a bubble of time.
func session(t *testing.T, o Options, test func(tl *Tailer, n *node, h *heard)) {
	synctest.Test(t, func(t *testing.T) {
		h, n := &heard{}, newNode()
		tl := New(n, o, h)
		tl.choose(ours{})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- tl.Run(ctx) }()
		test(tl, n, h)
		cancel()
		synctest.Wait()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run = %v", err)
			}
		default:
			t.Error("Run did not end with its context")
		}
	})
}

func numbered(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprint("line ", i)
	}
	return lines
}

func TestEveryLineComesOnceThoughStreamsBreakAndContainersRestart(t *testing.T) {
	for _, tt := range []struct {
		name         string
		news         time.Duration // how late the API server tells of a restart
		cuts, deaths int           // every how many lines
	}{
		{"streams break", 0, 37, 0},
		{"containers restart", 0, 0, 301},
		{"containers restart and the news is late", 250 * time.Millisecond, 0, 301},
		{"both", 0, 37, 301},
		{"both at once", 0, 100, 200},
		{"many lines at one time", 0, 7, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			session(t, Options{}, func(tl *Tailer, n *node, h *heard) {
				created := time.Now()
				life := 1
				n.start()
				tl.Pod(kube.PodEvent{Pod: podWith(created, runs("c1"))})
				want := numbered(2000)
				for i, l := range want {
					n.write(l)
					if i%5 == 0 {
						time.Sleep(3 * time.Millisecond)
					}
					if tt.cuts > 0 && i%tt.cuts == tt.cuts-1 {
						n.cut()
					}
					if tt.deaths > 0 && i%tt.deaths == tt.deaths-1 {
						n.end()
						dead := died(fmt.Sprint("c", life))
						time.Sleep(tt.news)
						tl.Pod(kube.PodEvent{Pod: podWith(created, corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}, LastTerminationState: dead})})
						time.Sleep(20 * time.Millisecond)
						life++
						n.start()
						next := runs(fmt.Sprint("c", life))
						next.LastTerminationState = dead
						tl.Pod(kube.PodEvent{Pod: podWith(created, next)})
					}
				}
				time.Sleep(10 * time.Second)
				if diff := cmp.Diff(want, h.all()); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestTheRestOfTheInstanceBeforeComesFirst(t *testing.T) {
	session(t, Options{}, func(tl *Tailer, n *node, h *heard) {
		created := time.Now()
		n.start()
		tl.Pod(kube.PodEvent{Pod: podWith(created, runs("c1"))})
		n.write("one")
		time.Sleep(time.Second)
		n.cut()
		n.write("two, with nobody listening")
		n.end()
		n.start()
		n.write("three, of the next")
		next := runs("c2")
		next.LastTerminationState = died("c1")
		tl.Pod(kube.PodEvent{Pod: podWith(created, next)})
		time.Sleep(10 * time.Second)
		want := []string{"one", "two, with nobody listening", "three, of the next"}
		if diff := cmp.Diff(want, h.all()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestOfOlderPodsOnlyWhatIsNewIsTold(t *testing.T) {
	session(t, Options{Since: time.Date(2000, 1, 1, 0, 0, 1, 5e8, time.UTC)}, func(tl *Tailer, n *node, h *heard) {
		created := time.Now()
		n.start()
		n.write("old")
		time.Sleep(1400 * time.Millisecond)
		n.write("of the same second")
		time.Sleep(200 * time.Millisecond)
		n.write("new")
		tl.Pod(kube.PodEvent{Pod: podWith(created, runs("c1"))})
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"new"}, h.all()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestADeletedPodIsReadToItsEnd(t *testing.T) {
	session(t, Options{}, func(tl *Tailer, n *node, h *heard) {
		n.start()
		pod := podWith(time.Now(), runs("c1"))
		tl.Pod(kube.PodEvent{Pod: pod})
		n.write("hello")
		time.Sleep(time.Second)
		tl.Pod(kube.PodEvent{Pod: pod, Deleted: true})
		n.write("last words")
		n.end()
		time.Sleep(time.Minute)
		opened := n.count()
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{"hello", "last words"}, h.all()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
		if n := n.count(); n != opened {
			t.Errorf("%d streams were opened after the end", n-opened)
		}
	})
}

func TestACompletedContainerIsReadOnce(t *testing.T) {
	session(t, Options{}, func(tl *Tailer, n *node, h *heard) {
		n.start()
		n.write("done")
		n.end()
		pod := podWith(time.Now(), corev1.ContainerStatus{ContainerID: "c1", State: died("c1")})
		for range 20 {
			tl.Pod(kube.PodEvent{Pod: pod})
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]string{"done"}, h.all()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
		if n := n.count(); n != 1 {
			t.Errorf("%d streams were opened, want 1", n)
		}
	})
}

func TestScanCutsLongLinesBetweenCharacters(t *testing.T) {
	const at = "2026-01-02T03:04:05.6Z "
	long := strings.Repeat("xé€", 30_000)
	in := at + "short\n" + at + long + "\n" + at + "\n" + at + "blank end \r\n" + at + "no end"
	var got []string
	if err := scan(strings.NewReader(in), func(l line) {
		if want := time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC); !l.time.Equal(want) {
			t.Errorf("time %v, want %v", l.time, want)
		}
		if strings.ToValidUTF8(l.text, "?") != l.text || len(l.text) > longest+3 {
			t.Errorf("a part of %d bytes is cut badly", len(l.text))
		}
		got = append(got, l.text)
	}); err != nil {
		t.Fatal(err)
	}
	n := len(got)
	if n < 7 || strings.Join(got[1:n-3], "") != long {
		t.Fatalf("%d parts do not make the long line", n-4)
	}
	want := []string{"short", "", "blank end ", "no end"}
	if diff := cmp.Diff(want, append(got[:1:1], got[n-3:]...)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestScanKeepsALineThatBreaksOffForTheNextStream(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("2026-01-02T03:04:05Z whole\n2026-01-02T03:04:06Z ha"), failing{})
	var got []string
	err := scan(broken, func(l line) { got = append(got, l.text) })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("scan = %v", err)
	}
	if diff := cmp.Diff([]string{"whole"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestScanTakesTheKubeletsComplaintForAnError(t *testing.T) {
	err := scan(bytes.NewBufferString("unable to retrieve container logs for containerd://abc"), func(l line) { t.Errorf("a line: %q", l.text) })
	if err == nil {
		t.Error("scan = nil")
	}
}

func TestSeenForgetsWhatNoStreamRepeats(t *testing.T) {
	var s seen
	for i := range 200_000 {
		s.add(line{time.Unix(int64(i/1000), int64(i%1000)), "x"})
	}
	if s.total > enough+1000 || len(s.seconds) > 40 {
		t.Errorf("%d lines of %d seconds are remembered", s.total, len(s.seconds))
	}
}
