package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/proc"
)

// task is something that Run owns and that can be ended by itself.
type task struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// end ends the task and waits for it.
func (k *task) end() {
	k.cancel()
	<-k.done
}

// begin hands work to Run. It outlives ctx, which is only the time in which Run has to take it.
func (t *Target) begin(ctx context.Context, work func(context.Context)) (*task, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k := &task{cancel: cancel, done: make(chan struct{})}
	job := func(run context.Context) {
		defer close(k.done)
		defer context.AfterFunc(run, cancel)()
		defer cancel()
		work(own)
	}
	select {
	case t.jobs <- job:
		return k, nil
	case <-ctx.Done():
		cancel()
		return nil, ctx.Err()
	}
}

// unitRun is a unit that runs.
type unitRun struct {
	target *Target
	unit   Unit
	inits  *task
	gates  []chan struct{} // each is closed when as many init processes have ended well; the last one, when the others may begin
	done   chan struct{}   // closed when a job has done its work
	once   sync.Once       // closes done
	procs  map[string]*task

	mu     sync.Mutex
	states map[string]*state
}

// state is how a process is.
type state struct {
	running, ready bool
	started        bool // as the startup probe sees it
	over           bool // it ended and is not started again
	waits          bool // for its next start
	starts         int
	exit           proc.Exit
	ended          string // names the run that ended last; "" when none has
	since          time.Time
}

// replace stops what is not wanted any more or changed, and then starts what is new. Ports that are given up are free by then.
func (t *Target) replace(ctx context.Context, plan Plan) (began []string, err error) {
	wanted := map[string]Unit{}
	for _, u := range plan.Units {
		wanted[u.Object] = u
	}
	var stops sync.WaitGroup
	for object, run := range t.running {
		next, ok := wanted[object]
		switch {
		case !ok && plan.broken(object):
			// What is wrong now was right when it began: it goes on.
		case !ok || !run.sameFrame(next):
			delete(t.running, object)
			stops.Go(func() { run.stop(!ok) })
		default:
			stops.Go(func() { run.stopChanged(next) })
		}
	}
	stops.Wait()
	for _, u := range plan.Units {
		run := t.running[u.Object]
		if run == nil {
			if run, err = t.start(ctx, u); err != nil {
				return began, err
			}
			t.running[u.Object] = run
		}
		again, err := run.startMissing(ctx, u)
		if again {
			began = append(began, u.Object)
		}
		if err != nil {
			return began, err
		}
	}
	return began, nil
}

func (p Plan) broken(object string) bool {
	return slices.ContainsFunc(p.Findings, func(f Finding) bool {
		return f.Level == Broken && (f.Where == object || strings.HasPrefix(f.Where, object+", "))
	})
}

// same says whether a process needs no new start to be the other.
func (p Process) same(other Process) bool {
	p.Links, other.Links = nil, nil
	return reflect.DeepEqual(p, other)
}

// sameFrame says whether the unit's processes can be replaced one by one.
func (u *unitRun) sameFrame(next Unit) bool {
	a, b := u.unit, next
	a.Processes, b.Processes = nil, nil
	return reflect.DeepEqual(a, b)
}

// start begins a unit: its volumes and its init processes.
func (t *Target) start(ctx context.Context, u Unit) (*unitRun, error) {
	run := &unitRun{target: t, unit: u, done: make(chan struct{}), procs: map[string]*task{}, states: map[string]*state{}}
	for range len(u.Inits) + 2 {
		run.gates = append(run.gates, make(chan struct{}))
	}
	run.unit.Processes = nil
	for _, v := range u.Volumes {
		if err := v.write(); err != nil {
			return nil, fmt.Errorf("%s: write volume: %w", u.Object, err)
		}
	}
	var err error
	run.inits, err = t.begin(ctx, func(ctx context.Context) {
		for i := range len(u.Inits) + 1 {
			close(run.gates[i])
			if !run.sidecars(ctx, u.Processes, i) || i < len(u.Inits) && !run.init(ctx, u.Inits[i]) {
				return
			}
		}
		close(run.gates[len(u.Inits)+1])
	})
	return run, err
}

