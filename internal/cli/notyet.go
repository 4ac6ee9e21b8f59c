package cli

import (
	"fmt"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/event"
)

// refuse ends a command whose project deploys in a way that is not there yet: leaving it out would deploy half of the project.
func refuse(p *config.Project) error {
	if err := deploy.Check(p); err != nil {
		return err
	}
	context := ""
	for _, c := range p.Configs {
		wanted := c.Deploy.KubeContext
		if wanted != "" && context != "" && wanted != context {
			return c.Fault(fmt.Sprintf("two clusters in one session (%s and %s) are not supported yet", context, wanted),
				"run skiff for one of the modules with --module", "deploy", "kubeContext")
		}
		if wanted != "" {
			context = wanted
		}
	}
	return nil
}

// tellMissing names what the project asks for and will not get in this version, and that can be done without.
func (s *session) tellMissing(p *config.Project) {
	for _, c := range p.Configs {
		tell := func(there bool, what string, path ...any) {
			if there {
				s.bus.Send(event.Note{Warn: true, Text: fmt.Sprintf("%s: %s", c.Position(path...), what)})
			}
		}
		if k := c.Deploy.Kubectl; k != nil {
			_, _, _, rest := kubectlFlags(&config.Project{Configs: []*config.Config{c}})
			tell(len(rest) > 0, "these flags for kubectl have no effect, for skiff does not use it: "+strings.Join(rest, " "), "deploy", "kubectl", "flags")
		}
	}
}
