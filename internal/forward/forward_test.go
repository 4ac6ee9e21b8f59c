package forward

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// cluster is what DialPod leads to: programs in pods, by pod and port.
type cluster struct {
	mu       sync.Mutex
	programs map[string]func(io.ReadWriteCloser)
	conns    []*connection
	dials    int
}

func newCluster() *cluster { return &cluster{programs: map[string]func(io.ReadWriteCloser){}} }

func (c *cluster) serve(pod string, port int, program func(io.ReadWriteCloser)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.programs[fmt.Sprint(pod, ":", port)] = program
}

func (c *cluster) DialPod(_, pod string) (httpstream.Connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dials++
	conn := &connection{cluster: c, pod: pod, closed: make(chan bool), waiting: map[string]*pipeStream{}}
	c.conns = append(c.conns, conn)
	return conn, nil
}

// cut loses every connection.
func (c *cluster) cut() {
	c.mu.Lock()
	conns := c.conns
	c.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
	}
}

type connection struct {
	cluster *cluster
	pod     string
	mu      sync.Mutex
	waiting map[string]*pipeStream // error streams by request
	streams []*pipeStream
	once    sync.Once
	closed  chan bool
}

func (c *connection) CreateStream(h http.Header) (httpstream.Stream, error) {
	select {
	case <-c.closed:
		return nil, errors.New("connection closed")
	default:
	}
	s := newStream(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams = append(c.streams, s)
	request := h.Get(corev1.PortForwardRequestIDHeader)
	if h.Get(corev1.StreamType) == corev1.StreamTypeError {
		c.waiting[request] = s
		return s, nil
	}
	errs := c.waiting[request]
	delete(c.waiting, request)
	c.cluster.mu.Lock()
	program := c.cluster.programs[c.pod+":"+h.Get(corev1.PortHeader)]
	c.cluster.mu.Unlock()
	go func() {
		defer errs.far.Close()
		defer s.far.Close()
		if program == nil {
			fmt.Fprintf(errs.far, "error forwarding port %s: dial tcp4 127.0.0.1: connect: connection refused", h.Get(corev1.PortHeader))
			return
		}
		program(s.far)
	}()
	return s, nil
}

func (c *connection) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range c.streams {
			s.Reset()
		}
	})
	return nil
}
func (c *connection) CloseChan() <-chan bool             { return c.closed }
func (c *connection) SetIdleTimeout(time.Duration)       {}
func (c *connection) RemoveStreams(...httpstream.Stream) {}

// pipeStream is a stream with two ends that close one way at a time.
type pipeStream struct {
	halves
	header http.Header
	far    halves
}

type halves struct {
	*io.PipeReader
	w *io.PipeWriter
}

func (h halves) Write(p []byte) (int, error) { return h.w.Write(p) }
func (h halves) Close() error                { return h.w.Close() }

func newStream(h http.Header) *pipeStream {
	r1, w1 := io.Pipe()
	r2, w2 := io.Pipe()
	return &pipeStream{halves{r1, w2}, h.Clone(), halves{r2, w1}}
}

func (s *pipeStream) Headers() http.Header { return s.header }
func (s *pipeStream) Identifier() uint32   { return 0 }
func (s *pipeStream) Reset() error {
	for _, h := range []halves{s.halves, s.far} {
		h.PipeReader.CloseWithError(errors.New("stream reset"))
		h.w.CloseWithError(errors.New("stream reset"))
	}
	return nil
}

// answer is a program that reads all that is said and answers with a prefix.
func answer(prefix string) func(io.ReadWriteCloser) {
	return func(c io.ReadWriteCloser) {
		said, _ := io.ReadAll(c)
		fmt.Fprint(c, prefix, string(said))
	}
}

type collector struct{ ch chan event.Event }

func (c collector) Send(e event.Event) { c.ch <- e }

func (c collector) forward(t *testing.T) event.Forward {
	t.Helper()
	for {
		select {
		case e := <-c.ch:
			if f, ok := e.(event.Forward); ok {
				return f
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no forward was told")
		}
	}
}

func (c collector) quiet(t *testing.T) {
	t.Helper()
	select {
	case e := <-c.ch:
		t.Errorf("an event too many: %+v", e)
	case <-time.After(100 * time.Millisecond):
	}
}

type session struct {
	*Forwarder
	events collector
	end    func()
}

func begin(t *testing.T, c Dialer, o Options) *session {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{events: collector{make(chan event.Event, 100)}}
	s.Forwarder = New(c, o, s.events)
	s.choose(builds{})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.end = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run = %v", err)
			}
		case <-time.After(500 * time.Millisecond):
			t.Error("Run did not end within 500ms")
		}
	})
	t.Cleanup(s.end)
	return s
}

