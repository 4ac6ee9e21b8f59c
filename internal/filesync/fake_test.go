package filesync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilexec "k8s.io/client-go/util/exec"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// machine is a cluster whose containers are this machine with other programs: Exec runs the command here, and tests name
// places in a temporary folder as paths in the container.
type machine struct {
	bin string // the only folder of PATH

	mu       sync.Mutex
	commands []string
	running  map[int]context.CancelFunc
	next     int
	broken   error // what Exec answers instead
}

// newMachine has the programs that are named, from GNU (or whatever this machine has) or from BusyBox.
func newMachine(t *testing.T, busybox bool, programs ...string) *machine {
	t.Helper()
	m := &machine{bin: t.TempDir(), running: map[int]context.CancelFunc{}}
	for _, p := range programs {
		from := p
		if busybox {
			from = "busybox"
		}
		path, err := exec.LookPath(from)
		if err != nil {
			t.Skipf("%s is not here", from)
		}
		if err := os.Symlink(path, filepath.Join(m.bin, p)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

var everything = []string{"sh", "tar", "head", "rm"}

func (m *machine) Exec(ctx context.Context, e kube.Exec) error {
	m.mu.Lock()
	m.commands = append(m.commands, e.Command[0])
	ctx, cancel := context.WithCancel(ctx)
	id := m.next
	m.next++
	m.running[id] = cancel
	broken := m.broken
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		cancel()
		delete(m.running, id)
	}()
	if broken != nil {
		return broken
	}
	program := filepath.Join(m.bin, e.Command[0])
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("exec: %q: executable file not found in $PATH: unknown", e.Command[0])
	}
	cmd := exec.CommandContext(ctx, program, e.Command[1:]...)
	cmd.Args[0] = e.Command[0]
	cmd.Env = []string{"PATH=" + m.bin}
	cmd.WaitDelay = time.Second
	return attach(cmd, e)
}

// attach connects a command as containerd does: the end of an output counts as the end of stdin too.
func attach(cmd *exec.Cmd, e kube.Exec) error {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if e.Stdin != nil {
		go func() {
			_, _ = io.Copy(stdin, e.Stdin)
			stdin.Close()
		}()
	} else {
		stdin.Close()
	}
	var outputs sync.WaitGroup
	copyOut := func(to io.Writer, from io.Reader) {
		if to == nil {
			to = io.Discard
		}
		_, _ = io.Copy(to, from)
		stdin.Close()
	}
	outputs.Go(func() { copyOut(e.Stdout, out) })
	outputs.Go(func() { copyOut(e.Stderr, errs) })
	outputs.Wait()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
	}
	return err
}

// cut ends all that runs, as a lost connection does.
func (m *machine) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, cancel := range m.running {
		cancel()
	}
}

func (m *machine) alive() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.running)
}

// all selects every container as one that runs its own image's artifact.
type all struct{ old []string }

func (a all) Members(pod *corev1.Pod) []kube.Member {
	var members []kube.Member
	for _, c := range pod.Spec.Containers {
		members = append(members, kube.Member{Container: c.Name, Artifact: "web", Image: c.Image, Current: !slices.Contains(a.old, c.Image)})
	}
	return members
}

// life is a pod with one running container.
func life(name, image, containerID string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "main", ContainerID: containerID, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}},
	}
}

// record keeps the events.
type record struct {
	mu   sync.Mutex
	list []event.Synced
	more chan struct{}
}

func newRecord() *record { return &record{more: make(chan struct{}, 1)} }

func (r *record) Send(e event.Event) {
	r.mu.Lock()
	r.list = append(r.list, e.(event.Synced))
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

func (r *record) all() []event.Synced {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// await waits until the events satisfy ok.
func (r *record) await(t *testing.T, ok func([]event.Synced) bool) []event.Synced {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		if l := r.all(); ok(l) {
			return l
		}
		select {
		case <-r.more:
		case <-limit:
			t.Fatalf("still waiting after 10s; events: %+v", r.all())
		}
	}
}

// session runs a Syncer for the length of a test.
type session struct {
	*Syncer
	events *record
	end    func()
}

func begin(t *testing.T, c Cluster, journal ...string) *session {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{events: newRecord()}
	s.Syncer = New(c, s.events)
	for _, file := range journal {
		if err := s.Remember(file); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.end = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run = %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run did not end")
		}
	})
	t.Cleanup(s.end)
	return s
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func content(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "(" + err.(*os.PathError).Err.Error() + ")"
	}
	return string(data)
}
