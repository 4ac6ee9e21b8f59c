package local

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/proc"
)

// inherited are the variables of this machine that every process sees. Everything else comes from the Dockerfile and the manifests,
// so that what works here does not hang on the shell that skiff was started from.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"SystemRoot", "SYSTEMROOT", "ComSpec", "PATHEXT", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "ProgramData", "ProgramFiles",
	"JAVA_HOME", "PYENV_ROOT", "NVM_DIR", "RBENV_ROOT", "ASDF_DIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "NIX_LD", "NIX_LD_LIBRARY_PATH",
}

// NewHost looks at this machine once. environ is the environment that skiff was started in.
func NewHost(ctx context.Context, guard *proc.Guard, environ []string, name string) Host {
	h := Host{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Name: name, Read: os.ReadFile, Look: proc.Look, Free: free,
		IsDir:     func(path string) bool { info, err := os.Stat(path); return err == nil && info.IsDir() },
		Exists:    func(path string) bool { _, err := os.Lstat(path); return err == nil },
		Hosts:     guard.CanHosts(ctx),
		Loopbacks: runtime.GOOS == "linux",
		LowPorts:  lowPorts(),
	}
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); slices.Contains(inherited, name) {
			h.Env = append(h.Env, kv)
		}
	}
	slices.Sort(h.Env)
	var mu sync.Mutex
	complete := map[string]bool{} // what lacks something is asked again: it may have been installed since
	h.Lacks = func(kind string, packages []string, path string) []string {
		mu.Lock()
		defer mu.Unlock()
		key := strings.Join(append([]string{kind, path}, packages...), "\x00")
		if complete[key] {
			return nil
		}
		missing := lacks(ctx, guard, h.Env, kind, packages, path)
		complete[key] = len(missing) == 0
		return missing
	}
	known := map[string]string{}
	h.Version = func(args []string, path string) string {
		mu.Lock()
		defer mu.Unlock()
		key := path + "\x00" + args[0]
		if _, asked := known[key]; !asked {
			known[key] = version(ctx, guard, withPath(h.Env, path), args)
		}
		return known[key]
	}
	return h
}

// withPath is an environment with folders in front of its PATH.
func withPath(env []string, path string) []string {
	if path == "" {
		return env
	}
	return append(slices.Clone(env), "PATH="+path+string(filepath.ListSeparator)+vars(env)["PATH"])
}

// free says whether nobody listens on a port of this machine.
func free(port int) bool {
	l, err := net.Listen("tcp4", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// lowPorts says whether we may listen below port 1024.
func lowPorts() bool {
	if runtime.GOOS != "linux" {
		return runtime.GOOS == "windows"
	}
	if os.Getuid() == 0 {
		return true
	}
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	first, parse := strconv.Atoi(strings.TrimSpace(string(data)))
	return err == nil && parse == nil && first <= 80
}

// ask is the question which python packages are not installed.
const ask = `import sys
from importlib.metadata import distribution
for name in sys.argv[1:]:
    try: distribution(name)
    except Exception: print(name)`

// lacks asks the interpreter which packages it does not have; nil when there is nobody to ask.
func lacks(ctx context.Context, guard *proc.Guard, env []string, kind string, packages []string, path string) []string {
	if kind != "python" {
		return nil
	}
	env = withPath(env, path)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, python := range []string{"python3", "python"} {
		out, err := guard.Output(ctx, proc.Command{Args: append([]string{python, "-c", ask}, packages...), Env: env, Grace: time.Second})
		if err == nil {
			return strings.Fields(out)
		}
	}
	return packages
}
