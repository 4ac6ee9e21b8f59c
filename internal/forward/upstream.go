package forward

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/streaming/pkg/httpstream"
)

// upstreams holds one connection per pod, over which every forwarded connection to it runs.
type upstreams struct {
	dialer Dialer
	mu     sync.Mutex
	conns  map[types.UID]*upstream
	dials  sync.WaitGroup
	closed bool
}

type upstream struct {
	done chan struct{} // closed when the dial is over
	conn httpstream.Connection
	err  error
}

func newUpstreams(d Dialer) *upstreams {
	return &upstreams{dialer: d, conns: map[types.UID]*upstream{}}
}

var errEnded = errors.New("the session has ended")

// get is the connection to a pod; it is dialled when there is none that lives.
func (u *upstreams) get(ctx context.Context, pod *corev1.Pod) (httpstream.Connection, error) {
	up := u.entry(pod)
	if up == nil {
		return nil, errEnded
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-up.done:
		return up.conn, up.err
	}
}

func (u *upstreams) entry(pod *corev1.Pod) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil
	}
	if up := u.conns[pod.UID]; up != nil && up.usable() {
		return up
	}
	up := &upstream{done: make(chan struct{})}
	u.conns[pod.UID] = up
	u.dials.Go(func() {
		defer close(up.done)
		if up.conn, up.err = u.dialer.DialPod(pod.Namespace, pod.Name); up.err != nil {
			return
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.conns[pod.UID] != up {
			up.conn.Close()
		}
	})
	return up
}

func (up *upstream) usable() bool {
	select {
	case <-up.done:
	default:
		return true
	}
	if up.err != nil {
		return false
	}
	select {
	case <-up.conn.CloseChan():
		return false
	default:
		return true
	}
}

// forget closes the connection to a pod that is gone.
func (u *upstreams) forget(pod types.UID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.drop(pod)
}

func (u *upstreams) drop(pod types.UID) {
	up := u.conns[pod]
	delete(u.conns, pod)
	if up == nil {
		return
	}
	select {
	case <-up.done:
		if up.conn != nil {
			up.conn.Close()
		}
	default:
		// The dial closes it when it comes to its end.
	}
}

// lastDials is how long the end of the session waits for dials under way, which no context stops.
const lastDials = 300 * time.Millisecond

func (u *upstreams) close() {
	u.mu.Lock()
	u.closed = true
	for pod := range u.conns {
		u.drop(pod)
	}
	u.mu.Unlock()
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { u.dials.Wait(); close(over) })
	timer := time.NewTimer(lastDials)
	defer timer.Stop()
	select {
	case <-over:
		wg.Wait()
	case <-timer.C:
	}
}

// pairOf is the two streams of one forwarded connection: its bytes, and what goes wrong with them.
type pairOf struct {
	conn       httpstream.Connection
	data, errs httpstream.Stream
}

// creation is how long an open connection may take for a stream. One that slept with the laptop never answers.
const creation = 5 * time.Second

var errSilent = errors.New("the connection to the pod does not answer")

// pair opens the streams for one connection to a port of the pod.
func (u *upstreams) pair(ctx context.Context, pod *corev1.Pod, port int, request int64) (*pairOf, error) {
	conn, err := u.get(ctx, pod)
	if err != nil {
		return nil, err
	}
	// A connection that is closed fails to make streams at once.
	dead := time.AfterFunc(creation, func() { conn.Close() })
	defer dead.Stop()
	h := http.Header{}
	h.Set(corev1.StreamType, corev1.StreamTypeError)
	h.Set(corev1.PortHeader, strconv.Itoa(port))
	h.Set(corev1.PortForwardRequestIDHeader, strconv.FormatInt(request, 10))
	errs, err := conn.CreateStream(h)
	if err != nil {
		return nil, u.broken(pod, conn, err)
	}
	// Nothing is ever sent over it.
	errs.Close()
	h.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(h)
	if err != nil {
		return nil, u.broken(pod, conn, err)
	}
	if !dead.Stop() {
		return nil, u.broken(pod, conn, errSilent)
	}
	return &pairOf{conn: conn, data: data, errs: errs}, nil
}

func (u *upstreams) broken(pod *corev1.Pod, conn httpstream.Connection, err error) error {
	conn.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if up := u.conns[pod.UID]; up != nil && up.conn == conn {
		delete(u.conns, pod.UID)
	}
	return fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
}

// lost says that the connection under the streams is gone.
func (p *pairOf) lost() bool {
	select {
	case <-p.conn.CloseChan():
		return true
	default:
		return false
	}
}

func (p *pairOf) close() {
	p.data.Reset()
	p.errs.Reset()
	p.conn.RemoveStreams(p.data, p.errs)
}
