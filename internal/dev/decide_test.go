package dev

import (
	"errors"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
)

// below counts every path in a folder.
type below string

func (b below) Has(p string) bool { return strings.HasPrefix(p, string(b)+"/") }

// python syncs *.py to /app and takes nothing else.
type python struct{}

func (python) Plan(changes []filesync.Change) (ops []filesync.Op, rest []filesync.Change) {
	for _, c := range changes {
		if path.Ext(c.Path) != ".py" {
			rest = append(rest, c)
			continue
		}
		ops = append(ops, op(c.Path, c.Deleted))
	}
	return ops, rest
}

func op(local string, deleted bool) filesync.Op {
	return filesync.Op{Local: local, Remote: "/app/" + path.Base(local), Delete: deleted}
}

// state is a running project of two images, of which web syncs Python files.
func state(change ...func(*State)) State {
	s := State{
		Dir: "/p",
		Artifacts: []Artifact{
			{Name: "web", Inputs: below("/p/web"), Sync: python{}, SyncRules: true, Deployed: true},
			{Name: "api", Inputs: below("/p/api"), Deployed: true},
		},
		Manifests: below("/p/k8s"),
		Config:    below("/p/config"),
		Auto:      Auto{true, true, true},
		Started:   true,
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func artifact(name string, f func(*Artifact)) func(*State) {
	return func(s *State) { f(s.artifact(name)) }
}

func running(builds ...string) func(*State) {
	return func(s *State) {
		s.Running = &Pass{Build: map[string]string{}, Deploy: "start"}
		for _, b := range builds {
			s.Running.Build[b] = "start"
		}
	}
}

var at = time.Unix(1, 0)

func saved(paths ...string) Changed {
	c := Changed{First: at}
	for _, p := range paths {
		c.Changes = append(c.Changes, filesync.Change{Path: strings.TrimPrefix(p, "-"), Deleted: p[0] == '-'})
	}
	return c
}

func told(paths, plan string) Tell {
	return Tell{event.Changed{Paths: strings.Fields(paths), Plan: strings.Split(plan, "\n")}}
}

func TestDecide(t *testing.T) {
	manual := func(s *State) { s.Manual = true }
	fresh := func(s *State) {
		s.Started = false
		for i := range s.Artifacts {
			s.Artifacts[i].Deployed = false
		}
	}
	for _, tt := range []struct {
		name string
		s    State
		in   Input
		want []Action
	}{
		{"the start builds and deploys everything", state(fresh), Start{"start"},
			[]Action{RunPass{Build: []string{"web", "api"}, Causes: []string{"start"}}}},
		{"after a reload what runs already is deployed, not built", state(artifact("api", func(a *Artifact) { a.Deployed = false })), Start{"start"},
			[]Action{RunPass{Build: []string{"api"}, Causes: []string{"start"}}}},
		{"the start needs no word even with --trigger=manual", state(fresh, manual), Start{"start"},
			[]Action{RunPass{Build: []string{"web", "api"}, Causes: []string{"start"}}}},
		{"a path of nothing is nothing", state(), saved("/p/notes.txt"), nil},
		{"a synced file is copied, not rebuilt, and only the copy is told", state(), saved("/p/web/app.py"),
			[]Action{Sync{"web", []filesync.Op{op("/p/web/app.py", false)}, at}}},
		{"a deleted file is deleted in the container", state(), saved("-/p/web/app.py"),
			[]Action{Sync{"web", []filesync.Op{op("/p/web/app.py", true)}, at}}},
		{"an unmatched file is a rebuild, and the others are copied beside it", state(), saved("/p/web/app.py", "/p/web/Dockerfile", "/p/notes.txt"),
			[]Action{
				Sync{"web", []filesync.Op{op("/p/web/app.py", false)}, at},
				told("web/Dockerfile web/app.py", "sync 1 file to web\nrebuild web: web/Dockerfile changed, and no sync rule takes it"),
				RunPass{Build: []string{"web"}, Causes: []string{"web/Dockerfile changed, and no sync rule takes it"}},
			}},
		{"an image without sync rules is rebuilt, its siblings are not", state(), saved("/p/api/main.go"),
			[]Action{told("api/main.go", "rebuild api: api/main.go changed"), RunPass{Build: []string{"api"}, Causes: []string{"api/main.go changed"}}}},
		{"a manifest is deployed without a rebuild", state(), saved("/p/k8s/pod.yaml"),
			[]Action{told("k8s/pod.yaml", "deploy again: k8s/pod.yaml changed"), RunPass{Causes: []string{"k8s/pod.yaml changed"}}}},
		{"the project file is reloaded", state(), saved("/p/config/skaffold.yaml"),
			[]Action{told("config/skaffold.yaml", "reload the project: config/skaffold.yaml changed"), Reload{"config/skaffold.yaml changed"}}},
		{"an image that others are built from is rebuilt with them, not synced", state(artifact("web", func(a *Artifact) { a.NeededBy = []string{"api"} })), saved("/p/web/app.py"),
			[]Action{
				told("web/app.py", "rebuild web: web/app.py changed, and api is built from web"),
				RunPass{Build: []string{"web", "api"}, Causes: []string{"web/app.py changed, and api is built from web", "web is rebuilt"}},
			}},
		{"a container that crashes gets a new image, for a copy would be lost", state(artifact("web", func(a *Artifact) { a.Crashing = true })), saved("/p/web/app.py"),
			[]Action{
				told("web/app.py", "rebuild web: web/app.py changed, and the container does not stay alive to copy it into"),
				RunPass{Build: []string{"web"}, Causes: []string{"web/app.py changed, and the container does not stay alive to copy it into"}},
			}},
		{"lost notifications make everything owed", state(), Changed{Rescan: true},
			[]Action{Tell{event.Changed{Paths: []string{}, Plan: []string{"look at everything again: the system lost notifications"}}},
				RunPass{Build: []string{"web", "api"}, Causes: []string{"notifications were lost"}}}},
		{"a copy that failed is a rebuild: no change is dropped", state(), SyncDone{Artifact: "web", Err: errors.New("x")},
			[]Action{Tell{event.Failed{Err: errors.New("x")}}, RunPass{Build: []string{"web"}, Causes: []string{"sync failed"}}}},
		{"a copy that worked needs nothing more", state(), SyncDone{Artifact: "web"}, nil},
		{"a container that dies while nothing else happens is told", state(), Crashed{Artifact: "web", Crashing: true, Err: errors.New("x")}, []Action{Tell{event.Failed{Err: errors.New("x")}}}},
		{"a change that no container took is built into the image when the container does not stay alive",
			state(artifact("web", func(a *Artifact) { a.Waiting = true })), Crashed{Artifact: "web", Crashing: true},
			[]Action{RunPass{Build: []string{"web"}, Causes: []string{"the container does not stay alive to copy the changes into"}}}},
		{"so is one that is saved when that is known", state(artifact("web", func(a *Artifact) { a.Crashing = true })), SyncDone{Artifact: "web", Nobody: true},
			[]Action{RunPass{Build: []string{"web"}, Causes: []string{"the container does not stay alive to copy the changes into"}}}},
		{"one that no container took waits for the next container", state(), SyncDone{Artifact: "web", Nobody: true}, nil},
		{"a container that dies during a pass is left to the wait for readiness", state(running("api")), Crashed{Artifact: "web", Crashing: true, Err: errors.New("x")}, nil},
		{"during a pass a copy is made at once", state(running("api")), saved("/p/web/app.py"),
			[]Action{Sync{"web", []filesync.Op{op("/p/web/app.py", false)}, at}}},
		{"a newer change stops only the build that it makes stale", state(running("web", "api")), saved("/p/api/main.go"),
			[]Action{told("api/main.go", "rebuild api: api/main.go changed"), StopBuild{"api"}, StopWait{}}},
		{"and those of the images that are made from it", state(running("web", "api"), artifact("web", func(a *Artifact) { a.NeededBy = []string{"api"} })), saved("/p/web/app.py"),
			[]Action{told("web/app.py", "rebuild web: web/app.py changed, and api is built from web"), StopBuild{"web"}, StopBuild{"api"}, StopWait{}}},
		{"a build that is stale already is not stopped twice", state(running("api"), func(s *State) { s.Running.Stale = []string{"api"} }), saved("/p/api/main.go"),
			[]Action{told("api/main.go", "rebuild api: api/main.go changed"), StopWait{}}},
		{"with --trigger=manual a change waits for Enter", state(manual), saved("/p/web/app.py", "/p/api/main.go"),
			[]Action{told("api/main.go web/app.py", "owed: sync 1 file to web\nrebuild api: api/main.go changed"),
				Tell{event.Owed{Plan: []string{"rebuild api (api/main.go changed)", "sync 1 file to web"}}}}},
		{"Enter does what is owed", state(manual, func(s *State) {
			s.Build = map[string]Task{"api": {Cause: "api/main.go changed"}}
			s.Syncs = map[string][]filesync.Op{"web": {op("/p/web/app.py", false)}}
		}), Trigger{}, []Action{
			Sync{Artifact: "web", Ops: []filesync.Op{op("/p/web/app.py", false)}},
			RunPass{Build: []string{"api"}, Causes: []string{"api/main.go changed"}},
		}},
		{"Enter without a debt does nothing", state(manual), Trigger{}, nil},
		{"without --auto-build a change waits", state(func(s *State) { s.Auto.Build = false }), saved("/p/api/main.go"),
			[]Action{told("api/main.go", "rebuild api: api/main.go changed"), Tell{event.Owed{Plan: []string{"rebuild api (api/main.go changed)"}}}}},
		{"a pass that worked ends in watching", state(running("api")), PassDone{Built: []string{"api"}, Deployed: true}, []Action{Tell{event.Watching{}}}},
		{"a pass that failed is not tried again by itself", state(running("api")), PassDone{Err: errors.New("x")}, []Action{Tell{event.Watching{}}}},
		{"work that became owed during a pass follows it", state(running("api"), func(s *State) { s.Build = map[string]Task{"web": {Cause: "c"}} }),
			PassDone{Built: []string{"api"}, Deployed: true}, []Action{RunPass{Build: []string{"web"}, Causes: []string{"c"}}}},
		{"what failed before rides along with the next change", state(func(s *State) { s.Build = map[string]Task{"web": {Cause: "old", Tried: true}} }), saved("/p/api/main.go"),
			[]Action{told("api/main.go", "rebuild api: api/main.go changed"), RunPass{Build: []string{"web", "api"}, Causes: []string{"old", "api/main.go changed"}}}},
		{"images that were built beside a failure are still owed to the cluster", state(running("api", "web")), PassDone{Built: []string{"web"}, Err: errors.New("x")},
			[]Action{Tell{event.Watching{}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.s.clone()
			_, got := Decide(tt.s, tt.in)
			equalErrors := cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() })
			if diff := cmp.Diff(tt.want, got, equalErrors); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before.clone(), tt.s.clone()); diff != "" {
				t.Errorf("Decide changed the state that went in:\n%s", diff)
			}
		})
	}
}

