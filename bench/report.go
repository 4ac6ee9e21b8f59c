package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is all that one run measured; its JSON is what -o writes.
type Report struct {
	Time    time.Time `json:"time"`
	Machine Machine   `json:"machine"`
	Skiff   string    `json:"skiff"` // what it says of its version
	Results []Result  `json:"results"`
}

// Machine is where it was measured, and what else ran there.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	CPUs   int    `json:"cpus"`
	Kernel string `json:"kernel,omitempty"`
	Load   string `json:"load,omitempty"` // the load averages at the beginning
}

// Result is what one measure found.
type Result struct {
	Name    string               `json:"name"`
	How     string               `json:"how"` // what was done, and which clock was read
	Rows    []Row                `json:"rows"`
	Samples map[string][]float64 `json:"samples,omitempty"` // every single value, in the order of measuring
	Err     string               `json:"error,omitempty"`
}

// Row is one number.
type Row struct {
	Name     string   `json:"name"`
	Unit     string   `json:"unit"`
	Value    float64  `json:"value"`
	Target   *float64 `json:"target,omitempty"`   // at most this
	Skaffold *float64 `json:"skaffold,omitempty"` // recorded, not measured now
}

func machine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return m
}

// reference is what stands beside a number.
type reference struct{ target, skaffold float64 } // NaN: none

// references are by "measure/row". The targets are those of the issue that asked for the loop, and so are the numbers of Skaffold,
// which were recorded, not measured by this program: on the same machine, cluster and tutorial (examples/flask), the loss over 30
// saves. How its 1.6 s to the running container was taken is not recorded.
func references() map[string]reference {
	none := math.NaN()
	return map[string]reference{
		"sync/save to container, p50": {15, 1177},
		"sync/save to container, p99": {80, none},
		"sync/lost":                   {0, 0},
		"burst/all files right":       {1000, none},
		"burst/batches":               {2, none},
		"warm/container runs":         {1600, 1600},
		"idle/CPU of one core":        {1, none},
		"start/skiff version":         {40, 87},

		"deploy/100 objects for the first time, all applied": {3000, none},
		"deploy/unchanged run, median":                       {400, 39000},
		"deploy/unchanged run: writes to the API server":     {0, none},
		"deploy/unchanged run: pods replaced or restarted":   {0, 50},
		"deploy/one manifest saved, applied, p50":            {60, none},
		"deploy/rollout over, reported ready, p50":           {100, 2100},

		"load/" + loadLargest:                      {40, none},
		"load/" + loadModules:                      {150, none},
		"rebuild/assembled: save to manifest, p50": {60, none},
		"rebuild/assembled: save to running, p50":  {1000, 7300},
		"builds/" + foundRow:                       {300, none},
		"builds/" + orderRow:                       {15, none},
		"local/page: save to served, p50":          {20, none},
		"services/" + servicesOwn:                  {150, none},
	}
}

// row makes a Row with its references.
func row(measure, name, unit string, value float64) Row {
	r := Row{Name: name, Unit: unit, Value: value}
	ref, ok := references()[measure+"/"+name]
	if !ok {
		return r
	}
	if !math.IsNaN(ref.target) {
		r.Target = &ref.target
	}
	if !math.IsNaN(ref.skaffold) {
		r.Skaffold = &ref.skaffold
	}
	return r
}

// Table is the report for people.
func (r Report) Table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s on %s/%s, %d CPUs, load %s\n", r.Skiff, r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Load)
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\t\tmeasured\ttarget\tSkaffold (recorded)")
	for _, result := range r.Results {
		for i, row := range result.Rows {
			name := result.Name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, row.Name, number(&row.Value, row.Unit), number(row.Target, row.Unit), number(row.Skaffold, row.Unit))
		}
		if result.Err != "" {
			fmt.Fprintf(w, "%s\tfailed: %s\t\t\t\n", result.Name, strings.ReplaceAll(result.Err, "\n", "; "))
		}
	}
	w.Flush()
	return tidy(out.String())
}

// tidy drops the blanks that empty columns leave.
func tidy(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

func number(v *float64, unit string) string {
	switch {
	case v == nil:
		return ""
	case unit == "":
		return fmt.Sprintf("%.0f", *v)
	case unit == "%":
		return fmt.Sprintf("%.2f %%", *v)
	case *v >= 1000:
		return fmt.Sprintf("%.0f %s", *v, unit)
	}
	return fmt.Sprintf("%.1f %s", *v, unit)
}

// percentile is the smallest value that p percent of the values do not exceed (nearest rank): one that was really measured.
// Without values it is 0, which JSON can hold.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median is the middle value, or the mean of the two middle ones.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
