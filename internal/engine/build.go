package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// BuildOptions is one image to be built. Context, Dockerfile and Tags are needed; the rest may be empty.
type BuildOptions struct {
	Context    string             // folder, absolute
	Dockerfile string             // file, absolute; it may lie outside the context
	Tags       []string           // what the image is called in the engine
	Target     string             // stage; empty: the last
	Args       map[string]*string // nil value: the Dockerfile's default
	Platform   string             // "linux/arm64"; empty: the engine's own
	Network    string
	AddHost    []string
	CacheFrom  []string
	NoCache    bool
	Pull       bool // look for newer base images
	Squash     bool
	Secrets    map[string][]byte // by id, for RUN --mount=type=secret
	SSH        []SSH             // for RUN --mount=type=ssh
	Labels     map[string]string // on top of the Dockerfile's
	Builder    Kind
	// Archive writes the context as a tar stream for an engine without BuildKit, and returns the Dockerfile's name in it.
	Archive func(ctx context.Context) (stream io.ReadCloser, dockerfile string, err error)
}

// SSH is an agent socket or a set of keys that RUN --mount=type=ssh may use.
type SSH struct {
	ID    string   // empty: "default"
	Paths []string // empty: the agent that SSH_AUTH_SOCK names
}

// Kind is one of the two builders that an engine may have.
type Kind string

// The builders: what the engine is best at, or one of them by name.
const (
	Best     Kind = ""
	BuildKit Kind = "buildkit"
	Classic  Kind = "classic"
)

// BuildError is a build that the engine refused or that a step of the Dockerfile ended.
type BuildError struct {
	Step    Step   // the step that failed; zero when it was none
	Exit    int    // what its command exited with; 0 when no command failed
	Message string // the engine's words
	Output  bool   // the step printed lines before it failed
}

// Step is one instruction of a Dockerfile as a builder counts it.
type Step struct {
	Text  string // "RUN npm ci"
	Stage string // name of the stage, or "stage-1", or empty where there is only one
	Index int    // from 1, as the builder counts: BuildKit within the stage, the classic builder over the file
	Total int
	Kind  Kind
}

// Error is the engine's words.
func (e *BuildError) Error() string { return e.Message }

// Build makes an image and returns its ID. A build that fails is a *BuildError. out gets the build's lines as they come; it is
// called from one goroutine.
func (e *Engine) Build(ctx context.Context, o BuildOptions, out func(line string)) (string, error) {
	kind, err := e.builder(ctx, o.Builder)
	if err != nil {
		return "", err
	}
	api, err := e.apiOptions(o)
	if err != nil {
		return "", err
	}
	if kind == Classic {
		return e.buildClassic(ctx, o, api, out)
	}
	return e.buildSession(ctx, o, api, out)
}

// builder decides which builder is used: what is asked for, then DOCKER_BUILDKIT, then what the engine has.
func (e *Engine) builder(ctx context.Context, want Kind) (Kind, error) {
	info, err := e.Ping(ctx) // also where nothing is left to decide: it negotiates the API version and explains a dead engine
	if err != nil {
		return "", err
	}
	if want != Best {
		return want, nil
	}
	switch e.getenv("DOCKER_BUILDKIT") {
	case "0", "false":
		return Classic, nil
	case "1", "true":
		return BuildKit, nil
	}
	if info.BuildKit || (!info.Chosen && e.hasBuildKit(ctx)) {
		return BuildKit, nil
	}
	return Classic, nil
}

// hasBuildKit asks an engine that names no builder of its own choice: Docker before 23 has BuildKit inside (from API 1.39 on)
// without using it by default; podman never has it.
func (e *Engine) hasBuildKit(ctx context.Context) bool {
	v, err := e.client.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil || v.Os == "windows" {
		return false
	}
	for _, c := range v.Components {
		if strings.Contains(strings.ToLower(c.Name), "podman") {
			return false
		}
	}
	return !versions.LessThan(v.APIVersion, "1.39")
}

