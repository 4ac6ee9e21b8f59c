package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/session/auth"
	"google.golang.org/grpc"
)

// hubKey is the name under which the docker configuration keeps the credentials of Docker Hub.
const hubKey = "https://index.docker.io/v1/"

// Credential is what a registry is told. The zero value is nobody.
type Credential struct {
	Username      string
	Password      string
	IdentityToken string
	RegistryToken string
}

// Auth is the registry credentials of a docker configuration, with its credential helpers. It is safe for concurrent use.
type Auth struct {
	file string
	mu   sync.Mutex // some credential helpers hang when two of them run at once
	conf *configfile.ConfigFile
	err  error
	seen map[string]Credential
}

// LoadAuth names the configuration that the environment says; it is read when the first credential is asked for.
func LoadAuth(getenv func(string) string) *Auth {
	a := &Auth{seen: map[string]Credential{}}
	if dir := configDir(getenv); dir != "" {
		a.file = filepath.Join(dir, "config.json")
	}
	return a
}

// Lookup is the credential for a registry host such as "ghcr.io" or "docker.io".
func (a *Auth) Lookup(host string) (Credential, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.seen[host]; ok {
		return c, nil
	}
	a.load()
	if a.err != nil {
		return Credential{}, a.err
	}
	found, err := a.conf.GetAuthConfig(authKey(host))
	if err != nil {
		return Credential{}, fmt.Errorf("credentials for %s: %w", host, err)
	}
	c := credential(found)
	a.seen[host] = c
	return c, nil
}

func (a *Auth) load() {
	if a.conf != nil || a.err != nil {
		return
	}
	conf := configfile.New(a.file)
	if a.file != "" {
		if f, err := os.Open(a.file); err == nil {
			defer f.Close()
			if err := conf.LoadFromReader(f); err != nil {
				a.err = fmt.Errorf("docker configuration %s: %w", a.file, err)
				return
			}
		}
	}
	a.conf = conf
}

// authKey is how the configuration names a registry.
func authKey(host string) string {
	switch host {
	case "docker.io", "index.docker.io", "registry-1.docker.io":
		return hubKey
	}
	return host
}

func credential(c types.AuthConfig) Credential {
	return Credential{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken}
}

// sessionAuth answers the builder when it pulls a base image. It offers the credentials only: with the token methods
// unimplemented BuildKit fetches the token itself, and no seed file has to be kept in the user's home.
type sessionAuth struct {
	auth.UnimplementedAuthServer
	creds *Auth
}

func (s *sessionAuth) Register(server *grpc.Server) { auth.RegisterAuthServer(server, s) }

func (s *sessionAuth) Credentials(_ context.Context, r *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	c, err := s.creds.Lookup(r.Host)
	if err != nil {
		return nil, err
	}
	if c.IdentityToken != "" {
		return &auth.CredentialsResponse{Secret: c.IdentityToken}, nil
	}
	return &auth.CredentialsResponse{Username: c.Username, Secret: c.Password}, nil
}
