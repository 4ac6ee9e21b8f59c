//go:build unix

package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var path = []string{"PATH=" + os.Getenv("PATH")}

func guard(t *testing.T) *Guard {
	t.Helper()
	g, err := NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func sh(script string) Command {
	return Command{Args: []string{"sh", "-c", script}, Env: path, Grace: 200 * time.Millisecond}
}

// record keeps lines.
type record struct {
	mu    sync.Mutex
	lines []string
	first chan struct{}
}

func (r *record) add(l Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l.Text)
	if len(r.lines) == 1 && r.first != nil {
		close(r.first)
	}
}

func alive(pid int) bool {
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(data), ") Z ") {
		return false // dead, and its new parent has not looked yet
	}
	return syscall.Kill(pid, 0) == nil
}

func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if !alive(pid) {
			return
		}
	}
	t.Errorf("process %d lives on", pid)
}

func TestARunTellsItsLinesAndItsExit(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         []string
		exit         string
	}{
		{"lines of both streams", "echo a; echo b; printf c", []string{"a", "b", "c"}, ""},
		{"a code", "echo x; exit 3", []string{"x"}, "exit code 3"},
		{"a signal", "kill -9 $$", nil, "ended by signal: killed"},
		{"a child that keeps the pipe does not hold up the end", "sleep 60 & echo a", []string{"a"}, ""},
		{"a line that is too long comes in pieces", "head -c 70000 /dev/zero | tr '\\0' x", []string{strings.Repeat("x", maxLine), strings.Repeat("x", 70000-maxLine)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r record
			err := guard(t).Run(t.Context(), sh(tt.script), r.add)
			if diff := cmp.Diff(tt.want, r.lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.exit {
				t.Errorf("exit %q, want %q", got, tt.exit)
			}
		})
	}
}

func TestNothingOfTheEnvironmentIsInherited(t *testing.T) {
	t.Setenv("SECRET", "x")
	got, err := guard(t).Output(t.Context(), Command{Args: []string{"sh", "-c", "echo [$SECRET$MINE]; pwd"}, Dir: "/", Env: append(path, "MINE=m")})
	if err != nil || got != "[m]\n/" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAProgramThatIsNotThereIsNamed(t *testing.T) {
	for name, want := range map[string]string{"no-such-program": `"no-such-program" is not on the PATH`, "./none": "./none is no program that can be run"} {
		if err := guard(t).Run(t.Context(), Command{Args: []string{name}, Dir: t.TempDir(), Env: path}, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStopEndsTheWholeTree(t *testing.T) {
	scripts := map[string]string{
		"children in the group":        "sleep 60 & echo $!; wait",
		"a child that ignores SIGTERM": "trap '' TERM; sh -c \"trap '' TERM; echo \\$\\$; while :; do sleep 1; done\"",
	}
	if runtime.GOOS == "linux" {
		scripts["a grandchild in a session of its own"] = "setsid sh -c 'echo $$; sleep 60 </dev/null >/dev/null 2>&1' & sleep 60"
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			r := record{first: make(chan struct{})}
			p, err := guard(t).Start(sh(script), r.add)
			if err != nil {
				t.Fatal(err)
			}
			<-r.first
			p.Stop()
			pid, err := strconv.Atoi(r.lines[0])
			if err != nil {
				t.Fatal(err)
			}
			gone(t, pid)
			gone(t, p.Pid())
		})
	}
}

// TestMain plays skiff: it starts a tree and waits to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("PROC_TEST_SKIFF") == "" {
		os.Exit(m.Run())
	}
	g, err := NewGuard()
	if err != nil {
		panic(err)
	}
	p, err := g.Start(sh("sleep 61 & echo $!; setsid sleep 62 & echo $!; echo $$; wait"), func(l Line) { fmt.Println(l.Text) })
	if err != nil {
		panic(err)
	}
	p.Wait()
}

func TestNothingSurvivesWhenSkiffIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROC_TEST_SKIFF=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for said := bufio.NewScanner(out); len(pids) < 3 && said.Scan(); {
		if pid, err := strconv.Atoi(said.Text()); err == nil {
			pids = append(pids, pid)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for i, pid := range pids {
		if i == 1 && runtime.GOOS != "linux" {
			continue
		}
		gone(t, pid)
	}
}

func TestBackoffIsTheKubelets(t *testing.T) {
	var b Backoff
	var got []time.Duration
	for _, ran := range []time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 11 * time.Minute, 0} {
		got = append(got, b.Next(ran)/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{0, 10, 20, 40, 80, 160, 300, 300, 0, 10}, got); diff != "" {
		t.Errorf("waits in seconds (-want +got):\n%s", diff)
	}
}

func TestKeep(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy Policy
		limit  int
		script string
		want   []bool // was it started again
	}{
		{"always starts again, up to the limit", Always, 2, "exit 0", []bool{true, true, false}},
		{"on failure ends with success", OnFailure, 0, "exit 0", []bool{false}},
		{"on failure starts again after a failure", OnFailure, 1, "exit 1", []bool{true, false}},
		{"never runs once", Never, 0, "exit 1", []bool{false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []bool
			_, err := guard(t).Keep(t.Context(), Keep{
				Command: sh(tt.script), Policy: tt.policy, Limit: tt.limit, Backoff: Backoff{First: time.Millisecond},
				Ended: func(_ Exit, again bool, _ time.Duration) { got = append(got, again) },
			})
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v, again (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestKeepLeavesNothingWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pid := 0
	_, err := guard(t).Keep(ctx, Keep{Command: sh("sleep 60"), Started: func(p *Process) { pid = p.Pid(); cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	gone(t, pid)
}

func TestAProcessSeesItsOwnHostsFile(t *testing.T) {
	g := guard(t)
	if !g.CanHosts(t.Context()) {
		t.Skip("no namespaces here")
	}
	dir := filepath.Join(t.TempDir(), "a b")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "hosts")
	if err := os.WriteFile(file, []byte("127.9.9.9 api\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := sh("cat /etc/hosts; id -u")
	c.Hosts = file
	got, err := g.Output(t.Context(), c)
	if err != nil || got != "127.9.9.9 api\n"+strconv.Itoa(os.Getuid()) {
		t.Errorf("%q, %v", got, err)
	}
}