// init runs an init process until it ends well; false when ctx ended before.
func (u *unitRun) init(ctx context.Context, p Process) bool {
	exit, err := u.target.Guard.Keep(ctx, proc.Keep{
		Command: u.command(p), Policy: proc.OnFailure, Out: u.log(p),
		Ended: func(e proc.Exit, again bool, in time.Duration) {
			if again {
				u.note("init container %q ended with %s; it is run again%s", p.Container, e.Error(), later(in))
			}
		},
	})
	return err == nil && exit.OK()
}

func later(in time.Duration) string {
	if in == 0 {
		return ""
	}
	return " in " + in.String()
}

func (u *unitRun) note(format string, args ...any) {
	u.target.sink.Send(event.Note{Text: u.unit.Object + ": " + fmt.Sprintf(format, args...), Warn: true})
}

// command is a process as it is started now: with the project's own programs that were installed since it was planned.
func (u *unitRun) command(p Process) proc.Command {
	env := slices.Concat(p.Links, p.Env)
	path := filepath.SplitList(vars(env)["PATH"])
	if late := slices.DeleteFunc(ownTools(u.target.Host, p.Dir), func(dir string) bool { return slices.Contains(path, dir) }); len(late) > 0 {
		env = withPath(env, strings.Join(late, string(filepath.ListSeparator)))
	}
	return proc.Command{Args: p.Args, Dir: p.Dir, Env: env, Grace: p.Grace, Hosts: u.target.hostsFile(u.unit)}
}

func (u *unitRun) log(p Process) func(proc.Line) {
	return func(l proc.Line) {
		u.target.sink.Send(event.Log{Pod: u.unit.Name, Container: p.Container, Artifact: p.Artifact, Time: time.Now(), Line: l.Text})
	}
}

// stopChanged ends the processes that are not in next as they are.
func (u *unitRun) stopChanged(next Unit) {
	var stops sync.WaitGroup
	var keep []Process
	for _, p := range u.unit.Processes {
		if slices.ContainsFunc(next.Processes, func(n Process) bool { return n.same(p) }) {
			keep = append(keep, p)
			continue
		}
		running := u.procs[p.Container]
		delete(u.procs, p.Container)
		stops.Go(running.end)
	}
	stops.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.unit.Processes = keep
}

// startMissing starts the processes of next that do not run.
func (u *unitRun) startMissing(ctx context.Context, next Unit) (began bool, err error) {
	for _, p := range next.Processes {
		if u.procs[p.Container] != nil {
			continue
		}
		began = true
		u.mu.Lock()
		u.unit.Processes = append(u.unit.Processes, p)
		u.states[p.Container] = &state{}
		u.mu.Unlock()
		k, err := u.target.begin(ctx, func(ctx context.Context) { u.keep(ctx, p) })
		if err != nil {
			u.mu.Lock()
			u.unit.Processes = u.unit.Processes[:len(u.unit.Processes)-1]
			u.mu.Unlock()
			return began, err
		}
		u.procs[p.Container] = k
	}
	if began {
		u.publish(false)
	}
	return began, nil
}

// stop ends all of the unit.
func (u *unitRun) stop(forGood bool) {
	var stops sync.WaitGroup
	stops.Go(u.inits.end)
	for _, k := range u.procs {
		stops.Go(k.end)
	}
	stops.Wait()
	for _, v := range u.unit.Volumes {
		if !v.Keep {
			_ = os.RemoveAll(v.Dir) // it is written anew when it is needed
		}
	}
	if forGood {
		u.publish(true)
	}
}

func (u *unitRun) publish(deleted bool) {
	u.mu.Lock()
	pod := u.pod()
	u.mu.Unlock()
	u.target.pods.put(pod, deleted)
}

// change changes the state of a process and publishes it.
func (u *unitRun) change(p Process, with func(*state)) {
	u.mu.Lock()
	if s := u.states[p.Container]; s != nil {
		with(s)
	}
	u.mu.Unlock()
	u.publish(false)
}

// write makes the folder of a volume hold its files.
func (v Volume) write() error {
	if !v.Keep {
		if err := os.RemoveAll(v.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.MkdirAll(v.Dir, 0o755); err != nil {
		return err
	}
	for _, f := range v.Files {
		name := filepath.Join(v.Dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(f.Data), fs.FileMode(f.Mode)&fs.ModePerm); err != nil {
			return err
		}
	}
	return nil
}
