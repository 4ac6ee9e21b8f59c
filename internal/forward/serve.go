package forward

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// again is the pause before another attempt for a connection that nobody has taken yet.
const again = 100 * time.Millisecond

// serve brings one local connection to a pod. As long as no program there has taken it, it is tried again: a server that
// restarts, or a pod that is replaced, costs its user a moment and no error.
func (e *entry) serve(ctx context.Context, local *net.TCPConn) {
	stop := context.AfterFunc(ctx, func() { local.Close() })
	defer stop()
	defer local.Close()
	c := &client{conn: local}
	for deadline := time.Now().Add(e.o.Patience); ; {
		pod, port := e.choose(ctx, deadline)
		if pod == nil {
			break
		}
		p, err := e.ups.pair(ctx, pod, port, e.requests.Add(1))
		if err == nil {
			result := c.through(ctx, p)
			e.ups.back(p, result == done)
			switch result {
			case done:
				return
			case broken:
				deadline = time.Time{}
			}
		}
		if ctx.Err() != nil || !time.Now().Before(deadline) {
			break
		}
		wait(ctx, again)
	}
	// The user's program sees a connection that was reset, not an answer without content.
	local.SetLinger(0)
}

// client is a local connection and what it has said so far, to be said again if nobody heard it.
type client struct {
	conn  *net.TCPConn
	said  []byte
	ended bool // it has said all it will
	gone  bool // it broke off
	lost  bool // it said more than was kept
}

const kept = 64 << 10

// outcome is what became of one attempt.
type outcome int

const (
	done    outcome = iota // the connection was made, and is over
	refused                // nobody took it: another attempt does no harm
	broken                 // it came to nothing, and the pod may have heard a part
)

// through connects the client with the streams until both have said all.
func (c *client) through(ctx context.Context, p *pairOf) outcome {
	var answered atomic.Bool
	var up, errs sync.WaitGroup
	var fault string
	defer errs.Wait()
	defer p.close()
	stop := context.AfterFunc(ctx, p.close)
	defer stop()
	errs.Go(func() {
		text, _ := io.ReadAll(io.LimitReader(p.errs, 4<<10))
		fault = string(text)
	})
	up.Go(func() { c.up(p.data, &answered) })
	_, err := io.Copy(&flagged{c.conn, &answered}, p.data)
	if answered.Load() {
		c.conn.CloseWrite()
		c.conn.SetReadDeadline(time.Now().Add(linger))
		up.Wait()
		return done
	}
	// The words may come a little after the end of the bytes.
	late := time.AfterFunc(explanation, p.close)
	errs.Wait()
	late.Stop()
	lost := err != nil || p.up.lost()
	if fault == "" && !lost {
		c.conn.CloseWrite()
		c.conn.SetReadDeadline(time.Now().Add(linger))
		up.Wait()
		return done
	}
	p.close()
	c.conn.SetReadDeadline(time.Unix(1, 0))
	up.Wait()
	c.conn.SetReadDeadline(time.Time{})
	// What nobody has heard can be said again.
	unheard := untaken(fault) || lost && len(c.said) == 0
	if c.gone || c.lost || !unheard {
		return broken
	}
	return refused
}

// linger is how long a client may go on talking to a server that has stopped, and explanation how long the words may take
// that say why a stream ended.
const (
	linger      = 30 * time.Second
	explanation = 250 * time.Millisecond
)

// untaken says that no program in the pod has seen the connection: nothing listens there yet, or the pod is going.
func untaken(fault string) bool {
	for _, words := range []string{"refused", "not found", "failed to find sandbox", "is closed", "not running"} {
		if strings.Contains(fault, words) {
			return true
		}
	}
	return false
}

// up sends to the pod what the client says, beginning with what it said before.
func (c *client) up(data io.WriteCloser, answered *atomic.Bool) {
	if len(c.said) > 0 {
		if _, err := data.Write(c.said); err != nil {
			return
		}
	}
	buf := make([]byte, 32<<10)
	for !c.ended {
		n, err := c.conn.Read(buf)
		c.keep(buf[:n], answered)
		if n > 0 {
			if _, werr := data.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err == io.EOF {
			c.ended = true
		} else if err != nil {
			ne, ok := err.(net.Error)
			c.gone = !ok || !ne.Timeout()
			return
		}
	}
	data.Close()
}

func (c *client) keep(said []byte, answered *atomic.Bool) {
	if answered.Load() || c.lost {
		c.said = nil
		return
	}
	if len(c.said)+len(said) > kept {
		c.said, c.lost = nil, true
		return
	}
	c.said = append(c.said, said...)
}

// flagged notes that something was written.
type flagged struct {
	io.Writer
	flag *atomic.Bool
}

// Write sets the flag before it writes.
func (f *flagged) Write(p []byte) (int, error) {
	f.flag.Store(true)
	return f.Writer.Write(p)
}
