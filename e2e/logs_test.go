//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"strings"
	"testing"
)

func TestNoLogLineIsLostWhenAContainerStartsAgain(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.replace("Dockerfile", "echo up;", "for i in $(seq 1000); do echo line $i.; done;")
	s := p.dev()
	pod := p.pod("web")
	_, _ = p.in(pod.Name, "sh", "-c", "kill 1") // the one who kills may die with the container, which is no failure
	count := map[string]int{}
	whole := func() bool {
		clear(count)
		for line := range strings.Lines(s.out.String()) {
			if strings.HasPrefix(line, "[web] line ") {
				count[line]++
			}
		}
		return len(count) == 1000 && count["[web] line 1000.\n"] == 2
	}
	until(t, "the last line of the second container is there", whole)
	for line, n := range count {
		if n != 2 {
			t.Errorf("%q is there %d times, want 2", line, n)
		}
	}
}

func TestTheEventLogIsJSONByTheLine(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.must("run", "--event-log-file=events.json")
	kinds := map[string]int{}
	lines := bufio.NewScanner(strings.NewReader(p.read("events.json")))
	for lines.Scan() {
		var e map[string]any
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		kind, _ := e["kind"].(string)
		kinds[kind]++
	}
	for _, want := range []string{"session", "tagged", "applied", "ready", "ended"} {
		if kinds[want] == 0 {
			t.Errorf("there is no %q in %v", want, kinds)
		}
	}
}
