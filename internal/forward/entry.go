package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

// entry is one forward while it is wanted.
type entry struct {
	*Forwarder
	spec
	close context.CancelFunc
}

func (e *entry) run(ctx context.Context) {
	l := e.listen(ctx)
	if l == nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { e.announce(ctx, l.Addr().(*net.TCPAddr).Port) })
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			// Out of file descriptors; some will be free again.
			wait(ctx, 50*time.Millisecond)
			continue
		}
		wg.Go(func() { e.serve(ctx, conn.(*net.TCPConn)) })
	}
}

func (e *entry) host() string {
	if e.address != "" {
		return e.address
	}
	return e.o.Address
}

const freeAgain = time.Second

// listen returns nil when ctx has ended or the address is none of this machine.
func (e *entry) listen(ctx context.Context) net.Listener {
	told := false
	for ctx.Err() == nil {
		l, err := bind(ctx, e.host(), e.local, e.fixed)
		if err == nil {
			if got := l.Addr().(*net.TCPAddr).Port; e.local != 0 && got != e.local {
				e.sink.Send(event.Note{Text: fmt.Sprintf("local port %d is taken; %s is on %d instead", e.local, e.resource(), got)})
			}
			return l
		}
		if !told {
			told = true
			e.sink.Send(event.Forward{
				Resource: e.resource(), Namespace: e.namespace, RemotePort: e.port.Number,
				Address: e.host(), LocalPort: e.local, Err: e.taken(err),
			})
		}
		if !busy(err) {
			return nil
		}
		wait(ctx, freeAgain)
	}
	return nil
}

func (e *entry) taken(err error) error {
	if busy(err) {
		return diag.Errorf("stop the program that listens there (it is noticed within a second), or give the forward another localPort",
			"local port %d is taken, so %s cannot be forwarded", e.local, e.resource())
	}
	return diag.Errorf("use an address of this machine, such as 127.0.0.1 or 0.0.0.0", "forward %s: %w", e.resource(), err)
}

func busy(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES)
}

// bind listens on the wanted port or, unless it is fixed, on the next one that is free, as Skaffold looks for it: ten more,
// then 4503 to 4533, then any.
func bind(ctx context.Context, address string, wanted int, fixed bool) (net.Listener, error) {
	var ports []int
	if wanted > 0 {
		ports = append(ports, wanted)
		for i := 1; i <= 10 && !fixed && wanted+i < 1<<16; i++ {
			ports = append(ports, wanted+i)
		}
	}
	for p := 4503; p <= 4533 && !fixed; p++ {
		ports = append(ports, p)
	}
	if !fixed {
		ports = append(ports, 0)
	}
	var err error
	for _, p := range ports {
		var l net.Listener
		if l, err = bindOne(ctx, address, p); err == nil || !busy(err) {
			return l, err
		}
	}
	return nil, err
}

func bindOne(ctx context.Context, address string, port int) (net.Listener, error) {
	var lc net.ListenConfig
	if port != 0 {
		// Some systems let a narrow listener hide a wider one of another program.
		all, err := lc.Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err != nil {
			return nil, err
		}
		all.Close()
	}
	return lc.Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
}

// announce tells where the forward is as soon as a pod runs behind it, and again when the remote port is another.
func (e *entry) announce(ctx context.Context, local int) {
	told := 0
	for ctx.Err() == nil {
		p := e.picture.Load()
		if remote := e.remote(p); remote != 0 && remote != told {
			told = remote
			e.sink.Send(event.Forward{Resource: e.resource(), Namespace: e.namespace, RemotePort: remote, Address: e.host(), LocalPort: local})
		}
		select {
		case <-ctx.Done():
		case <-p.replaced:
		}
	}
}

// remote is the port as the resource names it, 0 while no pod runs behind it.
func (e *entry) remote(p *picture) int {
	pod, port, _ := p.pick(e.spec)
	if pod == nil {
		return 0
	}
	svc := p.services[types.NamespacedName{Namespace: e.namespace, Name: e.name}]
	if e.kind != "service" || svc == nil {
		return port
	}
	for _, sp := range svc.Spec.Ports {
		if int(sp.Port) == e.port.Number || e.port.Name != "" && sp.Name == e.port.Name {
			return int(sp.Port)
		}
	}
	return port
}

// settling is how long a connection waits for readiness when there is a pod that only runs.
const settling = 2 * time.Second

// choose waits for a pod that takes connections, at most until the deadline.
func (e *entry) choose(ctx context.Context, deadline time.Time) (*corev1.Pod, int) {
	settled := time.Now().Add(settling)
	for ctx.Err() == nil {
		p := e.picture.Load()
		pod, port, r := p.pick(e.spec)
		until := deadline
		if r == running && settled.Before(deadline) {
			until = settled
		}
		left := time.Until(until)
		if r == ready || pod != nil && left <= 0 {
			return pod, port
		}
		if left <= 0 {
			return nil, 0
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-p.replaced:
		}
		timer.Stop()
	}
	return nil, 0
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
