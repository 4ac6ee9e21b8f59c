// Package dev is the loop of a session: changes of files, pods and results go in; copies, passes and what the user sees come out.
// Decide, which is pure, says what each input means; everything else only acts on what it says.
package dev

import (
	"time"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
)

// Inputs says whether a path, present, new or deleted, counts for something. It does no I/O.
type Inputs interface{ Has(path string) bool }

// Planner says what changed files become inside a container, and which of them it has no place for. It does no I/O.
type Planner interface {
	Plan(changes []filesync.Change) (ops []filesync.Op, unmatched []filesync.Change)
}

// Artifact is what the policy knows of one image.
type Artifact struct {
	Name      string
	Inputs    Inputs
	Sync      Planner // nil: a change is a rebuild. It needs the image's working directory, so it is nil until the image is known
	NeededBy  []string
	Deployed  bool // a container of its last image was sent to the cluster
	Crashing  bool // its containers do not stay alive: what is copied into them is lost
	Waiting   bool // changes were synced when no container was there to take them
	SyncRules bool // the project asks for sync; only words depend on it
}

// Auto says what happens without being asked. --trigger=manual switches everything off until Enter.
type Auto struct{ Build, Sync, Deploy bool }

// Task is one owed piece of work: why it is needed, and whether it was tried since the last change and failed.
type Task struct {
	Cause string
	Tried bool
}

// Pass is the work of one run of the pipeline.
type Pass struct {
	Build  map[string]string // artifact -> cause
	Deploy string            // cause
	Stale  []string          // artifacts of Build that a newer change made worthless
}

// State is everything that decisions depend on. One goroutine owns it.
type State struct {
	Dir       string // the project's folder, for paths in messages
	Artifacts []Artifact
	Manifests Inputs
	Config    Inputs
	Auto      Auto
	Manual    bool

	Build   map[string]Task          // owed rebuilds
	Deploy  *Task                    // an owed deploy
	Syncs   map[string][]filesync.Op // owed copies, where they wait for the user's word
	Running *Pass                    // nil: idle
	Started bool
}

// Input is what the loop hears.
type Input interface{ input() }

// Start is the first input: everything is to be built and deployed.
type Start struct{ Cause string }

// Changed is a batch of paths, looked at after it was quiet.
type Changed struct {
	Changes []filesync.Change
	First   time.Time // the first notification
	Rescan  bool      // notifications were lost: everything may have changed
}

// PassDone is the end of a pass. Err is nil when all of it worked; Built names the images that were made all the same.
type PassDone struct {
	Built    []string
	Deployed bool // the objects were sent, even when they did not become ready
	Err      error
}

// SyncDone is the end of one copy.
type SyncDone struct {
	Artifact string
	Paths    []string
	Err      error
	Nobody   bool // no container was there to take it; the next one is to get it by itself
}

// Crashed says that the containers of an artifact do not stay alive, or do again.
type Crashed struct {
	Artifact string // "" for a container whose image is not built here
	Crashing bool
	Err      error // what has just happened, if anything did
}

// Known gives the policy what it may now know of an artifact: after its build.
type Known struct {
	Artifact string
	Inputs   Inputs
	Sync     Planner
}

// Trigger is the user's word: do what is owed.
type Trigger struct{ Build, Sync, Deploy bool }

func (Start) input()    {}
func (Changed) input()  {}
func (PassDone) input() {}
func (SyncDone) input() {}
func (Crashed) input()  {}
func (Known) input()    {}
func (Trigger) input()  {}

// Action is what the loop shall do. Every one has its cause.
type Action interface{ action() }

// Sync copies files into the running containers of an artifact.
type Sync struct {
	Artifact string
	Ops      []filesync.Op
	Since    time.Time
}

// RunPass runs the pipeline.
type RunPass struct {
	Build  []string // artifacts to build; the others keep their image
	Causes []string
}

// StopBuild ends the build of one artifact: what it makes is stale. Its siblings go on.
type StopBuild struct{ Artifact string }

// StopWait ends the wait for readiness of the running pass: newer work is owed.
type StopWait struct{}

// Reload loads the project file again.
type Reload struct{ Cause string }

// Tell sends an event.
type Tell struct{ Event event.Event }

func (Sync) action()      {}
func (RunPass) action()   {}
func (StopBuild) action() {}
func (StopWait) action()  {}
func (Reload) action()    {}
func (Tell) action()      {}
