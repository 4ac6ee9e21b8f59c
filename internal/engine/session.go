package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// newSession offers to the engine what one build may ask for, and says by which name the Dockerfile is asked for.
func (e *Engine) newSession(ctx context.Context, o BuildOptions) (*session.Session, string, error) {
	s, err := session.NewSession(ctx, sharedKey(o.Context))
	if err != nil {
		return nil, "", fmt.Errorf("build session: %w", err)
	}
	folders, err := mounts(o)
	if err != nil {
		return nil, "", err
	}
	s.Allow(filesync.NewFSSyncProvider(filesync.StaticDirSource(folders)))
	offers, err := offered(o, e.auth, e.getenv)
	if err != nil {
		return nil, "", err
	}
	for _, a := range offers {
		s.Allow(a)
	}
	return s, filepath.Base(o.Dockerfile), nil
}

// mounts are the folders that a build may read.
func mounts(o BuildOptions) (map[string]fsutil.FS, error) {
	context, err := asRoot(o.Context)
	if err != nil {
		return nil, fmt.Errorf("build context: %w", err)
	}
	dockerfile, err := asRoot(filepath.Dir(o.Dockerfile))
	if err != nil {
		return nil, fmt.Errorf("build file %s: %w", o.Dockerfile, err)
	}
	return map[string]fsutil.FS{"context": context, "dockerfile": dockerfile}, nil
}

// offered is what a build may ask for besides its files: credentials, secrets, keys.
func offered(o BuildOptions, creds *Auth, getenv func(string) string) ([]session.Attachable, error) {
	list := []session.Attachable{&sessionAuth{creds: creds}, secretsprovider.FromMap(o.Secrets)}
	if len(o.SSH) > 0 {
		agent, err := sshprovider.NewSSHAgentProvider(agents(o.SSH, getenv))
		if err != nil {
			return nil, fmt.Errorf("ssh for the build: %w", err)
		}
		list = append(list, agent)
	}
	return list, nil
}

// dialSession opens the connection on which the engine asks back.
func (e *Engine) dialSession(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
	return e.client.DialHijack(ctx, "/session", proto, meta)
}

// sharedKey names the copy of a context that the engine keeps between builds. The host is part of it, since several
// people's machines may use one engine.
func sharedKey(dir string) string {
	host, _ := os.Hostname() // without one the key is only less telling
	sum := sha256.Sum256([]byte("skiff\x00" + host + "\x00" + dir))
	return hex.EncodeToString(sum[:])
}

// asRoot is a folder whose files belong to root, as they do in an image, whoever owns them here.
func asRoot(dir string) (fsutil.FS, error) {
	files, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	return fsutil.NewFilterFS(files, &fsutil.FilterOpt{Map: func(_ string, st *fstypes.Stat) fsutil.MapResult {
		st.Uid, st.Gid = 0, 0
		return fsutil.MapResultKeep
	}})
}

func agents(list []SSH, getenv func(string) string) []sshprovider.AgentConfig {
	var agents []sshprovider.AgentConfig
	for _, s := range list {
		if len(s.Paths) == 0 {
			s.Paths = []string{getenv("SSH_AUTH_SOCK")}
		}
		agents = append(agents, sshprovider.AgentConfig{ID: s.ID, Paths: s.Paths})
	}
	return agents
}
