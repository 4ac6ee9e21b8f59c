package local

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
)

// runner runs a command as a process of a pod would.
type runner func(ctx context.Context, args []string) error

// beside runs commands where a process runs, and as it does.
func (u *unitRun) beside(p Process) runner {
	return func(ctx context.Context, args []string) error {
		c := u.command(p)
		c.Args, c.Grace = args, 100*time.Millisecond
		return u.target.Guard.Run(ctx, c, nil)
	}
}

// ask asks a process once how it is; nil means well.
func (p *Probe) ask(ctx context.Context, run runner) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	switch p.Kind {
	case "http":
		return p.http(ctx)
	case "tcp":
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.Address)
		if err != nil {
			return err
		}
		return conn.Close()
	case "grpc":
		return p.grpc(ctx)
	case "sleep":
		return pause(ctx, p.Delay)
	}
	return run(ctx, p.Args)
}

// http is well with any status from 200 to 399, as the kubelet sees it.
func (p *Probe) http(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return err
	}
	request.Host = p.Host
	request.Header.Set("User-Agent", "skiff-probe")
	for _, h := range p.Headers {
		request.Header.Add(h.Name, h.Value)
	}
	client := http.Client{
		// The certificate is not looked at: the kubelet does not either.
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fmt.Errorf("GET %s: %s", p.URL, response.Status)
	}
	return nil
}

func (p *Probe) grpc(ctx context.Context) error {
	conn, err := grpc.NewClient(p.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	answer, err := health.NewHealthClient(conn).Check(ctx, &health.HealthCheckRequest{Service: p.Service})
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	if answer.GetStatus() != health.HealthCheckResponse_SERVING {
		return fmt.Errorf("health of %s: %s", p.Address, answer.GetStatus())
	}
	return nil
}

// follow asks again and again until ctx ends, and tells when the answer turns: after as many equal answers as the probe demands. With
// eager it asks more often than the manifest says until the first good answer, so that nobody waits for a process that is there, and
// a bad answer before that is nothing to tell.
func (p *Probe) follow(ctx context.Context, run runner, eager bool, turned func(ok bool, err error)) {
	good, bad, known, ok := 0, 0, false, false
	wait, quick := p.Delay, 5*time.Millisecond
	if eager {
		wait = 0
	}
	for pause(ctx, wait) == nil {
		err := p.ask(ctx, run)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
		}
		switch {
		case good >= p.Success && !(known && ok), bad >= p.Failure && (known && ok || !known && !eager):
			known, ok = true, err == nil
			turned(ok, err)
		}
		wait = p.Period
		if eager && !known {
			wait, quick = min(quick, p.Period), quick*5/4
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return ctx.Err()
}
