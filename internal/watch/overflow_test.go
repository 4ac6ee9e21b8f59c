//go:build linux

package watch

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAnOverflownKernelQueueIsARescan(t *testing.T) {
	data, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	limit, err := strconv.Atoi(strings.TrimSpace(string(data)))
	must(t, err)
	if limit > 1<<16 {
		t.Skipf("it would take %d files", limit)
	}
	dir := t.TempDir()
	w, err := New(Options{})
	must(t, err)
	must(t, w.Set([]Root{{Dir: dir}}, nil))
	// Nobody takes what the kernel tells, until Run.
	for i := range limit {
		write(t, fmt.Sprintf("%s/f%d", dir, i), "1")
	}
	mkdir(t, dir+"/lost")
	out := make(chan Batch)
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		if err := w.Run(ctx, out); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	s := &session{t: t, w: w, out: out}
	deadline := time.After(10 * time.Second)
	for rescan := false; !rescan; {
		select {
		case b := <-out:
			rescan = b.Rescan
		case <-deadline:
			t.Fatal("no rescan")
		}
	}
	write(t, dir+"/lost/f", "1")
	s.until(dir + "/lost/f")
}
