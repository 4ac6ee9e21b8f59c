package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// session is one `skiff dev` that runs.
type session struct {
	cmd     *exec.Cmd
	started time.Time // just before the process was started
	events  string    // its event log
	done    chan struct{}
	reader  sync.WaitGroup // stop waits for it

	mu    sync.Mutex
	lines []line
	more  chan struct{} // closed at the next line
}

// line is what skiff wrote, and when it was read.
type line struct {
	at   time.Time
	text string
}

// environ is the environment of every skiff that is measured: the user's, with caches of its own.
func (l *lab) environ() []string {
	return append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(l.tmp, "cache"))
}

// dev starts a session in dir, in the namespace of the site, with more flags if there are.
func (l *lab) dev(dir string, flags ...string) (*session, error) {
	log, err := os.CreateTemp(l.tmp, "events-*.jsonl")
	if err != nil {
		return nil, err
	}
	log.Close()
	s := &session{events: log.Name(), done: make(chan struct{}), more: make(chan struct{})}
	s.cmd = exec.Command(l.skiff, "dev", "--namespace="+l.namespace, "--event-log-file="+s.events)
	s.cmd.Args = append(s.cmd.Args, flags...)
	s.cmd.Dir, s.cmd.Env = dir, l.environ()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stdout, s.cmd.Stderr = w, w
	s.started = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	w.Close()
	s.reader.Go(func() { s.read(r) })
	return s, nil
}

func (s *session) read(r io.ReadCloser) {
	defer close(s.done)
	defer r.Close()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		s.mu.Lock()
		s.lines = append(s.lines, line{time.Now(), lines.Text()})
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
	}
	_ = s.cmd.Wait()
}

// firstLimit is how long the first session over a project may take: it builds.
const firstLimit = 10 * time.Minute

// watching waits for the line that says that skiff waits for changes.
func (s *session) watching(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, firstLimit)
	defer cancel()
	for next := 0; ; {
		s.mu.Lock()
		lines, more := s.lines, s.more
		s.mu.Unlock()
		for ; next < len(lines); next++ {
			if strings.HasPrefix(lines[next].text, "Watching for changes") {
				return lines[next].at, nil
			}
		}
		select {
		case <-more:
		case <-s.done:
			return time.Time{}, fmt.Errorf("skiff dev ended: %s", s.tail())
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("skiff dev does not watch: %w: %s", ctx.Err(), s.tail())
		}
	}
}

// tail is the end of what skiff wrote.
func (s *session) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text []string
	for _, l := range s.lines[max(0, len(s.lines)-8):] {
		text = append(text, l.text)
	}
	return strings.Join(text, " | ")
}

// stop ends the session as Ctrl-C does, and kills what does not end.
func (s *session) stop() {
	defer s.reader.Wait()
	_ = s.cmd.Process.Signal(os.Interrupt)
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
		_ = s.cmd.Process.Kill()
	}
}

// logged is one line of the event log, with the fields that are looked at.
type logged struct {
	Time    time.Time     `json:"time"`
	Kind    string        `json:"kind"`
	Stage   string        `json:"stage"`
	Took    time.Duration `json:"took"`
	Replay  bool          `json:"replay"`
	Command string        `json:"command"`
}

// log is what the event log holds since offset, and its new end. A line that is not whole yet is left for the next time.
func (s *session) log(offset int64) ([]logged, int64, error) {
	f, err := os.Open(s.events)
	if err != nil {
		return nil, offset, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, offset, err
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, offset, err
	}
	events, used, err := parseLog(data)
	return events, offset + int64(used), err
}

func parseLog(data []byte) (events []logged, used int, err error) {
	text := string(data)
	for {
		line, rest, whole := strings.Cut(text, "\n")
		if !whole {
			return events, used, nil
		}
		var e logged
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return events, used, fmt.Errorf("read the event log: %w", err)
		}
		events, used, text = append(events, e), used+len(line)+1, rest
	}
}
