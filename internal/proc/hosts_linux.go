package proc

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// hostsMode is the way in which a process can get an /etc/hosts of its own.
type hostsMode int

const (
	noHosts     hostsMode = iota
	mountHosts            // root: a mount namespace is enough
	userHosts             // root, or one who may not mount: a user namespace in which we are root, as outside
	mappedHosts           // not root: as above, and a second user namespace that gives the program its own user back
)

// bind puts the file over /etc/hosts and becomes the program.
const bind = `mount --bind "$1" /etc/hosts && shift && exec "$@"`

// CanHosts says whether processes can see an /etc/hosts of their own here. It is tried, once.
func (g *Guard) CanHosts(ctx context.Context) bool {
	if g == nil {
		return false
	}
	modes := []hostsMode{mappedHosts}
	if os.Getuid() == 0 {
		modes = []hostsMode{mountHosts, userHosts}
	}
	file, err := os.CreateTemp("", "skiff-hosts-*")
	if err != nil {
		return false
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString("127.0.0.1 skiff-probe\n"); err != nil {
		return false
	}
	for _, mode := range modes {
		g.hosts = mode
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		text, err := g.Output(ctx, Command{Args: []string{"/bin/sh", "-c", "read -r x </etc/hosts; echo $x"}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Hosts: file.Name()})
		cancel()
		if err == nil && text == "127.0.0.1 skiff-probe" {
			return true
		}
	}
	g.hosts = noHosts
	return false
}

// withHosts makes the command begin in namespaces of its own.
func (g *Guard) withHosts(cmd *exec.Cmd, args []string, file string) {
	if g == nil || g.hosts == noHosts {
		return
	}
	if g.hosts == mappedHosts {
		args = append([]string{"unshare", "--user", "--map-user=" + strconv.Itoa(os.Getuid()), "--map-group=" + strconv.Itoa(os.Getgid()), "--"}, args...)
	}
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"/bin/sh", "-c", bind, "sh", file}, args...)
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	if g.hosts == mountHosts {
		return
	}
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
}
