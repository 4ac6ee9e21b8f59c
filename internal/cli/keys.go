package cli

import (
	"bufio"
	"io"
	"sync"

	"github.com/muesli/cancelreader"
)

// enter tells of every line that the user types. stop ends the reading and waits for its end.
func enter(in io.Reader) (lines <-chan struct{}, stop func()) {
	out := make(chan struct{})
	done := make(chan struct{})
	reader, err := cancelreader.NewReader(in)
	if err != nil {
		return nil, func() {} // an input that cannot be let go of is not read
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for typed := bufio.NewScanner(reader); typed.Scan(); {
			select {
			case out <- struct{}{}:
			case <-done:
				return
			}
		}
	})
	return out, func() {
		close(done)
		if reader.Cancel() {
			reading.Wait()
		}
	}
}
