// Package local runs a project as plain processes of this machine: artifacts, their Dockerfiles and the rendered manifests go in;
// supervised processes, and what differs from a cluster, come out.
package local

import (
	"fmt"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Plan is what is to run. It is a value: two equal plans need no restart.
type Plan struct {
	Units    []Unit
	Routes   []Route   // how the Services of the manifests are reached
	Findings []Finding // what is not as the manifests say, in the order in which it was found
}

// Unit is one pod: its processes share volumes and begin after its init processes.
type Unit struct {
	Object    string // "Deployment/web"
	Name      string // of the pod
	Namespace string
	Labels    map[string]string
	Volumes   []Volume
	Aliases   []string // lines that the pod wants in its hosts file
	Inits     []Process
	Processes []Process
	Job       bool // it is done when its processes are
}

// Process is one container that runs as a process.
type Process struct {
	Container string
	Artifact  string // "" when the image is not built here
	Image     string // the reference as rendered; another one is another program
	Args      []string
	Dir       string
	Env       []string // sorted
	Links     []string // the variables by which it knows the Services; as in a pod, they are those of its start
	Ports     []Port
	Restart   proc.Policy
	Limit     int // of restarts; 0: none
	Grace     time.Duration
	Startup   *Probe
	Ready     *Probe
	Live      *Probe
	PostStart *Probe // asked once when it runs
	PreStop   *Probe // asked once before it is ended
	Sidecar   bool   // an init container that stays: what comes after it begins when it has started
	After     int    // how many init processes end before it begins
}

// Port is a port of a container and where it is on this machine.
type Port struct {
	Name          string
	Number, Local int
}

// Probe asks a process how it is.
type Probe struct {
	Kind                   string // "http", "tcp", "exec" or "grpc"
	URL                    string // http
	Host                   string // http: the Host header
	Headers                []Header
	Address                string   // tcp, grpc: host:port
	Service                string   // grpc
	Args                   []string // exec
	Delay, Period, Timeout time.Duration
	Success, Failure       int
}

// Header is one line of an http probe's request.
type Header struct{ Name, Value string }

// Volume is a folder of the state folder that stands for a volume of a pod.
type Volume struct {
	Dir   string
	Files []File
	Keep  bool // its contents outlive the process: a claim
}

// File is a file of a ConfigMap or a Secret, by its path in the volume.
type File struct {
	Path string
	Data string
	Mode uint32
}

// Route is a Service: under which names and at which address it answers.
type Route struct {
	Service string
	Names   []string
	Address string // of this machine
	Proxies []Proxy
}

// Proxy leads from a port of a Service to where its process listens.
type Proxy struct{ Listen, To string }

// Level is how much a finding matters.
type Level int

// The levels. A Broken thing does not run; a Gap is something that the host must provide; a Differs is a difference to the cluster.
const (
	Differs Level = iota
	Gap
	Broken
)

// Finding is something that is not on this machine as the manifests or the Dockerfile say.
type Finding struct {
	Level Level
	Where string // "Deployment/web, container web" or "image web"
	Topic string // a word for a table: "image", "user", "resources", …
	Text  string
	Hint  string
	Pos   diag.Pos
}

// Error is the finding as a failure.
func (f Finding) Error() error {
	e := diag.Errorf(f.Hint, "%s: %s", f.Where, f.Text)
	e.Pos, e.Code = f.Pos, diag.CodeDeploy
	return e
}

// String is the finding on one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s", f.Where, f.Text) }

// Host is what the plan asks this machine. Every function is a question without a side effect.
type Host struct {
	OS, Arch, Name string
	Env            []string // what every process inherits
	IsDir, Exists  func(path string) bool
	Read           func(path string) ([]byte, error)
	Look           func(name, dir string, env []string) (string, error)
	Lacks          func(kind string, packages []string, path string) []string // which packages are missing; nil: nobody knows
	Version        func(args []string, path string) string                    // what a program says of itself; "": nothing
	Free           func(port int) bool                                        // nobody listens there, except a process of ours
	Hosts          bool                                                       // processes can have an /etc/hosts of their own
	LowPorts       bool                                                       // ports below 1024 may be listened on
	Loopbacks      bool                                                       // all of 127.0.0.0/8 is this machine
}
