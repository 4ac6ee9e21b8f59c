// Package engine talks to the Docker engine (or podman's socket): a Dockerfile and its context go in, images that are built,
// tagged, inspected and pushed come out.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/go-connections/tlsconfig"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Options says which engine to use. The zero value finds it as the docker CLI does, with an empty environment.
type Options struct {
	Host   string              // "unix:///…", "tcp://…", "ssh://…"; empty: found by the environment and the docker configuration
	Getenv func(string) string // the environment; nil: empty
}

// Engine is one Docker engine. It is safe for concurrent use, and nothing is sent before the first call that needs an answer.
type Engine struct {
	endpoint endpoint
	getenv   func(string) string
	client   *client.Client
	auth     *Auth
}

// Connect finds the engine and reads the docker configuration; it does not go to the network.
func Connect(o Options) (*Engine, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	at, err := findEndpoint(o)
	if err != nil {
		return nil, err
	}
	opts, err := at.clientOptions()
	if err != nil {
		return nil, err
	}
	if v := o.Getenv("DOCKER_API_VERSION"); v != "" {
		opts = append(opts, client.WithAPIVersion(v))
	}
	c, err := client.New(opts...)
	if err != nil {
		return nil, diag.Errorf("see DOCKER_HOST and \"docker context ls\"", "engine host %q: %w", at.Host, err)
	}
	return &Engine{endpoint: at, getenv: o.Getenv, client: c, auth: LoadAuth(o.Getenv)}, nil
}

// Host is the address of the engine.
func (e *Engine) Host() string { return e.endpoint.Host }

// Auth is the registry credentials of the docker configuration that the engine was found by.
func (e *Engine) Auth() *Auth { return e.auth }

// Close lets go of idle connections.
func (e *Engine) Close() error { return e.client.Close() }

// Info is what an engine says of itself.
type Info struct {
	APIVersion string
	OS         string
	BuildKit   bool // the engine builds with BuildKit unless told otherwise
	Chosen     bool // the engine says which builder it prefers; older ones do not
}

// Ping asks whether the engine answers; it is a *diag.Error with CodeCluster when not.
func (e *Engine) Ping(ctx context.Context) (Info, error) {
	p, err := e.client.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return Info{}, e.unreachable(ctx, err)
	}
	return Info{APIVersion: p.APIVersion, OS: p.OSType, BuildKit: p.BuilderVersion == build.BuilderBuildKit, Chosen: p.BuilderVersion != ""}, nil
}

// unreachable turns a failure to connect into an error that names the engine and the next step; others it leaves alone.
func (e *Engine) unreachable(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var op *net.OpError
	if !client.IsErrConnectionFailed(err) && !errors.As(err, &op) {
		return err
	}
	hint := "start Docker (or podman), or set DOCKER_HOST to an engine that runs"
	if strings.Contains(err.Error(), "permission denied") {
		hint = "add yourself to the group that owns the socket, for example: sudo usermod -aG docker $USER"
	}
	return &diag.Error{
		What: fmt.Sprintf("no Docker engine answers at %s (%s): %s", e.endpoint.Host, e.endpoint.Why, cause(err)),
		Hint: hint, Code: diag.CodeCluster, Err: err,
	}
}

// cause is the innermost text of a failure to connect: the layers above repeat the address and give the docker CLI's advice.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return strings.TrimSpace(err.Error())
		}
		err = inner
	}
}

// clientOptions are the options of the API client for one endpoint.
func (at endpoint) clientOptions() ([]client.Opt, error) {
	if strings.HasPrefix(at.Host, "ssh://") {
		return sshOptions(at.Host)
	}
	opts := []client.Opt{client.WithHost(at.Host)}
	if at.TLSDir == "" {
		return opts, nil
	}
	config, err := tlsconfig.Client(tlsconfig.Options{
		CAFile:             existing(filepath.Join(at.TLSDir, "ca.pem")),
		CertFile:           existing(filepath.Join(at.TLSDir, "cert.pem")),
		KeyFile:            existing(filepath.Join(at.TLSDir, "key.pem")),
		InsecureSkipVerify: at.SkipVerify,
		ExclusiveRootPools: true,
	})
	if err != nil {
		return nil, diag.Errorf("", "certificates of the engine %s in %s: %w", at.Host, at.TLSDir, err)
	}
	transport := &http.Transport{TLSClientConfig: config}
	return append([]client.Opt{client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect})}, opts...), nil
}

// sshOptions reach an engine through the user's ssh, as the docker CLI does.
func sshOptions(host string) ([]client.Opt, error) {
	helper, err := connhelper.GetConnectionHelper(host)
	if err != nil {
		return nil, diag.Errorf("", "engine host %q: %w", host, err)
	}
	transport := &http.Transport{DialContext: helper.Dialer}
	return []client.Opt{
		client.WithHTTPClient(&http.Client{Transport: transport}),
		client.WithHost(helper.Host),
		client.WithDialContext(helper.Dialer),
	}, nil
}