// ask says something over a new connection, ends its half of it, and returns the answer.
func ask(port int, said string) string {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, said)
	conn.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(answer)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func appOn(name string, n int, options ...podOption) *corev1.Pod {
	return podOf(name, append([]podOption{with("app", port(int32(n)))}, options...)...)
}

var bare = Options{Modes: Modes{User: true, Services: true, Bare: true}, Patience: 2 * time.Second}

func TestAPortLeadsToThePod(t *testing.T) {
	c, n := newCluster(), freePort(t)
	c.serve("python", n, answer("hello "))
	s := begin(t, c, bare)
	s.Pod(kube.PodEvent{Pod: appOn("python", n)})
	f := s.events.forward(t)
	want := event.Forward{Resource: "pod/python", Namespace: "default", RemotePort: n, Address: "127.0.0.1", LocalPort: n}
	if f != want {
		t.Errorf("event = %+v, want %+v", f, want)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if got, want := ask(n, fmt.Sprint(i)), fmt.Sprint("hello ", i); got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
		})
	}
	wg.Wait()
	if c.dials != 1 {
		t.Errorf("%d connections to the pod, want 1", c.dials)
	}
	s.events.quiet(t)
}

func TestAnUnequalTrafficGoesBothWays(t *testing.T) {
	c, n := newCluster(), freePort(t)
	big := strings.Repeat("0123456789abcdef", 1<<16)
	c.serve("a", n, answer(big))
	s := begin(t, c, bare)
	s.Pod(kube.PodEvent{Pod: appOn("a", n)})
	s.events.forward(t)
	if got := ask(n, big); got != big+big {
		t.Errorf("%d bytes came back, want %d", len(got), 2*len(big))
	}
}

func TestAServerThatSpeaksFirstIsHeard(t *testing.T) {
	c, n := newCluster(), freePort(t)
	c.serve("a", n, func(c io.ReadWriteCloser) {
		fmt.Fprintln(c, "220 ready")
		line, _ := bufio.NewReader(c).ReadString('\n')
		fmt.Fprint(c, "you said ", line)
	})
	s := begin(t, c, bare)
	s.Pod(kube.PodEvent{Pod: appOn("a", n)})
	s.events.forward(t)
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", n))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(conn)
	first, _ := r.ReadString('\n')
	fmt.Fprintln(conn, "quit")
	second, _ := r.ReadString('\n')
	if first != "220 ready\n" || second != "you said quit\n" {
		t.Errorf("heard %q and %q", first, second)
	}
}

func TestTheListenerStaysWhilePodsComeAndGo(t *testing.T) {
	c, n := newCluster(), freePort(t)
	s := begin(t, c, bare)
	for i := range 5 {
		name := fmt.Sprint("web-7f9c-", i)
		c.serve(name, n, answer(name+" "))
		pod := appOn(name, n, ofDeployment("web"))
		asked := make(chan string, 1)
		if i > 0 {
			// Nobody is there yet: the connection waits.
			go func() { asked <- ask(n, "x") }()
			select {
			case got := <-asked:
				t.Fatalf("an answer from nowhere: %q", got)
			case <-time.After(50 * time.Millisecond):
			}
		}
		s.Pod(kube.PodEvent{Pod: pod})
		if i == 0 {
			s.events.forward(t)
			asked <- ask(n, "x")
		}
		if got, want := <-asked, name+" x"; got != want {
			t.Errorf("answer %q, want %q", got, want)
		}
		s.Pod(kube.PodEvent{Pod: pod, Deleted: true})
		for len(s.picture.Load().pods) > 0 {
			<-s.picture.Load().replaced
		}
	}
	s.events.quiet(t)
}

