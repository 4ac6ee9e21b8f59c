package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/client"
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer" // docker-container://NAME
	_ "github.com/moby/buildkit/client/connhelper/kubepod"         // kube-pod://NAME
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer" // podman-container://NAME
	_ "github.com/moby/buildkit/client/connhelper/ssh"             // ssh://HOST
	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/diag"
)

// RemoteOptions says where a BuildKit daemon is, and what builds there may ask of this machine.
type RemoteOptions struct {
	Address string // "tcp://…", "unix://…", "docker-container://…", "ssh://…"; with Dial, what messages call it
	// Dial opens a connection to the daemon; nil: Address does.
	Dial   func(ctx context.Context) (net.Conn, error)
	Auth   *Auth
	Getenv func(string) string // nil: empty
}

// Remote is a BuildKit daemon without an engine around it. It is safe for concurrent use; nothing is sent before the first build.
type Remote struct{ o RemoteOptions }

// NewRemote is the daemon at an address.
func NewRemote(o RemoteOptions) *Remote {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Auth == nil {
		o.Auth = LoadAuth(o.Getenv)
	}
	return &Remote{o}
}

// Address is how the daemon is called.
func (r *Remote) Address() string { return r.o.Address }

// Output is what becomes of an image that a Remote made.
type Output struct {
	Push     bool // to the registry that the tag names
	Insecure bool // which is spoken to without TLS
	// Tar gets the image as "docker save" writes it, where it is not pushed.
	Tar func() (io.WriteCloser, error)
	// CacheTo are places that get the layers of all steps: "type=registry,ref=…", "type=inline".
	CacheTo []string
}

// Solved is an image that a Remote made.
type Solved struct {
	Digest string // of the manifest, or of the index where there are several platforms
	ID     string // of the configuration; empty where there are several platforms
}

// Build makes an image. o.Platform may name several platforms with commas between. A build that fails is a *BuildError.
func (r *Remote) Build(ctx context.Context, o BuildOptions, to Output, out func(line string)) (Solved, error) {
	opt, err := r.solveOptions(o, to)
	if err != nil {
		return Solved{}, err
	}
	c, err := r.connect(ctx)
	if err != nil {
		return Solved{}, err
	}
	defer c.Close()
	t := newTrace(out)
	statuses := make(chan *client.SolveStatus)
	var res *client.SolveResponse
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for s := range statuses {
			for _, part := range s.Marshal() {
				t.update(part)
			}
		}
		t.flush()
		return nil
	})
	var failed error
	g.Go(func() error {
		res, failed = c.Solve(gctx, nil, opt, statuses)
		return nil
	})
	_ = g.Wait() // failed says it all, and is explained by what the trace has seen
	if ctx.Err() != nil {
		return Solved{}, ctx.Err()
	}
	if failed != nil {
		return Solved{}, r.explain(t, failed)
	}
	return Solved{Digest: res.ExporterResponse["containerimage.digest"], ID: res.ExporterResponse["containerimage.config.digest"]}, nil
}

// connect asks the daemon whether it answers.
func (r *Remote) connect(ctx context.Context) (*client.Client, error) {
	var opts []client.ClientOpt
	address := r.o.Address
	if r.o.Dial != nil {
		address = "tcp://" + strings.NewReplacer("/", "-", ":", "-").Replace(r.o.Address)
		opts = append(opts, client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return r.o.Dial(ctx) }))
	}
	c, err := client.New(ctx, address, opts...)
	if err != nil {
		return nil, r.unreachable(ctx, err)
	}
	if _, err := c.Info(ctx); err != nil {
		c.Close()
		return nil, r.unreachable(ctx, err)
	}
	return c, nil
}

func (r *Remote) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	hint := "start it, or unset BUILDKIT_HOST to build with the Docker engine"
	if r.o.Dial != nil {
		hint = ""
	}
	return &diag.Error{What: fmt.Sprintf("no BuildKit answers at %s: %s", r.o.Address, cause(err)), Hint: hint, Code: diag.CodeCluster, Err: err}
}

