package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name    string
		args    []string
		only    []string
		problem string
	}{
		{name: "everything is measured unless asked otherwise"},
		{name: "some measures", args: []string{"-only", "sync,start"}, only: []string{"sync", "start"}},
		{name: "a measure that does not exist", args: []string{"-only=fast"}, problem: "choose of sync,burst,rebuild,"},
		{name: "an argument that is no flag", args: []string{"sync"}, problem: `"sync" is no flag`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parse(tt.args, io.Discard)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Fatalf("parse says %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.only, o.only); diff != "" {
				t.Errorf("only (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[len(hundred)-1-i] = float64(i + 1)
	}
	for _, tt := range []struct {
		name   string
		values []float64
		p      float64
		want   float64
	}{
		{"nothing was measured", nil, 50, 0},
		{"one value is every percentile", []float64{7}, 99, 7},
		{"the smallest", hundred, 0, 1},
		{"the middle of an even number is the lower one", hundred, 50, 50},
		{"nearly the largest", hundred, 99, 99},
		{"the largest", hundred, 100, 100},
		{"one lost in three hundred is not hidden by p99 of few", []float64{1, 2, 3}, 99, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := percentile(tt.values, tt.p); got != tt.want {
				t.Errorf("percentile %v is %v, want %v", tt.p, got, tt.want)
			}
		})
	}
	if hundred[0] != 100 {
		t.Error("the values were put in another order")
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"nothing was measured", nil, 0},
		{"an odd number", []float64{9, 1, 5}, 5},
		{"an even number", []float64{4, 1, 2, 9}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := median(tt.values); got != tt.want {
				t.Errorf("the median is %v, want %v", got, tt.want)
			}
		})
	}
}

func sample() Report {
	return Report{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Skiff: "v1",
		Machine: Machine{OS: "linux", Arch: "amd64", CPUs: 2, Load: "0.10 0.20 0.30"},
		Results: []Result{
			{Name: "sync", How: "as ever", Rows: []Row{
				row("sync", "save to container, p50", "ms", 3.25), row("sync", "save to container, max", "ms", 1234.4), row("sync", "lost", "", 0),
			}, Samples: map[string][]float64{"all": {3.25}}},
			{Name: "idle", Rows: []Row{row("idle", "CPU of one core", "%", 0.05)}, Err: "out\nof luck"},
		},
	}
}

func TestTable(t *testing.T) {
	want := `v1 on linux/amd64, 2 CPUs, load 0.10 0.20 0.30
                              measured  target   Skaffold (recorded)
sync  save to container, p50  3.2 ms    15.0 ms  1177 ms
      save to container, max  1234 ms
      lost                    0         0        0
idle  CPU of one core         0.05 %    1.00 %
idle  failed: out; of luck
`
	if diff := cmp.Diff(want, sample().Table()); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	want := `{"time":"2026-01-02T03:04:05Z","machine":{"os":"linux","arch":"amd64","cpus":2,"load":"0.10 0.20 0.30"},"skiff":"v1","results":[` +
		`{"name":"sync","how":"as ever","rows":[{"name":"save to container, p50","unit":"ms","value":3.25,"target":15,"skaffold":1177},` +
		`{"name":"save to container, max","unit":"ms","value":1234.4},{"name":"lost","unit":"","value":0,"target":0,"skaffold":0}],"samples":{"all":[3.25]}},` +
		`{"name":"idle","how":"","rows":[{"name":"CPU of one core","unit":"%","value":0.05,"target":1}],"error":"out\nof luck"}]}`
	got, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the JSON (-want +got):\n%s", diff)
	}
}

func TestEveryReferenceStandsBesideARow(t *testing.T) {
	rows := map[string]bool{}
	for _, r := range syncRows(nil, 0, 0, 0) {
		rows["sync/"+r.Name] = true
	}
	for name := range references() {
		if strings.HasPrefix(name, "sync/") && !rows[name] {
			t.Errorf("no row %q", name)
		}
	}
}

func TestParseLogLeavesTheLineThatIsBeingWritten(t *testing.T) {
	whole := `{"kind":"changed","time":"2026-01-02T03:04:05.5Z","paths":["a"]}` + "\n" + `{"kind":"synced","took":2500000}` + "\n"
	events, used, err := parseLog([]byte(whole + `{"kind":"syn`))
	if err != nil {
		t.Fatal(err)
	}
	if used != len(whole) {
		t.Errorf("%d bytes were used, want %d", used, len(whole))
	}
	if count(events, "changed") != 1 || batches(events) != 1 {
		t.Errorf("the events are %v", events)
	}
	if diff := cmp.Diff([]float64{2.5}, tooks(events)); diff != "" {
		t.Errorf("tooks (-want +got):\n%s", diff)
	}
	if _, _, err := parseLog([]byte("no object\n")); err == nil {
		t.Error("a line that is no object was taken")
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat("42 (odd) name) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 9 0 1000 1000000 500 18446744073709551615\n")
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("parseStat is %v, %v, want 1.75s", got, err)
	}
	if _, err := parseStat("42 (short) S 1"); err == nil {
		t.Error("a short line was taken")
	}
}

func TestModulesOfARoundDifferFromThoseBefore(t *testing.T) {
	first, second := modules(3, 0), modules(3, 1)
	for name, content := range first {
		if string(content) == string(second[name]) {
			t.Errorf("%s is the same in both rounds", name)
		}
	}
}

func TestShortestIsTheBestOrder(t *testing.T) {
	for _, tt := range []struct {
		work       []time.Duration
		processors int
		want       time.Duration
	}{
		{[]time.Duration{3, 3, 2, 2, 2}, 2, 6}, // the longest first gives 7
		{[]time.Duration{5, 1, 1}, 2, 5},
		{[]time.Duration{1, 2, 3}, 1, 6},
		{[]time.Duration{1, 2}, 4, 2},
	} {
		if got := shortest(tt.work, tt.processors); got != tt.want {
			t.Errorf("%v on %d: %d, want %d", tt.work, tt.processors, got, tt.want)
		}
	}
}
