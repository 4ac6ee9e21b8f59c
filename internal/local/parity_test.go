package local

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVersionsAndArchitecturesAreCompared(t *testing.T) {
	for _, tt := range []struct {
		name, base, has string
		platforms       []string
		pod             string
		want            string // a finding; "": none
	}{
		{"another version", "docker.io/library/python:3.7-slim", "3.11.2", nil, "", "python3 3.11.2 of this machine, not that of the image docker.io/library/python:3.7-slim"},
		{"the same, as exactly as it is given", "python:3.11-slim", "3.11.2", nil, "", ""},
		{"one number", "node:20-alpine", "20.1.0", nil, "", ""},
		{"a number that only begins alike", "node:2-alpine", "20.1.0", nil, "", "node 20.1.0 of this machine, not that of the image node:2-alpine"},
		{"no version", "python:slim", "3.11.2", nil, "", ""},
		{"no tag", "localhost:5000/python", "3.11.2", nil, "", ""},
		{"a digest", "python:3.7@sha256:0123", "3.11.2", nil, "", "python3 3.11.2 of this machine, not that of the image python:3.7@sha256:0123"},
		{"no such program", "python:3.7", "", nil, "", ""},
		{"an image that is no interpreter", "debian:12", "3.11.2", nil, "", ""},
		{"java 8 by its old name", "eclipse-temurin:8-jre", "1.8.0", nil, "", ""},
		{"a compiler", "scratch", "1.26.8", nil, "compiled by golang:1.24-alpine", "go 1.26.8 of this machine, not that of the image golang:1.24-alpine"},
		{"another architecture", "a", "", []string{"linux/arm64"}, "", "runs on linux/amd64, not on linux/arm64"},
		{"this architecture", "a", "", []string{"linux/arm64", "linux/amd64"}, "", ""},
		{"nodes of another architecture", "a", "", nil, "nodeSelector: {kubernetes.io/arch: arm64}", "runs on amd64, not on arm64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := machine([]string{"serve"}, nil)
			h.Version = func([]string, string) string { return tt.has }
			img := web()
			img.Base, img.Platforms = tt.base, tt.platforms
			if base, ok := strings.CutPrefix(tt.pod, "compiled by "); ok {
				tt.pod, img.Compiles = "", []Compile{{Output: "/srv/x", Base: base}}
			}
			got := findings(compose(t, img, Settings{}, h, deployment("", tt.pod)))
			if tt.want == "" && len(got) > 0 || tt.want != "" && !slices.Contains(got, tt.want) {
				t.Errorf("findings %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheTableSaysOnceWhatIsTheSameOfSeveral(t *testing.T) {
	var p Plan
	for _, where := range []string{"a", "b", "c", "d", "a"} {
		p.Findings = append(p.Findings, Finding{Topic: "user", Where: where, Text: "runs as you"})
	}
	p.Findings = append(p.Findings, Finding{Level: Gap, Topic: "image", Where: "e", Text: "redis is missing", Hint: "start one"})
	want := []string{"differs       user         a; b; and 2 more: runs as you", "missing       image        e: redis is missing\n" + strings.Repeat(" ", 29) + "start one"}
	if diff := cmp.Diff(want, p.Parity()); diff != "" {
		t.Errorf("Parity (-want +got):\n%s", diff)
	}
}
