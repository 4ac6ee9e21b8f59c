//go:build e2e

package filesync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// stage is a namespace of a real cluster for one test.
type stage struct {
	*testing.T
	cluster *kube.Cluster
	ns      string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	c, err := kube.Connect(kube.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.Typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "filesync-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		c.Typed.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	return &stage{t, c, ns.Name}
}

func (s *stage) pod(name, image string, command ...string) {
	s.Helper()
	zero := int64(0)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &zero,
			Containers:                    []corev1.Container{{Name: "main", Image: image, Command: command}},
		},
	}
	if _, err := s.cluster.Typed.CoreV1().Pods(s.ns).Create(s.Context(), pod, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) session(c Cluster) *session {
	ses := begin(s.T, c)
	ses.Select(all{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.cluster.WatchPods(ctx, []string{s.ns}, ses.Pod) }()
	s.Cleanup(func() { cancel(); <-done })
	return ses
}

func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(60 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			s.Fatalf("still waiting for %s", what)
		}
	}
}

// id is the container of a pod once it runs, and not the one named in not.
func (s *stage) id(pod, not string) (id string) {
	s.Helper()
	s.until("pod "+pod, func() bool {
		p, err := s.cluster.Typed.CoreV1().Pods(s.ns).Get(s.Context(), pod, metav1.GetOptions{})
		if err != nil {
			return false
		}
		_, id, _ = strings.Cut(running(p, "main"), "//")
		return id != "" && id != not
	})
	return id
}

// root is where the node has the container's files.
func root(id string) string {
	if all := processes(id); len(all) > 0 {
		return filepath.Join(filepath.Dir(all[0]), "root")
	}
	return "/nowhere"
}

func sleeper(shell string) []string { return []string{shell, "-c", "sleep 1000000"} }

type latency []time.Duration

func (l latency) String() string {
	if len(l) == 0 {
		return "none"
	}
	slices.Sort(l)
	at := func(p int) time.Duration { return l[min(len(l)-1, len(l)*p/100)].Round(10 * time.Microsecond) }
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s", at(50), at(90), at(99), at(100))
}

// seenIn waits for content on the node.
func seenIn(t *testing.T, file, want string) {
	t.Helper()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); content(file) != want; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s has %q, want %q", file, content(file), want)
		}
	}
}

// forced opens one road only.
type forced struct {
	Cluster
	without string
}

func (f forced) Exec(ctx context.Context, e kube.Exec) error {
	if e.Command[0] == f.without {
		return fmt.Errorf("exec: %q: executable file not found in $PATH", e.Command[0])
	}
	return f.Cluster.Exec(ctx, e)
}

func TestE2ELatencyOfTwoHundredSaves(t *testing.T) {
	s := newStage(t)
	for _, tt := range []struct{ name, image, without string }{
		{"debian-stream", "localhost:5005/library/python:3.12-slim", ""},
		{"busybox-stream", "localhost:5005/library/busybox", ""},
		{"debian-held-tar", "localhost:5005/library/python:3.12-slim", "sh"},
		{"busybox-held-tar", "localhost:5005/library/busybox", "sh"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stage{t, s.cluster, s.ns}
			s.pod(tt.name, tt.image, sleeper("sh")...)
			ses := s.session(forced{s.cluster, tt.without})
			file := filepath.Join(root(s.id(tt.name, "")), "app.py")
			src := filepath.Join(t.TempDir(), "app.py")
			op := Op{Local: src, Remote: "/app.py"}
			for _, pause := range []time.Duration{100 * time.Millisecond, 0} {
				var visible, acked latency
				tick := time.NewTicker(max(pause, time.Nanosecond))
				for i := range 200 {
					<-tick.C
					text := fmt.Sprint("save ", i, pause)
					start := time.Now()
					write(t, src, text)
					done := make(chan error, 1)
					go func() { done <- ses.Push(t.Context(), "web", []Op{op}, start) }()
					seenIn(t, file, text)
					visible = append(visible, time.Since(start))
					if err := <-done; err != nil {
						t.Fatal(err)
					}
					acked = append(acked, time.Since(start))
				}
				tick.Stop()
				t.Logf("pause %-6s visible: %s", pause, visible)
				t.Logf("pause %-6s   acked: %s", pause, acked)
			}
			var ops []Op
			dir := t.TempDir()
			for i := range 500 {
				name := fmt.Sprintf("d%d/f%d.py", i%20, i)
				write(t, filepath.Join(dir, name), strings.Repeat(name, 500))
				ops = append(ops, Op{Local: filepath.Join(dir, name), Remote: "/burst/" + name})
			}
			start := time.Now()
			if err := ses.Push(t.Context(), "web", ops, start); err != nil {
				t.Fatal(err)
			}
			t.Logf("500 files: %s", time.Since(start))
			for i := range ops {
				ops[i].Delete = true
				os.Remove(ops[i].Local)
			}
			start = time.Now()
			if err := ses.Push(t.Context(), "web", ops, start); err != nil {
				t.Fatal(err)
			}
			t.Logf("500 deletions: %s", time.Since(start))
		})
	}
}

