package watch

import (
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// few is how many different paths one save touches at most: vim writes 4913, a backup, the file and a swap file.
	few = 6
	// burstGap ends a burst: a checkout or a formatter never pauses this long between two files.
	burstGap = 25 * time.Millisecond
	// calm is the pause after which what follows is a new story, and again acted on at once.
	calm = 60 * time.Millisecond
	// loneMax is the age at which a change of few paths is handed out although the writing goes on, so that a log file
	// in the tree does not hold up the save beside it.
	loneMax = 100 * time.Millisecond
	// patience is how long a file that was just emptied may take to get its new content.
	patience = 20 * time.Millisecond
)

// change is what is known about one path of a batch.
type change struct {
	op      fsnotify.Op
	existed bool     // before the batch
	sure    bool     // seen by comparing: handed out without another look
	out     []string // the names under which it is handed out
	target  *target  // the single file that it is, if it is one
}

// fold gathers changes until they are quiet. It knows no clock: the caller tells the time, and asks for it.
type fold struct {
	quiet, max time.Duration

	pending     map[string]*change
	first, last time.Time
	rescan      bool
	held        bool

	// recent is up to few+1 paths of the current story, which may be older than the batch: a formatter that was handed
	// out in part is still a formatter.
	recent map[string]bool
}

func newFold(quiet, max time.Duration) fold {
	return fold{quiet: quiet, max: max, pending: map[string]*change{}, recent: map[string]bool{}}
}

// Add takes in one change that was noticed at the time at.
func (f *fold) Add(key string, c change, at time.Time) {
	f.touch(at)
	if len(f.recent) <= few {
		f.recent[key] = true
	}
	have, ok := f.pending[key]
	if !ok {
		f.pending[key] = &c
		return
	}
	have.op |= c.op
	have.existed = have.existed || c.existed
	have.sure = have.sure || c.sure
	if have.target == nil {
		have.target = c.target
	}
	for _, name := range c.out {
		have.out = appendNew(have.out, name)
	}
}

// Rescan makes the batch one that stands for everything.
func (f *fold) Rescan(at time.Time) {
	f.touch(at)
	f.rescan = true
}

// Hold gives the batch more time, once; it says whether it did.
func (f *fold) Hold() bool {
	if f.held || len(f.pending) > few {
		return false
	}
	f.held = true
	return true
}

// Due is when the batch is to be handed out if nothing more comes; false if there is none.
func (f *fold) Due() (time.Time, bool) {
	if len(f.pending) == 0 && !f.rescan {
		return time.Time{}, false
	}
	gap, limit := f.quiet, min(loneMax, f.max)
	if len(f.recent) > few {
		gap, limit = max(gap, burstGap), f.max
	}
	if f.held {
		gap = max(gap, patience)
	}
	due, end := f.last.Add(gap), f.first.Add(limit)
	if end.Before(due) {
		return end, true
	}
	return due, true
}

// Take hands out the batch and begins a new one.
func (f *fold) Take() (changes map[string]*change, first time.Time, rescan bool) {
	changes, first, rescan = f.pending, f.first, f.rescan
	f.pending, f.first, f.rescan, f.held = map[string]*change{}, time.Time{}, false, false
	return changes, first, rescan
}

func (f *fold) touch(at time.Time) {
	if at.Sub(f.last) > calm {
		clear(f.recent)
	}
	if at.After(f.last) {
		f.last = at
	}
	if f.first.IsZero() {
		f.first = at
	}
}

func appendNew(names []string, name string) []string {
	for _, n := range names {
		if n == name {
			return names
		}
	}
	return append(names, name)
}
