package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// proxies keep the ports of Services open that are not the ports of their processes.
type proxies struct {
	open map[Proxy]*proxy
}

type proxy struct {
	listener net.Listener
	work     sync.WaitGroup
	stop     context.CancelFunc
}

// set opens what is new and closes what is not wanted any more.
func (p *proxies) set(ctx context.Context, wanted []Proxy) error {
	keep := map[Proxy]bool{}
	for _, w := range wanted {
		keep[w] = true
	}
	for w, running := range p.open {
		if !keep[w] {
			running.close()
			delete(p.open, w)
		}
	}
	var failed error
	for _, w := range wanted {
		if p.open[w] != nil {
			continue
		}
		opened, err := listen(ctx, w)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("open %s for a Service: %w", w.Listen, err))
			continue
		}
		if p.open == nil {
			p.open = map[Proxy]*proxy{}
		}
		p.open[w] = opened
	}
	return failed
}

func (p *proxies) close() {
	for _, running := range p.open {
		running.close()
	}
	p.open = nil
}

// listen opens one port. It lives until it is closed, whatever becomes of ctx.
func listen(ctx context.Context, p Proxy) (*proxy, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", p.Listen)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	running := &proxy{listener: l, stop: stop}
	running.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.work.Go(func() { join2(ctx, conn, p.To) })
		}
	})
	return running, nil
}

func (p *proxy) close() {
	p.stop()
	_ = p.listener.Close()
	p.work.Wait()
}

// join2 carries one connection until both sides have said all, or ctx ends.
func join2(ctx context.Context, client net.Conn, to string) {
	defer client.Close()
	dialer := net.Dialer{Timeout: 5 * time.Second}
	server, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return // the caller sees a closed connection, as from a Service without endpoints
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { _ = client.Close(); _ = server.Close() })()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			if c, ok := pair[0].(*net.TCPConn); ok {
				_ = c.CloseWrite()
			}
		})
	}
	both.Wait()
}
