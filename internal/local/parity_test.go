package local

import (
	"slices"
	"testing"
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
		{"another architecture", "a", "", []string{"linux/arm64"}, "", "runs on linux/amd64, not on linux/arm64"},
		{"this architecture", "a", "", []string{"linux/arm64", "linux/amd64"}, "", ""},
		{"nodes of another architecture", "a", "", nil, "nodeSelector: {kubernetes.io/arch: arm64}", "runs on amd64, not on arm64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := machine([]string{"serve"}, nil)
			h.Version = func([]string, string) string { return tt.has }
			img := web()
			img.Base, img.Platforms = tt.base, tt.platforms
			got := findings(compose(t, img, Settings{}, h, deployment("", tt.pod)))
			if tt.want == "" && len(got) > 0 || tt.want != "" && !slices.Contains(got, tt.want) {
				t.Errorf("findings %q, want %q", got, tt.want)
			}
		})
	}
}