// apiOptions are the options that both builders understand.
func (e *Engine) apiOptions(o BuildOptions) (client.ImageBuildOptions, error) {
	api := client.ImageBuildOptions{
		Tags: o.Tags, Target: o.Target, NetworkMode: o.Network, ExtraHosts: o.AddHost, CacheFrom: o.CacheFrom,
		Labels: o.Labels, NoCache: o.NoCache, PullParent: o.Pull, Squash: o.Squash, Remove: true, ForceRemove: true,
		BuildArgs: e.auth.proxyArgs(e.endpoint.Host, o.Args),
	}
	if o.Platform != "" {
		p, err := platforms.Parse(o.Platform)
		if err != nil {
			return api, fmt.Errorf("platform %q: %w", o.Platform, err)
		}
		api.Platforms = []ocispec.Platform{p}
	}
	return api, nil
}

// buildSession builds by the engine's BuildKit: files, secrets and credentials are asked for through a session, so that only
// what changed since the last build is sent.
func (e *Engine) buildSession(ctx context.Context, o BuildOptions, api client.ImageBuildOptions, out func(string)) (string, error) {
	s, name, err := e.newSession(ctx, o)
	if err != nil {
		return "", err
	}
	api.Version, api.SessionID, api.RemoteContext, api.Dockerfile = build.BuilderBuildKit, s.ID(), "client-session", name
	var id string
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := s.Run(gctx, e.dialSession); err != nil {
			return fmt.Errorf("build session: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		defer s.Close()
		var err error
		id, err = e.runBuild(gctx, nil, api, newTrace(out))
		return err
	})
	err = g.Wait()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return id, e.unreachable(ctx, err)
}

// buildClassic sends the whole context as a tar stream.
func (e *Engine) buildClassic(ctx context.Context, o BuildOptions, api client.ImageBuildOptions, out func(string)) (string, error) {
	if len(o.Secrets) > 0 || len(o.SSH) > 0 {
		return "", errors.New("secrets and ssh need an engine with BuildKit, which this one lacks or DOCKER_BUILDKIT switches off")
	}
	stream, name, err := o.Archive(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	api.Version, api.Dockerfile, api.AuthConfigs = build.BuilderV1, name, e.auth.all()
	id, err := e.runBuild(ctx, stream, api, newSteps(out))
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return id, e.unreachable(ctx, err)
}

// reader makes lines of one builder's messages.
type reader interface {
	message(m message) error
	// explain turns the text with which the stream ended into the failure of a step.
	explain(code int, text string) *BuildError
	flush()
}

func (e *Engine) runBuild(ctx context.Context, body io.Reader, api client.ImageBuildOptions, r reader) (string, error) {
	res, err := e.client.ImageBuild(ctx, body, api)
	if err != nil {
		return "", refused(err, r)
	}
	defer res.Body.Close()
	var id string
	err = readMessages(res.Body, func(m message) error {
		if m.Error != nil {
			r.flush()
			return r.explain(m.Error.Code, m.Error.Message)
		}
		if found := m.imageID(); found != "" {
			id = found
		}
		return r.message(m)
	})
	r.flush()
	if err != nil {
		return "", err
	}
	if id == "" {
		return "", errors.New("the engine ended the build without an image")
	}
	return id, nil
}

// refused is an answer that came instead of a build: a Dockerfile that the classic builder cannot parse, for one.
func refused(err error, r reader) error {
	if client.IsErrConnectionFailed(err) {
		return err
	}
	if text, ok := strings.CutPrefix(err.Error(), "Error response from daemon: "); ok {
		return r.explain(0, text)
	}
	return err
}

// all is every credential of the configuration, which the classic builder wants beforehand.
func (a *Auth) all() map[string]registry.AuthConfig {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.load(); a.err != nil {
		return nil
	}
	// A helper that fails must not stop a build whose base images are public; the pull itself says what is missing.
	found, _ := a.conf.GetAllCredentials()
	list := make(map[string]registry.AuthConfig, len(found))
	for host, c := range found {
		list[host] = registry.AuthConfig{
			Username: c.Username, Password: c.Password, ServerAddress: c.ServerAddress,
			IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
		}
	}
	return list
}

// proxyArgs adds the proxies of the docker configuration to the build arguments, as the docker CLI does.
func (a *Auth) proxyArgs(host string, args map[string]*string) map[string]*string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.load(); a.err != nil {
		return args
	}
	return a.conf.ParseProxyConfig(host, args)
}
