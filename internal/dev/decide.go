package dev

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
)

// Decide is the whole policy of the loop: what an input means, and why. It is pure: it does no I/O, reads no clock, and a test is
// a table. The state that comes back replaces the one that went in.
func Decide(s State, in Input) (State, []Action) {
	s = s.clone()
	switch in := in.(type) {
	case Start:
		s.Started = true
		for _, a := range s.Artifacts {
			if !a.Deployed {
				s.Build[a.Name] = Task{Cause: in.Cause}
			}
		}
		s.Deploy = &Task{Cause: in.Cause}
		return s.next(Trigger{Build: true, Deploy: true})
	case Changed:
		return s.changed(in)
	case PassDone:
		return s.passDone(in)
	case SyncDone:
		return s.syncDone(in)
	case Crashed:
		return s.crashed(in)
	case Known:
		if a := s.artifact(in.Artifact); a != nil {
			a.Inputs, a.Sync = in.Inputs, in.Sync
		}
	case Trigger:
		return s.trigger(in)
	}
	return s, nil
}

// changed sorts every path to what it belongs to. A path may belong to several things, and one that belongs to nothing is dropped.
func (s State) changed(in Changed) (State, []Action) {
	var actions []Action
	var plan []string
	if in.Rescan {
		plan = append(plan, "look at everything again: the system lost notifications")
		for _, a := range s.Artifacts {
			s.Build[a.Name] = Task{Cause: "notifications were lost"}
		}
		s.Deploy = &Task{Cause: "notifications were lost"}
	}
	var reload []Action
	if path, ok := first(in.Changes, s.Config); ok {
		cause := s.rel(path) + " changed"
		plan = append(plan, "reload the project: "+cause)
		reload = []Action{Reload{Cause: cause}}
	}
	for i := range s.Artifacts {
		more, words := s.changedArtifact(&s.Artifacts[i], in)
		actions, plan = append(actions, more...), append(plan, words...)
	}
	if path, ok := first(in.Changes, s.Manifests); ok {
		s.Deploy = &Task{Cause: s.rel(path) + " changed"}
		plan = append(plan, "deploy again: "+s.Deploy.Cause)
	}
	if len(plan) == 0 {
		return s, nil
	}
	s, more := s.next(Trigger{})
	told := []Action{Tell{event.Changed{Paths: s.names(in.Changes), Plan: plan}}}
	if onlySyncs(actions) && len(more) == 0 && len(plan) == len(actions) {
		told = nil // the copy itself is told, with its time; a second line says nothing new
	}
	return s, slices.Concat(actions, told, reload, more)
}

