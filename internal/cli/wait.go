package cli

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/status"
)

// statusOptions is how the wait goes, by flags and by the project: over several modules the longest deadline counts, and the
// first one that says whether there is a wait at all.
func (s *session) statusOptions(project *config.Project) (check bool, o status.Options, err error) {
	check, o = true, status.Options{TolerateFailures: s.tolerate, KeepGoing: !s.fastFailStatus}
	if s.command == "dev" {
		o.Settle = -1 // a container that dies later is told by the loop
	}
	said := false
	for _, c := range project.Configs {
		if c.Deploy.StatusCheck != nil && !said {
			check, said = *c.Deploy.StatusCheck, true
		}
		o.Deadline = max(o.Deadline, time.Duration(c.Deploy.StatusCheckDeadlineSeconds)*time.Second)
		o.TolerateFailures = o.TolerateFailures || c.Deploy.TolerateFailuresUntilDeadline
	}
	if o.Deadline == 0 {
		o.Deadline = defaultDeadline
	}
	if wanted, err := strconv.ParseBool(s.statusCheck); err == nil {
		check = wanted
	}
	if s.statusSelectors == "" {
		return check, o, nil
	}
	data, err := os.ReadFile(s.path(s.statusSelectors))
	if err != nil {
		return check, o, diag.Errorf("check --status-check-selectors", "read the selectors of the status check: %w", err)
	}
	o.Selectors, err = status.ReadSelectors(s.statusSelectors, data)
	return check, o, err
}

// deployOptions is how objects reach the cluster, by flags and by the project.
func (s *session) applyOptions(project *config.Project) deploy.Options {
	force, refused, unvalidated, _ := kubectlFlags(project)
	o := deploy.Options{
		Project: projectName(project), Owner: s.owner(project), RunID: s.runID(),
		Force: s.force || force, RefuseConflicts: refused || !s.forceConflicts, SkipValidation: unvalidated,
		Loose: s.command == "apply", Deletions: s.deletionsMax,
	}
	if !s.waitDeletions {
		o.Deletions = -1
	}
	return o
}

// trace shows each request to the cluster where -v asks for that.
func (s *session) trace() func(text string) {
	if !s.chatty() {
		return nil
	}
	return func(text string) { s.bus.Send(event.Note{Text: text}) }
}

// runID is Skaffold's label for what a run has deployed: the user's own value, or one for this run.
func (s *session) runID() string {
	if labels, err := s.labelMap(); err == nil && labels["skaffold.dev/run-id"] != "" {
		return labels["skaffold.dev/run-id"]
	}
	return fmt.Sprintf("%x", s.start.UnixNano())
}
