package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseMarks(t *testing.T) {
	environ := func(entries ...string) []byte { return []byte(strings.Join(entries, "\x00") + "\x00") }
	for _, tt := range []struct {
		name       string
		environ    []byte
		part, spec string
		ok         bool
	}{
		{"a part of this cluster", environ(append([]string{"HOME=/root"}, marks("etcd", "/e2e", "abc")...)...), "etcd", "abc", true},
		{"a part of another cluster", environ(marks("etcd", "/other", "abc")...), "etcd", "abc", false},
		{"a folder that only begins the same", environ(marks("etcd", "/e2e2", "abc")...), "etcd", "abc", false},
		{"a shell that only has the variable of the user", environ("SKIFF_E2E_HOME=/e2e"), "", "", false},
		{"a process that has ended", nil, "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			part, spec, ok := parseMarks(tt.environ, "/e2e")
			if part != tt.part || spec != tt.spec || ok != tt.ok {
				t.Errorf("parseMarks = %q, %q, %v", part, spec, ok)
			}
		})
	}
}

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		name, stat, state string
		session           int
		fails             bool
	}{
		{"a plain name", "12 (etcd) S 1 12 12 0 -1", "S", 12, false},
		{"a name with blanks and brackets", "13 (a) (b c) Z 1 13 7 0 -1", "Z", 7, false},
		{"an empty line", "", "", 0, true},
		{"a cut line", "12 (etcd) S 1", "", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state, session, err := parseStat(tt.stat)
			if state != tt.state || session != tt.session || (err != nil) != tt.fails {
				t.Errorf("parseStat = %q, %d, %v", state, session, err)
			}
		})
	}
}

// sleeper is a part that does nothing for a while.
func sleeper(seconds string) part {
	return part{name: "sleeper", args: []string{"sleep", seconds}, ready: func(context.Context) error { return nil }, grace: time.Second}
}

func TestAPartIsLeftAloneStartedAgainOrReplaced(t *testing.T) {
	c := scratch(t)
	t.Cleanup(func() { stopAll(t, c) })
	for _, tt := range []struct {
		name, seconds, want string
		before              func(pid int)
	}{
		{"nothing runs", "601", "started", nil},
		{"it runs as described", "601", "already runs", nil},
		{"it was described differently", "602", "started again: its settings changed", nil},
		{"it was killed hard", "602", "started", kill},
	} {
		mine, err := c.processes("sleeper")
		if err != nil {
			t.Fatal(err)
		}
		if leader, ok := leaderOf(mine); ok && tt.before != nil {
			tt.before(leader.pid)
		}
		if got, err := c.run(t.Context(), sleeper(tt.seconds)); got != tt.want || err != nil {
			t.Fatalf("%s: run = %q, %v; want %q", tt.name, got, err, tt.want)
		}
		if mine, err := c.processes("sleeper"); len(mine) != 1 || err != nil {
			t.Fatalf("%s: %d processes, %v; want 1", tt.name, len(mine), err)
		}
	}
}

func kill(pid int) {
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for alive(pid) {
	}
}

func stopAll(t *testing.T, c *cluster) {
	t.Helper()
	all, err := c.processes("")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.stop(context.Background(), all, time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestAPartThatEndsByItselfIsToldWithItsLog(t *testing.T) {
	c := scratch(t)
	p := part{name: "liar", args: []string{"sh", "-c", "echo no such luck; exit 3"}}
	p.ready = func(context.Context) error { return os.ErrNotExist }
	_, err := c.run(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "liar ended by itself") {
		t.Fatalf("run = %v", err)
	}
	if got := lastLines(c.path("log", "liar.log"), 5); !slices.Equal(got, []string{"no such luck"}) {
		t.Errorf("log = %q", got)
	}
}

func TestOnlyMarkedProcessesAreStopped(t *testing.T) {
	c := scratch(t)
	stranger := exec.Command("sleep", "603")
	stranger.Env = marks("sleeper", "/another/cluster", "")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	// As if a pid of this cluster had been given to another program since.
	stale := process{pid: stranger.Process.Pid, part: "sleeper", leader: true}
	if err := c.signal(stale, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !alive(stranger.Process.Pid) {
		t.Error("a stranger's process was killed")
	}
	if found, err := c.processes(""); len(found) != 0 || err != nil {
		t.Errorf("processes = %v, %v; want none", found, err)
	}
}

func TestAStubbornProcessIsKilled(t *testing.T) {
	c := scratch(t)
	p := part{name: "mule", args: []string{"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"}}
	p.ready = func(context.Context) error {
		if len(lastLines(c.path("log", "mule.log"), 1)) == 0 {
			return os.ErrNotExist
		}
		return nil
	}
	if _, err := c.run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	all, err := c.processes("mule")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.stop(t.Context(), all, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	stopAll(t, c)
}

func TestInContainer(t *testing.T) {
	ids := map[string]bool{"abc": true}
	for _, tt := range []struct {
		name, cgroups string
		want          bool
	}{
		{"old control groups", "3:cpu:/kubepods/pod1/abc\n1:name=systemd:/kubepods/pod1/abc\n", true},
		{"the unified one", "0::/kubepods/pod1/abc\n", true},
		{"another container", "0::/kubepods/pod1/abcd\n", false},
		{"a program of the host", "0::/\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := inContainer(tt.cgroups, ids); got != tt.want {
				t.Errorf("inContainer = %v", got)
			}
		})
	}
}
