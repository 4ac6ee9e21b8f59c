package proc

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// diesWithUs makes the kernel end the first process of a tree with the thread that started it. The Go runtime ends no thread
// but those that a goroutine keeps to its end, as a view does; that one ends when skiff does.
func diesWithUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// sweep ends the processes that bear the mark although they left the group. A subreaper would see them too, but a library that
// reaps children which it did not start breaks os/exec for everybody else in the process.
func sweep(mark string) {
	want := []byte(marker + "=" + mark + "\x00")
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(env, want) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
