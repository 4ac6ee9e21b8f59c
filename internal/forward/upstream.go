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
	work   sync.WaitGroup // dials and new streams, which no context stops
	closed bool
}

// upstream is a connection to one pod. The mutex of upstreams guards users and retired.
type upstream struct {
	pod     types.UID
	done    chan struct{} // closed when the dial is over
	conn    httpstream.Connection
	err     error
	users   int
	retired bool // it takes no new streams, and is closed when the last is done
}

func newUpstreams(d Dialer) *upstreams {
	return &upstreams{dialer: d, conns: map[types.UID]*upstream{}}
}

var errEnded = errors.New("the session has ended")

// get is the connection to a pod; it is dialled when there is none that lives. Whoever gets it must release it.
func (u *upstreams) get(ctx context.Context, pod *corev1.Pod) (*upstream, error) {
	up := u.hold(pod)
	if up == nil {
		return nil, errEnded
	}
	err := ctx.Err()
	select {
	case <-ctx.Done():
	case <-up.done:
		err = up.err
	}
	if err != nil {
		u.release(up)
		return nil, err
	}
	return up, nil
}

func (u *upstreams) hold(pod *corev1.Pod) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil
	}
	up := u.conns[pod.UID]
	if up == nil || !up.usable() {
		up = &upstream{pod: pod.UID, done: make(chan struct{})}
		u.conns[pod.UID] = up
		up.users++ // the dial's own
		u.work.Go(func() {
			up.conn, up.err = u.dialer.DialPod(pod.Namespace, pod.Name)
			close(up.done)
			u.release(up)
		})
	}
	up.users++
	return up
}

func (u *upstreams) release(up *upstream) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up.users--
	up.sweep()
}

func (up *upstream) sweep() {
	if up.retired && up.users == 0 && up.conn != nil {
		up.conn.Close()
	}
}

// retire keeps a connection from being used again. After a stream went wrong, a container runtime may leave later ones on
// the same connection without an answer; a new one costs little.
func (u *upstreams) retire(up *upstream) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conns[up.pod] == up {
		delete(u.conns, up.pod)
	}
	up.retired = true
	up.sweep()
}

func (up *upstream) usable() bool {
	select {
	case <-up.done:
	default:
		return true
	}
	return up.err == nil && !up.lost()
}

// lost says that the connection is gone.
func (up *upstream) lost() bool {
	select {
	case <-up.conn.CloseChan():
		return true
	default:
		return false
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
	if up == nil {
		return
	}
	delete(u.conns, pod)
	up.retired = true
	select {
	case <-up.done:
		if up.conn != nil {
			up.conn.Close()
		}
	default:
		// The dial closes it when it comes to its end.
	}
}

// lastWork is how long the end of the session waits for dials and streams under way.
const lastWork = 300 * time.Millisecond

func (u *upstreams) close() {
	u.mu.Lock()
	u.closed = true
	for pod := range u.conns {
		u.drop(pod)
	}
	u.mu.Unlock()
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { u.work.Wait(); close(over) })
	timer := time.NewTimer(lastWork)
	defer timer.Stop()
	select {
	case <-over:
		wg.Wait()
	case <-timer.C:
	}
}

// pairOf is the two streams of one forwarded connection: its bytes, and what goes wrong with them.
type pairOf struct {
	up         *upstream
	data, errs httpstream.Stream
}

// creation is how long an open connection may take for a stream. One that slept with the laptop never answers.
const creation = 3 * time.Second

var errSilent = errors.New("the connection does not answer")

// pair opens the streams for one connection to a port of the pod. Whoever gets it must put it back.
func (u *upstreams) pair(ctx context.Context, pod *corev1.Pod, port int, request int64) (*pairOf, error) {
	up, err := u.get(ctx, pod)
	if err != nil {
		return nil, err
	}
	made, failed, left := make(chan *pairOf), make(chan error, 1), make(chan struct{})
	defer close(left)
	u.work.Go(func() {
		p, err := up.streams(port, request)
		if err != nil {
			failed <- err
			return
		}
		select {
		case made <- p:
		case <-left:
			p.close()
		}
	})
	timer := time.NewTimer(creation)
	defer timer.Stop()
	select {
	case p := <-made:
		return p, nil
	case err = <-failed:
	case <-timer.C:
		err = errSilent
	case <-ctx.Done():
		err = ctx.Err()
	}
	u.retire(up)
	u.release(up)
	return nil, fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
}

func (up *upstream) streams(port int, request int64) (*pairOf, error) {
	h := http.Header{}
	h.Set(corev1.StreamType, corev1.StreamTypeError)
	h.Set(corev1.PortHeader, strconv.Itoa(port))
	h.Set(corev1.PortForwardRequestIDHeader, strconv.FormatInt(request, 10))
	errs, err := up.conn.CreateStream(h)
	if err != nil {
		return nil, err
	}
	// Nothing is ever sent over it.
	errs.Close()
	h.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := up.conn.CreateStream(h)
	if err != nil {
		errs.Reset()
		up.conn.RemoveStreams(errs)
		return nil, err
	}
	return &pairOf{up: up, data: data, errs: errs}, nil
}

// back ends the streams and gives up the connection; good says whether others may go on using it.
func (u *upstreams) back(p *pairOf, good bool) {
	p.close()
	if !good {
		u.retire(p.up)
	}
	u.release(p.up)
}

func (p *pairOf) close() {
	p.data.Reset()
	p.errs.Reset()
	p.up.conn.RemoveStreams(p.data, p.errs)
}