// pushOrOwe pushes where a container may not be there yet, or not any more: then the next one gets the change by itself.
func pushOrOwe(t *testing.T, s *session, ops ...Op) {
	t.Helper()
	if err := s.Push(t.Context(), "web", ops, time.Now()); err != nil && !errors.Is(err, ErrNobody) {
		t.Fatalf("Push = %v", err)
	}
}

func TestE2EARestartedContainerGetsItsFilesAgain(t *testing.T) {
	s := newStage(t)
	s.pod("web", "localhost:5005/library/busybox", "sh", "-c", "while [ ! -e /die ]; do sleep 0.1; done")
	ses := s.session(s.cluster)
	first := s.id("web", "")
	src := t.TempDir()
	write(t, filepath.Join(src, "a"), "a")
	pushOrOwe(t, ses, Op{Local: filepath.Join(src, "a"), Remote: "/app/a"})
	if err := os.WriteFile(filepath.Join(root(first), "die"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	second := s.id("web", first)
	start := time.Now()
	seenIn(t, filepath.Join(root(second), "app/a"), "a")
	t.Logf("replayed %s after the API server showed the new container", time.Since(start))
	l := ses.events.await(t, func(l []event.Synced) bool { return len(l) == 2 })
	if !l[1].Replay || l[1].Err != nil {
		t.Errorf("event = %+v", l[1])
	}
}

func TestE2EThePodThatReplacesADeletedOneGetsItsFiles(t *testing.T) {
	s := newStage(t)
	two, zero := int32(2), int64(0)
	labels := map[string]string{"app": "web"}
	_, err := s.cluster.Typed.AppsV1().Deployments(s.ns).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{Replicas: &two, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &zero, Containers: []corev1.Container{{
				Name: "main", Image: "localhost:5005/library/busybox", Command: sleeper("sh"),
			}}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ses := s.session(s.cluster)
	pods := func() (names []string) {
		l, err := s.cluster.Typed.CoreV1().Pods(s.ns).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return nil
		}
		for _, p := range l.Items {
			if running(&p, "main") != "" && p.DeletionTimestamp == nil {
				names = append(names, p.Name)
			}
		}
		return names
	}
	s.until("two pods", func() bool { return len(pods()) == 2 })
	src := write(t, filepath.Join(t.TempDir(), "a"), "a")
	op := Op{Local: src, Remote: "/a"}
	s.until("a push to both", func() bool {
		n := len(ses.events.all())
		return ses.Push(t.Context(), "web", []Op{op}, time.Now()) == nil && len(ses.events.all()) == n+2
	})
	old := pods()
	for _, name := range old {
		if err := s.cluster.Typed.CoreV1().Pods(s.ns).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, src, "written while no pod ran")
	pushOrOwe(t, ses, op)
	s.until("two other pods", func() bool {
		l := pods()
		return len(l) == 2 && !slices.ContainsFunc(l, func(n string) bool { return slices.Contains(old, n) })
	})
	for _, name := range pods() {
		seenIn(t, filepath.Join(root(s.id(name, "")), "a"), "written while no pod ran")
	}
}

func TestE2EAnImageWithoutAnythingIsNamed(t *testing.T) {
	s := newStage(t)
	image := os.Getenv("E2E_BARE_IMAGE")
	if image == "" {
		t.Skip("E2E_BARE_IMAGE names no image without shell and tar")
	}
	s.pod("bare", image)
	ses := s.session(s.cluster)
	s.id("bare", "")
	src := write(t, filepath.Join(t.TempDir(), "a"), "a")
	var err error
	s.until("an error", func() bool {
		err = ses.Push(t.Context(), "web", []Op{{Local: src, Remote: "/a"}}, time.Now())
		return err != nil
	})
	if !strings.Contains(err.Error(), "has no tar") {
		t.Errorf("Push = %v", err)
	}
}

func TestE2EAContainerThatMayNotWriteSaysSo(t *testing.T) {
	s := newStage(t)
	zero, user, yes := int64(0), int64(1000), true
	for name, sc := range map[string]*corev1.SecurityContext{"user": {RunAsUser: &user}, "readonly": {ReadOnlyRootFilesystem: &yes}} {
		_, err := s.cluster.Typed.CoreV1().Pods(s.ns).Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &zero, Containers: []corev1.Container{{
				Name: "main", Image: "localhost:5005/library/python:3.12-slim", Command: sleeper("sh"), SecurityContext: sc,
			}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	ses := s.session(s.cluster)
	src := write(t, filepath.Join(t.TempDir(), "a"), "a")
	var err error
	s.until("both to refuse", func() bool {
		err = ses.Push(t.Context(), "web", []Op{{Local: src, Remote: "/etc/a"}}, time.Now())
		return err != nil && strings.Count(err.Error(), "\n") == 1
	})
	for _, want := range []string{"Permission denied", "Read-only file system"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nobody says %q: %v", want, err)
		}
	}
	t.Log(diag.Text(err))
}

func TestE2ENothingStaysBehindInTheContainer(t *testing.T) {
	s := newStage(t)
	for _, how := range []string{"graceful", "cut"} {
		t.Run(how, func(t *testing.T) {
			s := &stage{t, s.cluster, s.ns}
			s.pod(how, "localhost:5005/library/busybox", sleeper("sh")...)
			id := s.id(how, "")
			before := len(processes(id))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ses := s.session(severed{s.cluster, ctx})
			src := write(t, filepath.Join(t.TempDir(), "a"), "a")
			s.until("the push", func() bool {
				return ses.Push(t.Context(), "web", []Op{{Local: src, Remote: "/a"}}, time.Now()) == nil && len(ses.events.all()) > 0
			})
			s.until("the loop and its tar", func() bool { return len(processes(id)) >= before+2 })
			start := time.Now()
			if how == "cut" {
				cancel()
			}
			ses.end()
			t.Logf("the session ended in %s", time.Since(start))
			s.until("the processes to end", func() bool { return len(processes(id)) == before })
			t.Logf("the processes were gone after %s", time.Since(start))
		})
	}
}

// severed loses every connection when its context ends, without a word.
type severed struct {
	Cluster
	ctx context.Context
}

func (c severed) Exec(ctx context.Context, e kube.Exec) error {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(c.ctx, cancel)()
	return c.Cluster.Exec(ctx, e)
}

// processes lists what runs in the container.
func processes(id string) (all []string) {
	groups, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, f := range groups {
		if strings.Contains(content(f), id) {
			all = append(all, f)
		}
	}
	return all
}
