package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// clock tells when files have arrived in one folder of a container: inotify on that folder, through the root file system of the
// container's process on this node (/proc/PID/root), wakes it, and the content that it then reads decides.
type clock struct {
	folder  *os.Root
	watcher *fsnotify.Watcher
}

// openClock watches folder in the container with that id ("containerd://…").
func openClock(id, folder string) (*clock, error) {
	pid, err := processOf(id)
	if err != nil {
		return nil, err
	}
	path := filepath.Join("/proc", strconv.Itoa(pid), "root", folder)
	c := &clock{}
	// The open folder stays, also when this process of the container ends.
	if c.folder, err = os.OpenRoot(path); err != nil {
		return nil, err
	}
	if c.watcher, err = fsnotify.NewBufferedWatcher(8192); err != nil {
		return nil, errors.Join(err, c.folder.Close())
	}
	if err := c.watcher.Add(path); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *clock) close() error { return errors.Join(c.watcher.Close(), c.folder.Close()) }

// arrived waits until every file of want has exactly its content, and returns when the last one had. ok is false after limit;
// then missing says how many files had not.
func (c *clock) arrived(ctx context.Context, want map[string][]byte, limit time.Duration) (at time.Time, missing int, err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	left := make(map[string][]byte, len(want))
	for name, content := range want {
		left[name] = content
	}
	check := func(name string) {
		content, wanted := left[name]
		if !wanted {
			return
		}
		if got, err := c.folder.ReadFile(name); err == nil && bytes.Equal(got, content) {
			at = time.Now()
			delete(left, name)
		}
	}
	// What arrived between the save and this call has its notification in the queue: nothing is overlooked.
	for len(left) > 0 {
		select {
		case e := <-c.watcher.Events:
			check(filepath.Base(e.Name))
		case err := <-c.watcher.Errors:
			return at, len(left), fmt.Errorf("watch the container: %w", err)
		case <-ctx.Done():
			return at, len(left), ctx.Err()
		case <-timer.C:
			return at, len(left), nil
		}
	}
	return at, 0, nil
}

// processOf finds a process of the container by the container's id in the names of its control groups, or in what is mounted
// for it where it sees only its own control group.
func processOf(id string) (int, error) {
	if _, bare, ok := strings.Cut(id, "://"); ok {
		id = bare
	}
	for _, file := range []string{"cgroup", "mountinfo"} {
		found, err := filepath.Glob("/proc/[0-9]*/" + file)
		if err != nil {
			return 0, err
		}
		lowest := 0
		for _, path := range found {
			// A process that has ended since cannot be read, and is not the one.
			if data, err := os.ReadFile(path); err != nil || !bytes.Contains(data, []byte(id)) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err == nil && (lowest == 0 || pid < lowest) && entered(pid) {
				lowest = pid
			}
		}
		if lowest != 0 {
			return lowest, nil
		}
	}
	return 0, fmt.Errorf("no process of container %s on this machine: bench must run on the cluster's node, as root", id)
}

// entered says whether a process lives in another root than this one: a shim belongs to the container's group, too.
func entered(pid int) bool {
	mine, err := os.Stat("/")
	if err != nil {
		return false
	}
	its, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "root") + "/")
	return err == nil && !os.SameFile(mine, its)
}

// cpuTime is what a process has used so far of all cores together, from its user and system ticks.
func cpuTime(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(string(data))
}

// parseStat reads utime and stime, fields 14 and 15. The command's name, field 2, may itself hold blanks and brackets.
func parseStat(stat string) (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	_, rest, _ := cutLast(stat, ")")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("odd /proc/PID/stat: %q", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// status is a size in /proc/PID/status, in bytes.
func status(pid int, field string) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		name, value, _ := strings.Cut(line, ":")
		if name == field {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/%d/status", field, pid)
}

// inotifyWatches counts the folders that a process watches.
func inotifyWatches(pid int) (int, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	n := 0
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			n += strings.Count(string(data), "inotify wd:")
		}
	}
	return n, err
}
