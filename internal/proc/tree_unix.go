//go:build unix

package proc

import (
	"io"
	"os"
	"os/exec"
	"syscall"
)

// tree is a process group of its own, led by the first process.
type tree struct{}

func (tree) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	diesWithUs(cmd.SysProcAttr)
}

func (tree) start(cmd *exec.Cmd) error { return cmd.Start() }
func (tree) end(cmd *exec.Cmd)         { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
func (tree) kill(cmd *exec.Cmd)        { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
func (tree) close()                    {}

func signalOf(s *os.ProcessState) string {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal().String()
	}
	return ""
}

// watch is the watchman: it keeps a list of process groups, and when skiff is gone it ends them, and then whatever still bears the
// session's mark. It ignores what a terminal sends, so that it is the last to go.
const watch = `trap '' INT TERM HUP QUIT
groups=
while read -r op id; do
  case $op in
    +) groups="$groups $id" ;;
    -) rest=; for g in $groups; do [ "$g" = "$id" ] || rest="$rest $g"; done; groups=$rest ;;
  esac
done
[ -z "$groups" ] && exit 0
for g in $groups; do kill -TERM -- "-$g" 2>/dev/null; done
left=20
while [ $left -gt 0 ]; do
  alive=; for g in $groups; do kill -0 -- "-$g" 2>/dev/null && alive="$alive $g"; done
  [ -z "$alive" ] && break
  sleep 0.1 2>/dev/null || sleep 1; left=$((left-1))
done
for g in $groups; do kill -KILL -- "-$g" 2>/dev/null; done
for e in /proc/[0-9]*/environ; do
  if grep -q "` + marker + `=$1-" "$e" 2>/dev/null; then p=${e#/proc/}; kill -KILL "${p%/environ}" 2>/dev/null; fi
done
exit 0`

// watchman starts the watchman in a session of its own, where neither Ctrl-C nor the end of the terminal reaches it.
func watchman(session string) (io.WriteCloser, func(), error) {
	cmd := exec.Command("/bin/sh", "-c", watch, "skiff-watchman", session)
	cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	return pipe, func() { _ = cmd.Wait() }, nil
}
