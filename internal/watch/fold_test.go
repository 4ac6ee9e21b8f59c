package watch

import (
	"fmt"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

func TestFold(t *testing.T) {
	const ms = time.Millisecond
	// A step is a path that changes at a time; the batches are handed out as soon as they are due.
	type step struct {
		at   time.Duration
		path string
	}
	every := func(gap time.Duration, n int) []step {
		var s []step
		for i := range n {
			s = append(s, step{time.Duration(i) * gap, fmt.Sprintf("f%d", i)})
		}
		return s
	}
	type batch struct {
		Due   time.Duration
		Paths int
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  []batch
	}{
		{"a lone save is due after the quiet gap", []step{{0, "a"}}, []batch{{3 * ms, 1}}},
		{"the dance of an editor is one batch", []step{{0, "4913"}, {0, "4913"}, {ms, "a~"}, {2 * ms, "a"}, {3 * ms, "a"}, {4 * ms, "a~"}}, []batch{{7 * ms, 3}}},
		{"two saves a moment apart are two batches", []step{{0, "a"}, {10 * ms, "a"}}, []batch{{3 * ms, 1}, {13 * ms, 1}}},
		{"many fast saves of one file are never taken for a burst", []step{{0, "a"}, {10 * ms, "a"}, {20 * ms, "a"}, {30 * ms, "a"}, {40 * ms, "a"}, {50 * ms, "a"}, {60 * ms, "a"}, {70 * ms, "a"}}, []batch{{3 * ms, 1}, {13 * ms, 1}, {23 * ms, 1}, {33 * ms, 1}, {43 * ms, 1}, {53 * ms, 1}, {63 * ms, 1}, {73 * ms, 1}}},
		{"a burst of 500 files is one batch and ends after the longer gap", every(ms, 500), []batch{{524 * ms, 500}}},
		{"a slow formatter is recognised after its first files", every(10*ms, 50), []batch{{3 * ms, 1}, {13 * ms, 1}, {23 * ms, 1}, {33 * ms, 1}, {43 * ms, 1}, {53 * ms, 1}, {515 * ms, 44}}},
		{"a burst that does not end is cut at the maximum", every(10*ms, 150)[10:], []batch{{103 * ms, 1}, {113 * ms, 1}, {123 * ms, 1}, {133 * ms, 1}, {143 * ms, 1}, {153 * ms, 1}, {1160 * ms, 101}, {1515 * ms, 33}}},
		{"a file that is written without end is handed out from time to time", func() []step {
			var s []step
			for i := range 120 {
				s = append(s, step{time.Duration(i) * 2 * ms, "log"})
			}
			return s
		}(), []batch{{100 * ms, 1}, {202 * ms, 1}, {241 * ms, 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Unix(1000, 0)
			f := newFold(3*ms, time.Second)
			var got []batch
			hand := func(until time.Time) {
				for {
					due, ok := f.Due()
					if !ok || due.After(until) {
						return
					}
					changes, _, _ := f.Take()
					got = append(got, batch{due.Sub(start), len(changes)})
				}
			}
			for _, s := range tt.steps {
				hand(start.Add(s.at - 1))
				f.Add(s.path, change{op: fsnotify.Write, out: []string{s.path}}, start.Add(s.at))
			}
			hand(start.Add(time.Hour))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("batches (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFoldHoldsOnce(t *testing.T) {
	f := newFold(3*time.Millisecond, time.Second)
	start := time.Unix(1000, 0)
	f.Add("a", change{}, start)
	if !f.Hold() {
		t.Fatal("the first Hold is refused")
	}
	if due, _ := f.Due(); due.Sub(start) != patience {
		t.Errorf("held until %v, want %v", due.Sub(start), patience)
	}
	if f.Hold() {
		t.Error("the second Hold is granted")
	}
	f.Take()
	if _, ok := f.Due(); ok {
		t.Error("something is due after Take")
	}
}

func TestFoldKeepsWhatAPathWasBefore(t *testing.T) {
	f := newFold(3*time.Millisecond, time.Second)
	start := time.Unix(1000, 0)
	f.Add("a", change{op: fsnotify.Remove, existed: true, out: []string{"a"}}, start)
	f.Add("a", change{op: fsnotify.Create, existed: false, out: []string{"a", "b"}}, start)
	changes, first, rescan := f.Take()
	c := changes["a"]
	if !c.existed || !c.op.Has(fsnotify.Remove) || !c.op.Has(fsnotify.Create) || rescan || !first.Equal(start) {
		t.Errorf("folded to %+v", c)
	}
	if diff := cmp.Diff([]string{"a", "b"}, c.out); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
