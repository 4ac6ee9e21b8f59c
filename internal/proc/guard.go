package proc

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"
)

// marker is the variable that every process of a tree inherits. By it a process is found that left its group.
const marker = "SKIFF_PROCESS"

// Guard starts processes and sees to it that none of them outlives skiff, however skiff ends. Its methods work on a nil Guard, which
// keeps that promise only as long as skiff ends in good order.
type Guard struct {
	session string
	mu      sync.Mutex
	count   int
	pipe    io.WriteCloser // to the watchman: a helper that ends our trees when this pipe breaks; nil: none
	end     func()         // waits for the watchman
	hosts   hostsMode
	views   views
}

// NewGuard begins a session of processes. Close ends it.
func NewGuard() (*Guard, error) {
	g := &Guard{session: strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	var err error
	g.pipe, g.end, err = watchman(g.session)
	return g, err
}

// Close lets the watchman go. Trees that still run are ended by it.
func (g *Guard) Close() error {
	if g == nil {
		return nil
	}
	g.views.close()
	if g.pipe == nil {
		return nil
	}
	err := g.pipe.Close()
	g.end()
	return err
}

// mark is a name for a new tree that no other has.
func (g *Guard) mark() string {
	if g == nil {
		return strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	return g.session + "-" + strconv.Itoa(g.count)
}

func (g *Guard) took(pid int) { g.tell("+", pid) }
func (g *Guard) gone(pid int) { g.tell("-", pid) }

// tell keeps the watchman's list. One who does not listen any more is of no use, and no reason to stop.
func (g *Guard) tell(op string, pid int) {
	if g == nil || g.pipe == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _ = fmt.Fprintf(g.pipe, "%s %d\n", op, pid)
}
