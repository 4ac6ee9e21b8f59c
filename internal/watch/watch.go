// Package watch turns file-system noise into quiet batches of changed paths: folders and files go in, batches come out.
package watch

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Root is a folder of which everything counts that Skip does not leave out.
type Root struct {
	// Dir is absolute. It may be a symbolic link, and it need not exist yet.
	Dir string
	// Skip says of a folder or a file, by its slash-separated path below Dir, that it does not count; of a folder it
	// also means that nothing below it ever does, and the folder is not watched at all. A nil Skip skips nothing. It
	// is called from several goroutines.
	Skip func(rel string) bool
}

// Options are how changes are noticed and folded. The zero value is right for most.
type Options struct {
	// Trigger is "notify" (or ""), "polling", or "manual", which watches as "notify" does.
	Trigger string
	// Interval is the pause between two looks at what has to be polled; 1s if 0.
	Interval time.Duration
	// Quiet is how long nothing must happen before a lone change is handed out; 3ms if 0. A burst waits longer.
	Quiet time.Duration
	// Max is the age at which a burst that does not end is handed out as far as it came; 1s if 0.
	Max time.Duration
	// Note is told, once each, what makes watching slower than it could be, and what to do about it. It may be nil.
	// It must not call the Watcher.
	Note func(string)
}

// Batch is a set of paths that changed together.
//
// A path says that something happened to it and no more: it may have been written, made, renamed, deleted, or given
// other mode bits, and by the time the batch is read it may have changed again, or be half written. Whoever acts on a
// path looks at the file then; a later write comes in a later batch, also when the same program made both. With a
// folder that came, went or was renamed, everything that is or was known to be in it is named too.
type Batch struct {
	Paths  []string  // absolute, as the Root or the file was named, sorted, each once; files and folders
	First  time.Time // when the first of it was noticed
	Rescan bool      // notifications were lost: treat everything as changed
}

// Watcher notices changes below roots and in single files.
type Watcher struct {
	options Options
	queue   queue
	poll    chan struct{} // capacity 1: there may be something to poll now

	mu      sync.Mutex
	fold    fold
	notes   map[string]bool
	targets []*target
	notify  *notifier // nil where everything is polled
}

// New is a Watcher of nothing yet. It belongs to one Run, or to Close when that is never called.
func New(o Options) (*Watcher, error) {
	switch o.Trigger {
	case "", "notify", "manual", "polling":
	default:
		e := diag.Errorf("use --trigger=notify, --trigger=polling or --trigger=manual", "unknown trigger %q", o.Trigger)
		e.Code = diag.CodeUsage
		return nil, e
	}
	o.Interval = orDefault(o.Interval, time.Second)
	o.Quiet = orDefault(o.Quiet, 3*time.Millisecond)
	o.Max = orDefault(o.Max, time.Second)
	w := &Watcher{
		options: o,
		queue:   queue{wake: make(chan struct{}, 1)},
		poll:    make(chan struct{}, 1),
		fold:    newFold(o.Quiet, o.Max),
		notes:   map[string]bool{},
	}
	if o.Trigger == "polling" {
		return w, nil
	}
	n, err := newNotifier(w.change)
	if err != nil {
		w.note(whyPolling("", err))
		return w, nil
	}
	w.notify = n
	return w, nil
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// Set replaces what is watched. What was watched before and still is stays as it is: no change to it is lost, and it
// costs no system call. What is new is taken as it stands now: only later changes are reported. Files are absolute;
// each is watched through its folder, and need not exist. Set may be called before Run and during it.
func (w *Watcher) Set(roots []Root, files []string) error {
	var targets []*target
	for _, r := range roots {
		targets = append(targets, &target{path: filepath.Clean(r.Dir), tree: true, skip: r.Skip})
	}
	for _, f := range slices.Compact(slices.Sorted(slices.Values(files))) {
		targets = append(targets, &target{path: filepath.Clean(f)})
	}
	for _, t := range targets {
		if !filepath.IsAbs(t.path) {
			return fmt.Errorf("watch %s: not an absolute path", t.path)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.targets
	w.targets = targets
	if w.notify != nil {
		w.notify.begin()
	}
	for _, t := range targets {
		w.start(t, before)
	}
	if w.notify != nil {
		for _, f := range w.notify.replace(w.notify.orphans, time.Now()) {
			w.giveUp(f.target, f.err, time.Now())
		}
		w.notify.prune()
	}
	// A change may have been put down meanwhile that nobody waits for yet.
	signal(w.queue.wake)
	return nil
}

// start watches t by notification if that is possible, else by polling.
func (w *Watcher) start(t *target, before []*target) {
	for _, old := range before {
		if old.polled && old.path == t.path && old.tree == t.tree {
			// What cannot be watched stays so. The next look compares with the same state, so that what happened since
			// the last one is not lost.
			t.polled, t.seen = true, old.seen
			signal(w.poll)
			return
		}
	}
	if w.notify != nil {
		err := w.notify.place(t, time.Time{})
		if err == nil {
			t.look()
			return
		}
		w.notify.forget(t)
		w.note(whyPolling(t.path, err))
	}
	t.polled, t.seen = true, t.scan()
	signal(w.poll)
}

// Close ends a Watcher that Run is not called for.
func (w *Watcher) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.notify == nil {
		return nil
	}
	return w.notify.fs.Close()
}

// change is what a notification comes to: one path, folded with the others.
func (w *Watcher) change(key string, c change, at time.Time) { w.fold.Add(key, c, at) }

func (w *Watcher) note(text string) {
	if text == "" || w.notes[text] || w.options.Note == nil {
		return
	}
	w.notes[text] = true
	w.options.Note(text)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// errCannotNotify is a file system whose changes the kernel does not tell, because another machine makes them.
var errCannotNotify = errors.New("this file system does not tell what changes")
