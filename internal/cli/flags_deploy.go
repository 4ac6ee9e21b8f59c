package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// deployOptions is what the flags say about how objects reach the cluster and about the wait for them.
type deployOptions struct {
	forceConflicts  bool
	waitDeletions   bool
	deletionsMax    time.Duration
	deletionsDelay  time.Duration
	skipRender      bool
	cleanupRun      bool
	iterativeStatus bool
	fastFailStatus  bool
	statusSelectors string
	plan            bool
	assumeYes       bool
}

func applyFlags() []flagDef {
	return []flagDef{
		{name: "force-conflicts", target: func(o *options) any { return &o.forceConflicts }, def: true, commands: deploying, help: "make fields as the manifests say that others have changed; --force-conflicts=false fails and names them"},
		{name: "wait-for-deletions", target: func(o *options) any { return &o.waitDeletions }, def: true, commands: deploying, help: "wait for the end of objects that are being deleted before they are applied again"},
		{name: "wait-for-deletions-max", target: func(o *options) any { return &o.deletionsMax }, def: time.Minute, commands: deploying, help: "how long to wait for that"},
		{name: "wait-for-deletions-delay", target: func(o *options) any { return &o.deletionsDelay }, def: 2 * time.Second, commands: deploying, help: "not needed: the end of an object is told by the cluster"},
		{name: "skip-render", target: func(o *options) any { return &o.skipRender }, def: false, commands: "deploy", help: "deploy the manifests as they are written: no images, labels or namespaces are put in"},
		{name: "cleanup", target: func(o *options) any { return &o.cleanupRun }, def: false, commands: "run", help: "delete what this run created when it ends, for instance with --tail after Ctrl-C"},
		{name: "iterative-status-check", target: func(o *options) any { return &o.iterativeStatus }, def: true, commands: deploying, help: "wait until a module runs before the modules that require it are deployed"},
		{name: "fast-fail-status-check", target: func(o *options) any { return &o.fastFailStatus }, def: true, commands: deploying, help: "end with the first object that fails; else wait for all and tell every failure"},
		{name: "status-check-selectors", target: func(o *options) any { return &o.statusSelectors }, def: "", commands: deploying, help: "JSON file of the custom kinds whose controllers must have spoken before they count as ready"},
		{name: "plan", target: func(o *options) any { return &o.plan }, def: false, commands: deploying, help: "show what the first deploy would change, and ask"},
		{name: "assume-yes", target: func(o *options) any { return &o.assumeYes }, def: false, commands: all, help: "take every question for answered with yes"},
	}
}

// verbosities are the levels of -v, from the most to the least that is told.
var verbosities = []string{"trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"}

func (o *options) checkDeploy() error {
	if o.verbosity != "" && !slices.Contains(verbosities, strings.ToLower(o.verbosity)) {
		return usage("choose one of: "+strings.Join(verbosities, ", "), fmt.Errorf("--verbosity=%s", o.verbosity))
	}
	if o.deletionsMax < 0 {
		return usage("write a time such as 60s", errors.New("--wait-for-deletions-max is negative"))
	}
	return nil
}

// chatty is whether -v asks for what is sent to the cluster.
func (o *options) chatty() bool {
	return slices.Contains([]string{"trace", "debug"}, strings.ToLower(o.verbosity))
}
