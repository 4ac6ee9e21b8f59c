package logs

import (
	"hash/maphash"
	"time"
)

// seen remembers the lines of the last moments, so that a stream that is opened again can overlap the one before without
// saying anything twice. Lines are told apart by time and text, and counted: two equal ones are two.
type seen struct {
	last    time.Time // of the latest line
	seed    maphash.Seed
	seconds map[int64]lines
	total   int
}

type lines map[uint64]int

// keep is how long lines are remembered; beyond enough lines only those of the last two seconds are, which is what a
// resumed stream asks for.
const (
	keep   = 10 * time.Second
	enough = 1 << 15
)

func (s *seen) add(l line) {
	if s.seconds == nil {
		s.seed, s.seconds = maphash.MakeSeed(), map[int64]lines{}
	}
	second := l.time.Unix()
	if s.seconds[second] == nil {
		s.seconds[second] = lines{}
		s.forget(second)
	}
	s.seconds[second][s.hash(l)]++
	s.total++
	if l.time.After(s.last) {
		s.last = l.time
	}
}

func (s *seen) forget(now int64) {
	oldest := now - int64(keep/time.Second)
	if s.total > enough {
		oldest = now - 2
	}
	for second, l := range s.seconds {
		if second < oldest {
			delete(s.seconds, second)
			for _, n := range l {
				s.total -= n
			}
		}
	}
}

func (s *seen) hash(l line) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	nano := l.time.UnixNano()
	for i := range 8 {
		_ = h.WriteByte(byte(nano >> (8 * i)))
	}
	_, _ = h.WriteString(l.text)
	return h.Sum64()
}

// overlap is what a stream that is opened again repeats of the streams before.
type overlap struct {
	seen  *seen
	until time.Time // nothing later was read before
	taken map[int64]lines
}

func (s *seen) overlap() *overlap {
	return &overlap{seen: s, until: s.last, taken: map[int64]lines{}}
}

// has says that the line was read over an earlier stream. It is asked once for each line, in order.
func (o *overlap) has(l line) bool {
	if l.time.After(o.until) || o.until.IsZero() {
		return false
	}
	second, h := l.time.Unix(), o.seen.hash(l)
	if o.taken[second] == nil {
		o.taken[second] = lines{}
	}
	o.taken[second][h]++
	return o.taken[second][h] <= o.seen.seconds[second][h]
}