// explain makes a step's failure of what a build ended with.
func (r *Remote) explain(t *trace, err error) error {
	text := err.Error()
	if t.failed == nil && (strings.Contains(text, "code = Unavailable") || strings.Contains(text, "error reading from server") || errors.Is(err, io.EOF)) {
		return &diag.Error{
			What: fmt.Sprintf("the connection to BuildKit at %s was lost: %s", r.o.Address, cause(err)),
			Hint: "see whether it still runs, and try again", Code: diag.CodeCluster, Err: err,
		}
	}
	return t.explain(0, text)
}

func (r *Remote) solveOptions(o BuildOptions, to Output) (client.SolveOpt, error) {
	opt := client.SolveOpt{Frontend: "dockerfile.v0", FrontendAttrs: r.attributes(o), SharedKey: sharedKey(o.Context)}
	if o.Squash {
		return opt, diag.Errorf("remove docker.squash, or build with the Docker engine", "BuildKit at %s cannot squash layers", r.o.Address)
	}
	if o.Network == "host" {
		opt.AllowedEntitlements = []string{"network.host"}
	}
	var err error
	if opt.LocalMounts, err = mounts(o); err != nil {
		return opt, err
	}
	if opt.Session, err = offered(o, r.o.Auth, r.o.Getenv); err != nil {
		return opt, err
	}
	for _, from := range o.CacheFrom {
		opt.CacheImports = append(opt.CacheImports, cacheEntry(from))
	}
	for _, to := range to.CacheTo {
		opt.CacheExports = append(opt.CacheExports, cacheEntry(to))
	}
	opt.Exports = []client.ExportEntry{export(o, to)}
	return opt, nil
}

// export is where the image goes.
func export(o BuildOptions, to Output) client.ExportEntry {
	e := client.ExportEntry{Type: client.ExporterImage, Attrs: map[string]string{"name": strings.Join(o.Tags, ",")}}
	if !to.Push {
		e.Type = client.ExporterDocker
		e.Output = func(map[string]string) (io.WriteCloser, error) { return to.Tar() }
		return e
	}
	e.Attrs["push"] = "true"
	if to.Insecure {
		e.Attrs["registry.insecure"] = "true"
	}
	return e
}

// attributes are the build's settings as BuildKit's Dockerfile frontend names them.
func (r *Remote) attributes(o BuildOptions) map[string]string {
	attrs := map[string]string{"filename": filepath.Base(o.Dockerfile)}
	for name, value := range r.o.Auth.proxyArgs(r.o.Address, o.Args) {
		if value != nil {
			attrs["build-arg:"+name] = *value
		}
	}
	for name, value := range map[string]string{"target": o.Target, "platform": o.Platform, "force-network-mode": o.Network} {
		if value != "" {
			attrs[name] = value
		}
	}
	for name, value := range o.Labels {
		attrs["label:"+name] = value
	}
	if o.NoCache {
		attrs["no-cache"] = ""
	}
	if o.Pull {
		attrs["image-resolve-mode"] = "pull"
	}
	var hosts []string
	for _, h := range o.AddHost {
		name, ip, _ := strings.Cut(h, ":")
		hosts = append(hosts, name+"="+ip)
	}
	if len(hosts) > 0 {
		attrs["add-hosts"] = strings.Join(hosts, ",")
	}
	return attrs
}

// cacheEntry reads "type=registry,ref=…", or takes the text as the name of an image.
func cacheEntry(text string) client.CacheOptionsEntry {
	if !strings.Contains(text, "type=") {
		return client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": text}}
	}
	e := client.CacheOptionsEntry{Attrs: map[string]string{}}
	for _, field := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if key == "type" {
			e.Type = value
			continue
		}
		e.Attrs[key] = value
	}
	return e
}
