package cli

import (
	"strings"
	"testing"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/event"
)

func TestPlatforms(t *testing.T) {
	other := "linux/arm64"
	if host() == other {
		other = "linux/amd64"
	}
	pair := []string{host(), other}
	for _, tt := range []struct {
		name                      string
		command, flag, module     string
		nodes, artifact           []string
		disable, want, wantsError string
	}{
		{name: "nothing is named", command: "build"},
		{name: "the nodes are like the host", command: "run", nodes: []string{host()}},
		{name: "the nodes are others", command: "run", nodes: []string{other}, want: other},
		{name: "the flag", command: "build", flag: "arm64", want: "linux/arm64"},
		{name: "the flag wins over the project", command: "build", flag: other, module: host(), want: other},
		{name: "the project", command: "build", module: host() + "," + other, want: host() + "," + other},
		{name: "the artifact", command: "build", artifact: pair, want: host() + "," + other},
		{name: "the artifact of what is wanted", command: "build", flag: host() + "," + other, artifact: []string{other}, want: other},
		{name: "the artifact allows none of it", command: "build", flag: other, artifact: []string{host()}, wantsError: "is wanted"},
		{name: "the artifact on one kind of nodes", command: "run", nodes: []string{host()}, artifact: pair, want: host()},
		{name: "nodes that run none of it", command: "run", nodes: []string{host()}, flag: other, want: other},
		{name: "all", command: "build", flag: "all"},
		{name: "dev takes the host's", command: "dev", artifact: []string{other, host()}, want: host()},
		{name: "dev takes the first", command: "dev", artifact: []string{"linux/s390x", other}, want: "linux/s390x"},
		{name: "dev takes all where it is told so", command: "dev", artifact: pair, disable: "false", want: host() + "," + other},
		{name: "build takes one where it is told so", command: "build", artifact: pair, disable: "true", want: host()},
		{name: "a faulty word", command: "build", flag: "linux/a b", wantsError: "--platform"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &config.Config{}
			a := &config.Artifact{Image: "web", Platforms: tt.artifact, Config: c}
			if tt.module != "" {
				c.Build.Platforms = strings.Split(tt.module, ",")
			}
			s := &session{options: &options{disableMultiPlatform: tt.disable}, command: tt.command, bus: &event.Bus{}}
			s.nodes = tt.nodes
			if tt.flag != "" {
				s.platforms = strings.Split(tt.flag, ",")
			}
			got, err := "", error(nil)
			of, err := s.platformsOf(&config.Project{Configs: []*config.Config{c}})
			if err == nil {
				got, err = of(a)
			}
			if tt.wantsError != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantsError) {
					t.Fatalf("error %v, want one with %q", err, tt.wantsError)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}
