package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMissingIn(t *testing.T) {
	listing := "runc installed\ncontainerd config-files\nmount not-installed\n"
	got := missingIn(listing, []string{"runc", "containerd", "mount", "docker.io"})
	if want := []string{"containerd", "mount", "docker.io"}; !slices.Equal(got, want) {
		t.Errorf("missingIn = %v, want %v", got, want)
	}
}

func TestForbidServices(t *testing.T) {
	for _, tt := range []struct {
		name, before, during, after string
	}{
		{"a machine without a policy has none after", "", policy, ""},
		{"what a killed run left is taken away", policy, policy, ""},
		{"the machine's own policy stays", "exit 0", "exit 0", "exit 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "policy")
			if tt.before != "" {
				if err := os.WriteFile(file, []byte(tt.before), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			allow, err := forbidServices(file)
			if err != nil {
				t.Fatal(err)
			}
			if data, _ := os.ReadFile(file); string(data) != tt.during {
				t.Errorf("during: %q", data)
			}
			if err := allow(); err != nil {
				t.Fatal(err)
			}
			if data, _ := os.ReadFile(file); string(data) != tt.after {
				t.Errorf("after: %q", data)
			}
		})
	}
}

func TestMountsBelow(t *testing.T) {
	mountinfo := strings.Join([]string{
		"1 0 254:0 / / rw - ext4 /dev/vda rw",
		"2 1 0:5 / /state/kubelet/pods/a rw - tmpfs tmpfs rw",
		"3 1 0:5 / /state/kubelet/pods/a/deep rw - tmpfs tmpfs rw",
		"4 1 0:6 / /state/kubelet2 rw - tmpfs tmpfs rw",
		`5 1 0:7 / /state/kubelet/with\040blank rw - tmpfs tmpfs rw`,
	}, "\n")
	want := []string{"/state/kubelet/with blank", "/state/kubelet/pods/a/deep", "/state/kubelet/pods/a"}
	if got := mountsBelow(mountinfo, "/state/kubelet"); !slices.Equal(got, want) {
		t.Errorf("mountsBelow = %q, want %q", got, want)
	}
}

func TestRuleArgs(t *testing.T) {
	r := rule{"nat", "POSTROUTING", []string{"-j", "MASQUERADE"}}
	want := "-w -t nat -C POSTROUTING -m comment --comment skiff-e2e -j MASQUERADE"
	if got := strings.Join(r.args("-C"), " "); got != want {
		t.Errorf("args = %q, want %q", got, want)
	}
}

func TestALongJobOfAKilledDriverIsEndedByTheNext(t *testing.T) {
	c := scratch(t)
	t.Cleanup(func() { stopAll(t, c) })
	if _, err := c.run(t.Context(), part{name: "job", args: []string{"sleep", "604"}, ready: sleeper("").ready}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := c.logged(t.Context(), "job", baseEnv(c.getenv), c.home, "sh", "-c", "echo done"); err != nil {
		t.Fatal(err)
	}
	if left, err := c.processes("job"); len(left) != 0 || err != nil {
		t.Errorf("%d still run after %s, %v", len(left), time.Since(begin), err)
	}
	if got := lastLines(c.path("log", "job.log"), 1); !slices.Equal(got, []string{"done"}) {
		t.Errorf("log = %q", got)
	}
}