// story runs inputs one after the other and returns the actions of the last.
func story(s State, inputs ...Input) (State, []Action) {
	var actions []Action
	for _, in := range inputs {
		s, actions = Decide(s, in)
	}
	return s, actions
}

func TestFailedWorkStaysOwed(t *testing.T) {
	s, _ := story(state(), saved("/p/api/main.go", "/p/web/Dockerfile"), PassDone{Built: []string{"web"}, Err: errors.New("api does not compile")})
	if s.Build["api"].Cause == "" || !s.Build["api"].Tried {
		t.Errorf("owed builds are %v, want api, tried", s.Build)
	}
	if s.Deploy == nil {
		t.Error("web was built but its deploy is not owed")
	}
	_, got := Decide(s, saved("/p/k8s/pod.yaml"))
	want := []Action{told("k8s/pod.yaml", "deploy again: k8s/pod.yaml changed"), RunPass{Build: []string{"api"}, Causes: []string{"api/main.go changed", "k8s/pod.yaml changed"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the next change (-want +got):\n%s", diff)
	}
}

func TestASupersededBuildIsDoneAgainAtOnceAndItsSiblingIsNot(t *testing.T) {
	s, _ := story(state(), saved("/p/api/main.go", "/p/web/Dockerfile"), saved("/p/api/main.go"))
	_, got := Decide(s, PassDone{Built: []string{"web"}, Err: errors.New("superseded")})
	want := []Action{RunPass{Build: []string{"api"}, Causes: []string{"api/main.go changed", "images are new"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the pass (-want +got):\n%s", diff)
	}
}

func TestAnImageSyncsOnlyOnceItIsDeployed(t *testing.T) {
	fresh := state(artifact("web", func(a *Artifact) { a.Deployed, a.Sync = false, nil }))
	s, got := story(fresh, Start{"start"}, saved("/p/web/app.py"))
	if _, ok := got[len(got)-2].(StopBuild); !ok {
		t.Fatalf("a change before the first image is there: %v, want its build stopped", got)
	}
	s, _ = story(s, Known{"web", below("/p/web"), python{}}, PassDone{Built: []string{"api"}})
	_, got = story(s, PassDone{Built: []string{"web"}, Deployed: true}, saved("/p/web/app.py"))
	want := []Action{Sync{"web", []filesync.Op{op("/p/web/app.py", false)}, at}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the deploy (-want +got):\n%s", diff)
	}
}
