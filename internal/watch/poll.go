package watch

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/skiff-dev/skiff/internal/tree"
)

// stamps is the state of a polled target, by the path below it; "" is a single file itself.
type stamps map[string]tree.Stamp

// tick is how coarse the clock of a file system may be: of a file that was touched later than this before it was
// looked at, an equal stamp proves nothing, so it is reported once more.
const tick = 10 * time.Millisecond

// polls looks at everything that has to be polled, again and again, and sleeps while there is nothing.
func (w *Watcher) polls(ctx context.Context) error {
	timer := time.NewTimer(w.options.Interval)
	defer timer.Stop()
	for {
		targets := w.polled()
		alarm := timer.C
		if len(targets) == 0 {
			alarm = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.poll:
			continue
		case <-alarm:
		}
		begin := time.Now()
		for _, t := range targets {
			w.compare(t, t.scan(), begin)
		}
		// A tree that takes long to look at must not keep a core busy.
		timer.Reset(max(w.options.Interval, 3*time.Since(begin)))
	}
}

func (w *Watcher) polled() []*target {
	w.mu.Lock()
	defer w.mu.Unlock()
	var targets []*target
	for _, t := range w.targets {
		if t.polled {
			targets = append(targets, t)
		}
	}
	return targets
}

// compare reports what differs from the last look, unless the target was replaced meanwhile: then its successor, which
// took over that last look, reports it.
func (w *Watcher) compare(t *target, now stamps, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	current := false
	for _, c := range w.targets {
		current = current || c == t
	}
	if !current {
		return
	}
	for rel, s := range now {
		if before, ok := t.seen[rel]; !ok || before != s {
			w.found(t, rel, at)
		}
	}
	for rel := range t.seen {
		if _, ok := now[rel]; !ok && (rel == "" || !t.skips(rel)) {
			w.found(t, rel, at)
		}
	}
	t.seen = now
	signal(w.queue.wake)
}

func (w *Watcher) found(t *target, rel string, at time.Time) {
	path := t.name(rel)
	w.fold.Add(path, change{sure: true, out: []string{path}}, at)
}

// scan is the state of the target now.
func (t *target) scan() stamps {
	s := stamps{}
	now := time.Now()
	if t.tree {
		t.scanDir(s, t.path, "", now)
		return s
	}
	if info, err := os.Stat(t.path); err == nil {
		s.put("", info, now)
	}
	return s
}

func (t *target) scanDir(s stamps, dir, rel string, now time.Time) {
	// What cannot be read is as good as absent: who needs it says so.
	entries, _ := os.ReadDir(dir)
	in := ref{t, rel}
	for _, e := range entries {
		below := in.below(e.Name())
		if t.skips(below) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue
		}
		s.put(below, info, now)
		if e.IsDir() {
			t.scanDir(s, filepath.Join(dir, e.Name()), below, now)
		}
	}
}

func (s stamps) put(rel string, info os.FileInfo, now time.Time) {
	stamp := tree.StampOf(info)
	if info.IsDir() {
		// Its size and times change with what is in it, which is reported for itself.
		stamp.Size, stamp.Modified, stamp.Changed = 0, 0, 0
		s[rel] = stamp
		return
	}
	if max(stamp.Modified, stamp.Changed) > now.Add(-tick).UnixNano() {
		stamp.Size = -1
	}
	s[rel] = stamp
}