func TestAConnectionWaitsForAServerThatRestarts(t *testing.T) {
	c, n := newCluster(), freePort(t)
	s := begin(t, c, bare)
	s.Pod(kube.PodEvent{Pod: appOn("a", n)})
	s.events.forward(t)
	time.AfterFunc(300*time.Millisecond, func() { c.serve("a", n, answer("at last ")) })
	if got := ask(n, "hello"); got != "at last hello" {
		t.Errorf("answer %q", got)
	}
}

func TestAConnectionThatNobodyTakesIsReset(t *testing.T) {
	c, n := newCluster(), freePort(t)
	o := bare
	o.Patience = 300 * time.Millisecond
	s := begin(t, c, o)
	s.Pod(kube.PodEvent{Pod: appOn("a", n)})
	s.events.forward(t)
	if got := ask(n, "hello"); !strings.Contains(got, "reset") {
		t.Errorf("answer %q, want a reset", got)
	}
}

func TestALostConnectionIsDialledAgain(t *testing.T) {
	c, n := newCluster(), freePort(t)
	c.serve("a", n, answer("hello "))
	s := begin(t, c, bare)
	s.Pod(kube.PodEvent{Pod: appOn("a", n)})
	s.events.forward(t)
	for i := range 3 {
		if got := ask(n, "x"); got != "hello x" {
			t.Errorf("answer %d: %q", i, got)
		}
		c.cut()
	}
	if c.dials != 3 {
		t.Errorf("%d dials, want 3", c.dials)
	}
}

func TestTheNextPortIsTakenAndTold(t *testing.T) {
	c := newCluster()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := l.Addr().(*net.TCPAddr).Port
	s := begin(t, c, bare)
	c.serve("a", n, answer("hello "))
	s.Pod(kube.PodEvent{Pod: appOn("a", n)})
	note := (<-s.events.ch).(event.Note)
	f := s.events.forward(t)
	if f.RemotePort != n || f.LocalPort == n || ask(f.LocalPort, "x") != "hello x" {
		t.Errorf("event = %+v", f)
	}
	if want := fmt.Sprintf("local port %d is taken; pod/a is on %d instead", n, f.LocalPort); note.Text != want {
		t.Errorf("note %q, want %q", note.Text, want)
	}
}

func TestAFixedPortThatIsTakenIsAnErrorUntilItIsFree(t *testing.T) {
	c := newCluster()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := l.Addr().(*net.TCPAddr).Port
	c.serve("a", 80, answer("hello "))
	s := begin(t, c, bare)
	s.Want([]Port{{Resource: "pod", Namespace: "default", Name: "a", Remote: PortRef{Number: 80}, Local: n, Fixed: true}})
	s.Pod(kube.PodEvent{Pod: podOf("a")})
	f := s.events.forward(t)
	if want := fmt.Sprintf("local port %d is taken, so pod/a cannot be forwarded", n); f.Err == nil || f.Err.Error() != want {
		t.Errorf("error %v, want %s", f.Err, want)
	}
	l.Close()
	if f := s.events.forward(t); f.Err != nil || f.LocalPort != n || ask(n, "x") != "hello x" {
		t.Errorf("event = %+v", f)
	}
}

func TestWhatIsNoLongerWantedIsClosed(t *testing.T) {
	c, n := newCluster(), freePort(t)
	s := begin(t, c, bare)
	s.Want([]Port{{Resource: "pod", Namespace: "default", Name: "a", Remote: PortRef{Number: 80}, Local: n}})
	c.serve("a", 80, answer("hello "))
	s.Pod(kube.PodEvent{Pod: podOf("a")})
	s.events.forward(t)
	s.Want(nil)
	for end := time.Now().Add(5 * time.Second); ask(n, "x") == "hello x"; {
		if time.Now().After(end) {
			t.Fatal("the port is still open")
		}
	}
}

func TestTheEndBreaksWhatIsOpenAtOnce(t *testing.T) {
	c, n := newCluster(), freePort(t)
	c.serve("a", n, func(c io.ReadWriteCloser) { _, _ = io.Copy(io.Discard, c) })
	s := begin(t, c, bare)
	s.Pod(kube.PodEvent{Pod: appOn("a", n)})
	s.events.forward(t)
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", n))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "hello")
	s.end()
	if _, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", n)); err == nil {
		t.Error("the port is still open")
	}
	conn.SetDeadline(time.Now().Add(time.Second))
	var b bytes.Buffer
	if _, err := io.Copy(&b, conn); err != nil && errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
}
