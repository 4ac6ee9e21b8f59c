// Package proc runs commands of this machine: a command goes in; its lines, its exit and the certain end of its whole process tree
// come out.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// DefaultGrace is how long a process tree gets between the request to end and the end by force.
const DefaultGrace = 10 * time.Second

// drainTime is how long output is still read after the last process that may write it is gone.
const drainTime = time.Second

// Command is what to run. The environment is a value: nothing is inherited.
type Command struct {
	Args  []string // the program and its arguments; a name without a slash is looked up in the PATH of Env
	Dir   string
	Env   []string      // NAME=value
	Grace time.Duration // 0: DefaultGrace
	Hosts string        // a file that the tree shall see as /etc/hosts; only where Guard.CanHosts says so
	Stdin io.Reader     // nil: nothing to read
	// Stdout gets standard output byte by byte, which then is not told as lines. nil: it is told.
	Stdout io.Writer
}

// Line is one line of output.
type Line struct {
	Text   string
	Stderr bool
}

// Exit is how a process ended.
type Exit struct {
	Code   int    // -1 when a signal ended it or it never began
	Signal string // the signal's name, if one ended it
	Err    error  // why it never began
}

// OK says that it ended well.
func (e Exit) OK() bool { return e.Code == 0 && e.Err == nil }

// Error is the exit in words.
func (e Exit) Error() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Signal != "":
		return "ended by signal: " + e.Signal
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// ExitCode is Code, and 1 for a command that never began.
func (e Exit) ExitCode() int {
	if e.Err != nil {
		return 1
	}
	return e.Code
}

// Unwrap is why it never began.
func (e Exit) Unwrap() error { return e.Err }

// Process is a process tree that was started. Its end comes by itself or by Stop.
type Process struct {
	cmd    *exec.Cmd
	guard  *Guard
	tree   tree
	mark   string
	grace  time.Duration
	work   sync.WaitGroup
	exited chan struct{} // the first process of the tree is gone
	done   chan struct{} // everything is
	exit   Exit
}

// Start runs a command and all that it starts, until it ends by itself or is stopped. out hears every line, from two goroutines but
// one call at a time. A nil Guard starts it without the promise that it ends when skiff is killed.
func (g *Guard) Start(c Command, out func(Line)) (*Process, error) {
	p := &Process{guard: g, mark: g.mark(), grace: c.Grace, exited: make(chan struct{}), done: make(chan struct{})}
	if p.grace == 0 {
		p.grace = DefaultGrace
	}
	if err := p.prepare(c); err != nil {
		return nil, err
	}
	pipes, err := p.pipes()
	if err != nil {
		return nil, err
	}
	if c.Hosts != "" {
		err = p.guard.startWithHosts(&p.tree, p.cmd, c.Hosts)
	} else {
		err = p.tree.start(p.cmd)
	}
	pipes.parentKeepsReaders()
	if err != nil {
		pipes.close()
		return nil, fmt.Errorf("start %s: %w", c.Args[0], err)
	}
	g.took(p.cmd.Process.Pid)
	var one sync.Mutex
	var readers sync.WaitGroup
	for i, r := range pipes.read {
		readers.Go(func() {
			if i == 0 && c.Stdout != nil {
				// A writer that fails ends the reading; the process then ends by its broken pipe, as in a shell.
				_, _ = io.Copy(c.Stdout, r)
				return
			}
			lines(r, func(text string) {
				one.Lock()
				defer one.Unlock()
				if out != nil {
					out(Line{Text: text, Stderr: i == 1})
				}
			})
		})
	}
	p.work.Go(func() { p.wait(pipes, &readers) })
	return p, nil
}

// prepare finds the program and puts the command together.
func (p *Process) prepare(c Command) error {
	if len(c.Args) == 0 {
		return errors.New("no command is given")
	}
	path, err := Look(c.Args[0], c.Dir, c.Env)
	if err != nil {
		return err
	}
	p.cmd = &exec.Cmd{Path: path, Args: append([]string{c.Args[0]}, c.Args[1:]...), Dir: c.Dir, Stdin: c.Stdin}
	p.cmd.Env = append(append([]string{}, c.Env...), marker+"="+p.mark)
	p.tree.prepare(p.cmd)
	return nil
}

// wait sees the first process off, ends what it leaves behind, and reads the rest of the output.
func (p *Process) wait(pipes *pipes, readers *sync.WaitGroup) {
	err := p.cmd.Wait()
	p.exit = exitOf(p.cmd, err)
	close(p.exited)
	p.tree.kill(p.cmd)
	sweep(p.mark)
	p.guard.gone(p.cmd.Process.Pid)
	drained := time.AfterFunc(drainTime, pipes.close)
	readers.Wait()
	drained.Stop()
	pipes.close()
	p.tree.close()
	close(p.done)
}

// Pid is the number of the first process of the tree.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the tree is gone and all of its output was told.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for Done and says how the first process ended.
func (p *Process) Wait() Exit {
	p.work.Wait()
	return p.exit
}

// Stop asks the tree to end, forces it after its grace, and waits until it is gone. It may be called more than once.
func (p *Process) Stop() Exit {
	select {
	case <-p.exited:
		return p.Wait()
	default:
	}
	p.tree.end(p.cmd)
	late := time.NewTimer(p.grace)
	defer late.Stop()
	select {
	case <-p.exited:
	case <-late.C:
		p.tree.kill(p.cmd)
	}
	return p.Wait()
}

// Run runs a command to its end. The error is an Exit when it did not end well, and that of ctx when ctx ended it.
func (g *Guard) Run(ctx context.Context, c Command, out func(Line)) error {
	p, err := g.Start(c, out)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		p.Stop()
		return ctx.Err()
	case <-p.Done():
	}
	if exit := p.Wait(); !exit.OK() {
		return exit
	}
	return nil
}

// Output runs a command to its end and returns what it wrote to standard output, without the last newline.
func (g *Guard) Output(ctx context.Context, c Command) (string, error) {
	var text strings.Builder
	err := g.Run(ctx, c, func(l Line) {
		if !l.Stderr && text.Len() < maxLine {
			text.WriteString(l.Text + "\n")
		}
	})
	return strings.TrimSuffix(text.String(), "\n"), err
}

func exitOf(cmd *exec.Cmd, err error) Exit {
	if cmd.ProcessState == nil {
		return Exit{Code: -1, Err: err}
	}
	return Exit{Code: cmd.ProcessState.ExitCode(), Signal: signalOf(cmd.ProcessState)}
}

// pipes carry standard output and standard error.
type pipes struct {
	read, write []*os.File
	once        sync.Once
}

func (p *Process) pipes() (*pipes, error) {
	all := &pipes{}
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			all.parentKeepsReaders()
			all.close()
			return nil, err
		}
		all.read, all.write = append(all.read, r), append(all.write, w)
	}
	p.cmd.Stdout, p.cmd.Stderr = all.write[0], all.write[1]
	return all, nil
}

func (p *pipes) parentKeepsReaders() {
	for _, w := range p.write {
		_ = w.Close()
	}
}

func (p *pipes) close() {
	p.once.Do(func() {
		for _, r := range p.read {
			_ = r.Close()
		}
	})
}
