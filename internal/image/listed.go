package image

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/tree"
)

// Listed remembers what tools have listed as inputs of artifacts: asking one takes seconds. A list holds as long as the files that
// define the build, and the question, are the same.
type Listed struct {
	mu   sync.Mutex
	have map[string]list
}

type list struct {
	question string
	inputs   Inputs
	stamps   map[string]tree.Stamp
}

// settled is how old a file must be for its stamp to prove anything: file systems have a coarse clock.
const settled = 50 * time.Millisecond

// Get is the known list of an artifact, or the one that ask returns together with the files that define the build.
func (l *Listed) Get(ctx context.Context, artifact, question string, ask func(ctx context.Context) (in Inputs, defining []string, err error)) (Inputs, error) {
	l.mu.Lock()
	known, ok := l.have[artifact]
	l.mu.Unlock()
	if ok && known.question == question && known.holds() {
		return known.inputs, nil
	}
	began := time.Now()
	in, defining, err := ask(ctx)
	if err != nil {
		return nil, err
	}
	fresh := list{question: question, inputs: in, stamps: map[string]tree.Stamp{}}
	for _, file := range defining {
		fresh.stamps[file] = stampBefore(file, began.Add(-settled))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.have == nil {
		l.have = map[string]list{}
	}
	l.have[artifact] = fresh
	return in, nil
}

func (l list) holds() bool {
	for file, stamp := range l.stamps {
		if stamp == never || stampBefore(file, time.Now()) != stamp {
			return false
		}
	}
	return true
}

// never is the stamp of no file.
var never = tree.Stamp{Size: -1}

// stampBefore is the stamp of a file, zero where there is none, and never where it was changed after a time.
func stampBefore(file string, limit time.Time) tree.Stamp {
	info, err := os.Stat(file)
	if err != nil {
		return tree.Stamp{}
	}
	if info.ModTime().After(limit) {
		return never
	}
	return tree.StampOf(info)
}
