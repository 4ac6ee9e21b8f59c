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
	"syscall"
	"time"
)

// process is a live process that carries a mark of this cluster.
type process struct {
	pid    int
	part   string
	spec   string
	leader bool // the program itself, not a child that inherited its mark
}

const (
	markPart  = "SKIFF_E2E_PART="
	markState = "SKIFF_E2E_STATE="
	markSpec  = "SKIFF_E2E_SPEC="
)

func marks(part, home, spec string) []string {
	return []string{markPart + part, markState + home, markSpec + spec}
}

// processes lists what runs of the named part, or of all parts for "".
func (c *cluster) processes(name string) ([]process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []process
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if p, ok := identify(pid, c.home); ok && (name == "" || p.part == name) {
			found = append(found, p)
		}
	}
	return found, nil
}

// identify reads the marks of one process. A process that has ended has none.
func identify(pid int, home string) (process, bool) {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return process{}, false
	}
	part, spec, ok := parseMarks(environ, home)
	if !ok {
		return process{}, false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	state, session, err := parseStat(string(stat))
	if err != nil || state == "Z" {
		return process{}, false
	}
	return process{pid: pid, part: part, spec: spec, leader: session == pid}, true
}

// parseMarks finds this cluster's marks in the environment of a process.
func parseMarks(environ []byte, home string) (part, spec string, ok bool) {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		text := string(entry)
		if value, found := strings.CutPrefix(text, markPart); found {
			part = value
		}
		if value, found := strings.CutPrefix(text, markSpec); found {
			spec = value
		}
		if value, found := strings.CutPrefix(text, markState); found {
			ok = value == home
		}
	}
	return part, spec, ok && part != ""
}

// parseStat reads state and session from /proc/PID/stat. The name in it stands in brackets and may itself hold blanks
// and brackets, so fields count from the last closing one.
func parseStat(stat string) (state string, session int, err error) {
	i := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[i+1:])
	if i < 0 || len(fields) < 4 {
		return "", 0, fmt.Errorf("no stat line: %q", stat)
	}
	session, err = strconv.Atoi(fields[3])
	return fields[0], session, err
}

// alive says whether the process exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state, _, err := parseStat(string(stat))
	return err == nil && state != "Z" && state != "X"
}

func leaderOf(all []process) (process, bool) {
	for _, p := range all {
		if p.leader {
			return p, true
		}
	}
	return process{}, false
}

// stop ends processes: politely first, hard after the grace.
func (c *cluster) stop(ctx context.Context, all []process, grace time.Duration) error {
	if grace == 0 {
		grace = 10 * time.Second
	}
	for _, p := range all {
		if err := c.signal(p, syscall.SIGTERM); err != nil {
			return err
		}
	}
	begin, hard := time.Now(), false
	for {
		var left []process
		for _, p := range all {
			if alive(p.pid) {
				left = append(left, p)
			}
		}
		switch all = left; {
		case len(all) == 0:
			return nil
		case time.Since(begin) > grace+10*time.Second:
			return fmt.Errorf("%s (pid %d) does not end, even by SIGKILL", all[0].part, all[0].pid)
		case time.Since(begin) > grace && !hard:
			hard = true
			for _, p := range all {
				if err := c.signal(p, syscall.SIGKILL); err != nil {
					return err
				}
			}
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// signal reaches exactly the process that bears the mark: the handle is taken first (a pidfd, which a reused pid cannot
// fool) and the mark is read after.
func (c *cluster) signal(p process, s syscall.Signal) error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return nil // it ended
	}
	defer handle.Release()
	if now, ok := identify(p.pid, c.home); !ok || now.part != p.part {
		return nil
	}
	if err := handle.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s (pid %d): %w", p.part, p.pid, err)
	}
	return nil
}
