package cli

import (
	"bufio"
	"context"
	"io"
	"sync"

	"github.com/muesli/cancelreader"
)

// keyboard hands on every line that the user types: to the one who has asked something, and else as a bare Enter.
type keyboard struct {
	lines chan struct{}
	stop  func() // ends the reading and waits for its end

	mu     sync.Mutex
	answer chan string // nil: nobody has asked
}

// enter listens to the keyboard; nil when that is an input that cannot be let go of, which is not read.
func enter(in io.Reader) *keyboard {
	reader, err := cancelreader.NewReader(in)
	if err != nil {
		return nil
	}
	k := &keyboard{lines: make(chan struct{})}
	done := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for typed := bufio.NewScanner(reader); typed.Scan(); {
			if k.give(typed.Text()) {
				continue
			}
			select {
			case k.lines <- struct{}{}:
			case <-done:
				return
			}
		}
	})
	k.stop = func() {
		close(done)
		if reader.Cancel() {
			reading.Wait()
		}
	}
	return k
}

// give answers what was asked; false when nothing was.
func (k *keyboard) give(line string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.answer == nil {
		return false
	}
	k.answer <- line // it has room for one
	k.answer = nil
	return true
}

// next is the next line that the user types.
func (k *keyboard) next(ctx context.Context) (string, error) {
	answer := make(chan string, 1)
	k.mu.Lock()
	k.answer = answer
	k.mu.Unlock()
	select {
	case line := <-answer:
		return line, nil
	case <-ctx.Done():
		k.mu.Lock()
		k.answer = nil
		k.mu.Unlock()
		return "", ctx.Err()
	}
}