// changedArtifact is what a batch means for one image: files that have a place in the container are copied at once, the others
// make a rebuild beside it.
func (s *State) changedArtifact(a *Artifact, in Changed) (actions []Action, plan []string) {
	var mine []filesync.Change
	for _, c := range in.Changes {
		if has(a.Inputs, c.Path) {
			mine = append(mine, c)
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	ops, rest, why := s.split(a, mine)
	if len(ops) > 0 {
		if s.Manual || !s.Auto.Sync {
			s.Syncs[a.Name] = append(s.Syncs[a.Name], ops...)
			plan = append(plan, fmt.Sprintf("owed: sync %s to %s", count(len(ops), "file"), a.Name))
		} else {
			actions = append(actions, Sync{Artifact: a.Name, Ops: ops, Since: in.First})
			plan = append(plan, fmt.Sprintf("sync %s to %s", count(len(ops), "file"), a.Name))
		}
	}
	if len(rest) > 0 {
		cause := s.rel(rest[0].Path) + " " + why
		s.owe(a.Name, cause)
		plan = append(plan, fmt.Sprintf("rebuild %s: %s", a.Name, cause))
	}
	return actions, plan
}

// split separates what can be copied from what needs a rebuild, with the reason for the latter.
func (s *State) split(a *Artifact, mine []filesync.Change) (ops []filesync.Op, rest []filesync.Change, why string) {
	switch {
	case !a.SyncRules:
		return nil, mine, "changed"
	case len(a.NeededBy) > 0:
		return nil, mine, "changed, and " + strings.Join(a.NeededBy, ", ") + " is built from " + a.Name
	case a.Crashing:
		return nil, mine, "changed, and the container does not stay alive to copy it into"
	case a.Sync == nil || !a.Deployed:
		return nil, mine, "changed before the container was there to copy it into"
	}
	ops, rest = a.Sync.Plan(mine)
	return ops, rest, "changed, and no sync rule takes it"
}

// owe notes a rebuild, also of the images that are built from this one.
func (s *State) owe(name, cause string) {
	s.Build[name] = Task{Cause: cause}
	if a := s.artifact(name); a != nil {
		for _, other := range a.NeededBy {
			if _, owed := s.Build[other]; !owed {
				s.owe(other, name+" is rebuilt")
			}
		}
	}
}

func (s State) syncDone(in SyncDone) (State, []Action) {
	a := s.artifact(in.Artifact)
	if in.Err == nil {
		if a == nil {
			return s, nil
		}
		if a.Waiting = in.Nobody; in.Nobody && a.Crashing {
			return s.bake(a)
		}
		return s, nil
	}
	// A change is never dropped: what could not be copied comes with a new image.
	s.owe(in.Artifact, "sync failed")
	s, actions := s.next(Trigger{Build: true})
	return s, append([]Action{Tell{event.Failed{Err: in.Err}}}, actions...)
}

// crashed notes whether the containers of an artifact stay alive.
func (s State) crashed(in Crashed) (State, []Action) {
	var actions []Action
	if in.Err != nil && s.Running == nil {
		// While a pass runs, its wait for readiness explains.
		actions = append(actions, Tell{event.Failed{Err: in.Err}})
	}
	a := s.artifact(in.Artifact)
	if a == nil {
		return s, actions
	}
	a.Crashing = in.Crashing
	if !a.Crashing || !a.Waiting {
		return s, actions
	}
	s, more := s.bake(a)
	return s, append(actions, more...)
}

// bake owes a new image for changes that wait for a container to take them, where none stays alive for it.
func (s State) bake(a *Artifact) (State, []Action) {
	a.Waiting = false
	s.owe(a.Name, "the container does not stay alive to copy the changes into")
	return s.next(Trigger{Build: true})
}

func (s State) passDone(in PassDone) (State, []Action) {
	pass := s.Running
	s.Running = nil
	if pass == nil {
		return s, nil
	}
	for name, cause := range pass.Build {
		switch {
		case slices.Contains(in.Built, name):
			if a := s.artifact(name); a != nil && in.Deployed {
				a.Deployed, a.Waiting = true, false
			}
		default:
			if _, newer := s.Build[name]; !newer {
				s.Build[name] = Task{Cause: cause, Tried: true}
			}
		}
	}
	if !in.Deployed && s.Deploy == nil {
		// Images that were built while another failed still have to reach the cluster.
		s.Deploy = &Task{Cause: pass.Deploy, Tried: len(pass.Stale) == 0}
	}
	s, actions := s.next(Trigger{})
	if s.Running == nil {
		actions = append(actions, Tell{event.Watching{}})
	}
	return s, actions
}

func (s State) trigger(in Trigger) (State, []Action) {
	if in == (Trigger{}) {
		in = Trigger{Build: true, Sync: true, Deploy: true}
	}
	var actions []Action
	if in.Sync {
		for _, a := range s.Artifacts {
			if ops := s.Syncs[a.Name]; len(ops) > 0 {
				actions = append(actions, Sync{Artifact: a.Name, Ops: ops})
				delete(s.Syncs, a.Name)
			}
		}
	}
	// The user's word tries again also what failed.
	if in.Build {
		for name, task := range s.Build {
			s.Build[name] = Task{Cause: task.Cause}
		}
	}
	if in.Deploy && s.Deploy != nil {
		s.Deploy = &Task{Cause: s.Deploy.Cause}
	}
	s, more := s.next(in)
	return s, append(actions, more...)
}

// next starts the pass that is owed, or makes way for it. asked is what the user (or the start) asked for by name, which overrides
// the automatic switches.
func (s State) next(asked Trigger) (State, []Action) {
	build := asked.Build || s.Auto.Build && !s.Manual
	deploy := asked.Deploy || s.Auto.Deploy && !s.Manual
	fresh := build && slices.ContainsFunc(s.owed(), func(name string) bool { return !s.Build[name].Tried }) ||
		deploy && s.Deploy != nil && !s.Deploy.Tried
	if !fresh {
		if plan := s.waiting(); len(plan) > 0 && s.Running == nil && s.Started && (s.Manual || s.Auto != Auto{true, true, true}) {
			return s, []Action{Tell{event.Owed{Plan: plan}}}
		}
		return s, nil
	}
	if s.Running != nil {
		return s, s.makeWay()
	}
	return s.run(build)
}

// run takes what is owed as the running pass. Work that failed before rides along: the change may have mended it.
func (s State) run(build bool) (State, []Action) {
	pass := &Pass{Build: map[string]string{}}
	action := RunPass{}
	if build {
		for _, name := range s.owed() {
			pass.Build[name] = s.Build[name].Cause
			action.Build = append(action.Build, name)
			action.Causes = append(action.Causes, s.Build[name].Cause)
			delete(s.Build, name)
		}
	}
	pass.Deploy = "images are new"
	if s.Deploy != nil {
		pass.Deploy = s.Deploy.Cause
		action.Causes = append(action.Causes, s.Deploy.Cause)
		s.Deploy = nil
	}
	action.Causes = slices.Compact(action.Causes)
	s.Running = pass
	return s, []Action{action}
}

// makeWay stops only what the owed work makes stale.
func (s *State) makeWay() []Action {
	var actions []Action
	for _, name := range s.owed() {
		if _, building := s.Running.Build[name]; building && !s.Build[name].Tried && !slices.Contains(s.Running.Stale, name) {
			s.Running.Stale = append(s.Running.Stale, name)
			actions = append(actions, StopBuild{name})
		}
	}
	return append(actions, StopWait{})
}

// owed is the artifacts that wait for a rebuild, in the project's order.
func (s *State) owed() []string {
	var names []string
	for _, a := range s.Artifacts {
		if _, ok := s.Build[a.Name]; ok {
			names = append(names, a.Name)
		}
	}
	return names
}

// rebuilds is whether an artifact is being rebuilt, or is to be.
func (s *State) rebuilds(name string) bool {
	if s.Running != nil {
		if _, ok := s.Running.Build[name]; ok {
			return true
		}
	}
	_, owed := s.Build[name]
	return owed
}

// waiting is what only the user's word starts.
func (s *State) waiting() []string {
	var plan []string
	for _, name := range s.owed() {
		plan = append(plan, fmt.Sprintf("rebuild %s (%s)", name, s.Build[name].Cause))
	}
	for _, a := range s.Artifacts {
		if n := len(s.Syncs[a.Name]); n > 0 {
			plan = append(plan, fmt.Sprintf("sync %s to %s", count(n, "file"), a.Name))
		}
	}
	if s.Deploy != nil {
		plan = append(plan, fmt.Sprintf("deploy (%s)", s.Deploy.Cause))
	}
	return plan
}

func (s *State) artifact(name string) *Artifact {
	for i := range s.Artifacts {
		if s.Artifacts[i].Name == name {
			return &s.Artifacts[i]
		}
	}
	return nil
}

// clone copies what Decide changes, so that the state that went in stays as it was.
func (s State) clone() State {
	s.Artifacts = slices.Clone(s.Artifacts)
	s.Build = cloneMap(s.Build)
	syncs := make(map[string][]filesync.Op, len(s.Syncs))
	for name, ops := range s.Syncs {
		syncs[name] = slices.Clone(ops)
	}
	s.Syncs = syncs
	if s.Running != nil {
		running := *s.Running
		running.Stale = slices.Clone(running.Stale)
		s.Running = &running
	}
	return s
}

func cloneMap(m map[string]Task) map[string]Task {
	c := make(map[string]Task, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// names is the changed paths that count for something, as the user knows them.
func (s *State) names(changes []filesync.Change) []string {
	all := []string{}
	for _, c := range changes {
		if s.counts(c.Path) {
			all = append(all, s.rel(c.Path))
		}
	}
	sort.Strings(all)
	return all
}

func (s *State) counts(path string) bool {
	if has(s.Config, path) || has(s.Manifests, path) {
		return true
	}
	return slices.ContainsFunc(s.Artifacts, func(a Artifact) bool { return has(a.Inputs, path) })
}

func has(in Inputs, path string) bool { return in != nil && in.Has(path) }

func (s *State) rel(path string) string {
	rel, err := filepath.Rel(s.Dir, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return filepath.ToSlash(rel)
}

func first(changes []filesync.Change, in Inputs) (string, bool) {
	for _, c := range changes {
		if has(in, c.Path) {
			return c.Path, true
		}
	}
	return "", false
}

func onlySyncs(actions []Action) bool {
	return !slices.ContainsFunc(actions, func(a Action) bool { _, ok := a.(Sync); return !ok })
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
