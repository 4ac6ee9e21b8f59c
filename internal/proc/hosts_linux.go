package proc

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hostsMode is the way in which a process can get an /etc/hosts of its own.
type hostsMode int

const (
	noHosts     hostsMode = iota
	threadHosts           // root: a thread of ours is in a mount namespace, and what it starts is, too
	userHosts             // root that may not mount: a user namespace in which we are root, as outside
	mappedHosts           // not root: as above, and a second user namespace that gives the program its own user back
)

// bind puts the file over /etc/hosts and becomes the program.
const bind = `mount --bind "$1" /etc/hosts && shift && exec "$@"`

// CanHosts says whether processes can see an /etc/hosts of their own here. It is tried, once.
func (g *Guard) CanHosts(ctx context.Context) bool {
	if g == nil {
		return false
	}
	const probe = "127.0.0.1 skiff-probe\n"
	file, err := os.CreateTemp("", "skiff-hosts-*")
	if err != nil {
		return false
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString(probe); err != nil {
		return false
	}
	modes := []hostsMode{mappedHosts}
	if os.Getuid() == 0 {
		if own, err := newView(file.Name()); err == nil {
			seen, _ := own.hosts()
			own.close()
			if bytes.Equal(seen, []byte(probe)) {
				g.hosts = threadHosts
				return true
			}
		}
		modes = []hostsMode{userHosts}
	}
	for _, mode := range modes {
		g.hosts = mode
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		text, err := g.Output(ctx, Command{Args: []string{"/bin/sh", "-c", "read -r x </etc/hosts; echo $x"}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Hosts: file.Name()})
		cancel()
		if err == nil && text+"\n" == probe {
			return true
		}
	}
	g.hosts = noHosts
	return false
}

// startWithHosts starts a command that sees the file as its /etc/hosts.
func (g *Guard) startWithHosts(t *tree, cmd *exec.Cmd, file string) error {
	if g == nil || g.hosts == noHosts {
		return t.start(cmd)
	}
	if g.hosts == threadHosts {
		own, err := g.view(file)
		if err != nil {
			return err
		}
		return own.run(func() error { return t.start(cmd) })
	}
	args := append([]string{cmd.Path}, cmd.Args[1:]...)
	if g.hosts == mappedHosts {
		args = append([]string{"unshare", "--user", "--map-user=" + strconv.Itoa(os.Getuid()), "--map-group=" + strconv.Itoa(os.Getgid()), "--"}, args...)
	}
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"/bin/sh", "-c", bind, "sh", file}, args...)
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	return t.start(cmd)
}

// views are the threads that see another /etc/hosts, by the file that it is.
type views struct {
	mu  sync.Mutex
	all map[string]*view
}

// view is the thread for a file, made once: to make a namespace takes long where the machine has many mounts.
func (g *Guard) view(file string) (*view, error) {
	g.views.mu.Lock()
	defer g.views.mu.Unlock()
	if v := g.views.all[file]; v != nil {
		return v, nil
	}
	v, err := newView(file)
	if err != nil {
		return nil, fmt.Errorf("give processes an /etc/hosts of their own: %w", err)
	}
	if g.views.all == nil {
		g.views.all = map[string]*view{}
	}
	g.views.all[file] = v
	return v, nil
}

// close ends the threads, and with them whatever they started and still runs.
func (all *views) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for file, v := range all.all {
		v.close()
		delete(all.all, file)
	}
}

// view is a thread in a mount namespace of its own.
type view struct {
	work  sync.WaitGroup
	tasks chan func()
}

func newView(file string) (*view, error) {
	v := &view{tasks: make(chan func())}
	var err error
	ready := make(chan struct{})
	v.work.Go(func() {
		runtime.LockOSThread() // and never unlocked: this thread is of no use to anybody else, and ends here
		err = enter(file)
		close(ready)
		for task := range v.tasks {
			task()
		}
	})
	if <-ready; err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// enter takes the thread into a mount namespace where the file is /etc/hosts. What is mounted outside later is seen inside, and
// nothing that is mounted inside is seen outside.
func enter(file string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(file, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over /etc/hosts: %w", err)
	}
	return nil
}

// run does something on the thread.
func (v *view) run(work func() error) (err error) {
	done := make(chan struct{})
	v.tasks <- func() {
		defer close(done)
		err = work()
	}
	<-done
	return err
}

// hosts is what the thread sees.
func (v *view) hosts() (text []byte, err error) {
	err = v.run(func() (err error) {
		text, err = os.ReadFile("/etc/hosts")
		return err
	})
	return text, err
}

func (v *view) close() {
	close(v.tasks)
	v.work.Wait()
}
