// Package event is what happened, as typed values: every step of a session sends them to one Bus, faces read them, and nobody
// decides by them.
package event

import "time"

// Event is one thing that happened. Kind is its stable name in machine output.
type Event interface{ Kind() string }

// Stage is a part of a pass.
type Stage string

// The stages of a pass, in their order, and the one that ends a session.
const (
	Tag     Stage = "tag"
	Build   Stage = "build"
	Test    Stage = "test"
	Render  Stage = "render"
	Deploy  Stage = "deploy"
	Status  Stage = "status"
	Cleanup Stage = "cleanup"
)

// Session is the first event: where the project runs, and why there.
type Session struct {
	Command   string `json:"command"`   // "dev", "run", …
	Target    string `json:"target"`    // "cluster" or "local"
	Context   string `json:"context"`   // kube context, empty for local
	Namespace string `json:"namespace"` // default namespace, empty for local
	Registry  string `json:"registry"`  // where images go, empty: nowhere or as named
	Why       string `json:"why"`       // how the target was chosen
}

// StageStarted and StageEnded frame one stage of a pass.
type StageStarted struct {
	Stage Stage  `json:"stage"`
	Cause string `json:"cause,omitempty"` // what made it necessary, in words
}

// StageEnded closes the stage. Err is nil when it worked, and is told once, here.
type StageEnded struct {
	Stage Stage         `json:"stage"`
	Took  time.Duration `json:"took"`
	Err   error         `json:"-"`
}

// Tagged names an image that is to be built.
type Tagged struct {
	Image string `json:"image"` // as in the project file
	Ref   string `json:"ref"`   // with registry and tag
}

// BuildStarted says that one image is being built.
type BuildStarted struct {
	Image   string `json:"image"`
	Builder string `json:"builder"`         // "docker", …
	Cause   string `json:"cause,omitempty"` // what made it necessary, in words
}

// BuildOutput is one line that a builder printed.
type BuildOutput struct {
	Image string `json:"image"`
	Line  string `json:"line"`
}

// BuildEnded is one image, made (or found) or not.
type BuildEnded struct {
	Image  string        `json:"image"`
	Ref    string        `json:"ref"` // registry/name:tag@digest
	Digest string        `json:"digest"`
	Cached string        `json:"cached,omitempty"` // where an equal image was found: "registry", "engine"; empty: it was built
	Pushed bool          `json:"pushed"`
	How    string        `json:"how,omitempty"` // of several ways to make it the one that was taken
	Took   time.Duration `json:"took"`
	Err    error         `json:"-"`
}

// Applied is what happened to one object on the cluster.
type Applied struct {
	Object    string `json:"object"` // kind/name
	Namespace string `json:"namespace,omitempty"`
	Action    string `json:"action"` // "created", "configured", "unchanged", "deleted", "kept"
}

// Planned is what a deploy would do to one object.
type Planned struct {
	Object    string `json:"object"` // kind/name
	Namespace string `json:"namespace,omitempty"`
	Action    string `json:"action"` // "create", "change", "replace", "delete"
	Diff      string `json:"diff,omitempty"`
}

// Waiting says what a stage has been waiting for, when it takes long.
type Waiting struct {
	Object string        `json:"object"`
	Reason string        `json:"reason"`
	Since  time.Duration `json:"since"`
}

// Ready says that one object runs as wanted.
type Ready struct {
	Object string        `json:"object"`
	Took   time.Duration `json:"took"`
}

// TaskStarted is the beginning of something that runs once: an image test, a verify test, a container of a custom action, a hook.
type TaskStarted struct {
	Task string `json:"task"`           // "test", "verify", "exec", "hook"
	Name string `json:"name"`           // of the test, container or hook
	What string `json:"what,omitempty"` // the command or image that runs
}

// TaskOutput is one line that it prints.
type TaskOutput struct {
	Task string `json:"task"`
	Name string `json:"name"`
	Line string `json:"line"`
}

// TaskEnded is its end.
type TaskEnded struct {
	Task string        `json:"task"`
	Name string        `json:"name"`
	Took time.Duration `json:"took"`
	Err  error         `json:"-"`
}

// Forward is a local port that leads to a container; Err is set when it cannot be opened.
type Forward struct {
	Resource   string `json:"resource"` // "pod/web", "service/web"
	Namespace  string `json:"namespace,omitempty"`
	RemotePort int    `json:"remotePort"`
	Address    string `json:"address"`
	LocalPort  int    `json:"localPort"`
	Err        error  `json:"-"`
}

// Log is one line that a container wrote.
type Log struct {
	Namespace string    `json:"namespace,omitempty"`
	Pod       string    `json:"pod"`
	Container string    `json:"container"`
	Artifact  string    `json:"artifact,omitempty"` // image name as in the project file
	Time      time.Time `json:"time,omitzero"`
	Line      string    `json:"line"`
}

// Changed is a batch of paths, and what will be done about it.
type Changed struct {
	Paths []string `json:"paths"` // relative to the project's folder where they lie in it, sorted
	Plan  []string `json:"plan"`  // one line per action, with its cause
}

// Synced is one container whose files now are what the working tree says.
type Synced struct {
	Image     string        `json:"image"`
	Namespace string        `json:"namespace,omitempty"`
	Pod       string        `json:"pod"`
	Container string        `json:"container"`
	Copied    []string      `json:"copied,omitempty"`  // paths in the container
	Deleted   []string      `json:"deleted,omitempty"` // paths in the container
	Bytes     int64         `json:"bytes"`
	Took      time.Duration `json:"took"`             // from the first notification of the file system to the container's acknowledgement
	Replay    bool          `json:"replay,omitempty"` // a new container got what earlier ones had
	Err       error         `json:"-"`
}

// Watching says that the loop waits for the next change.
type Watching struct{}

// Owed says what waits for the user's word (--trigger=manual, --auto-*=false).
type Owed struct {
	Plan []string `json:"plan"`
}

// Failed is work that did not succeed while the session lives on.
type Failed struct {
	Err error `json:"-"`
}

// Note is a remark that needs no action; Warn marks what the user probably wants to change.
type Note struct {
	Text string `json:"text"`
	Warn bool   `json:"warn,omitempty"`
}

// Ended is the last event.
type Ended struct {
	Took time.Duration `json:"took"`
	Err  error         `json:"-"`
}

// Kind is the event's stable name.
func (Session) Kind() string      { return "session" }
func (StageStarted) Kind() string { return "stageStarted" }
func (StageEnded) Kind() string   { return "stageEnded" }
func (Tagged) Kind() string       { return "tagged" }
func (BuildStarted) Kind() string { return "buildStarted" }
func (BuildOutput) Kind() string  { return "buildOutput" }
func (BuildEnded) Kind() string   { return "buildEnded" }
func (Applied) Kind() string      { return "applied" }
func (Planned) Kind() string      { return "planned" }
func (Waiting) Kind() string      { return "waiting" }
func (Ready) Kind() string        { return "ready" }
func (TaskStarted) Kind() string  { return "taskStarted" }
func (TaskOutput) Kind() string   { return "taskOutput" }
func (TaskEnded) Kind() string    { return "taskEnded" }
func (Forward) Kind() string      { return "forward" }
func (Log) Kind() string          { return "log" }
func (Changed) Kind() string      { return "changed" }
func (Synced) Kind() string       { return "synced" }
func (Watching) Kind() string     { return "watching" }
func (Owed) Kind() string         { return "owed" }
func (Failed) Kind() string       { return "failed" }
func (Note) Kind() string         { return "note" }
func (Ended) Kind() string        { return "ended" }
