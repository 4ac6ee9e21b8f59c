package local

import (
	"slices"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Settings is the local section of skiff.yaml: what a project says about this target in words of its own.
type Settings struct {
	Dir      string              `yaml:"-"`        // The folder of the file.
	Places   map[string]diag.Pos `yaml:"-"`        // Where "services.NAME" and "external.NAME" stand.
	Hosts    *bool               `yaml:"hosts"`    // false: processes get no /etc/hosts of their own; addresses are put in instead.
	Services map[string]Service  `yaml:"services"` // By the name of a container, a workload or an image of the project.
	External map[string]External `yaml:"external"` // Servers that the project does not build, by image, workload or Service.
}

// Service changes how one container runs here.
type Service struct {
	Build   string            `yaml:"build"`   // Command that makes the program, run by a shell in the context.
	Command string            `yaml:"command"` // Replaces the command of manifest and Dockerfile.
	Dir     string            `yaml:"dir"`     // Working folder, relative to the context.
	Env     map[string]string `yaml:"env"`     // Added last; wins over everything.
	Port    int               `yaml:"port"`    // Where the first container port is here; PORT is set to it.
	Watch   []string          `yaml:"watch"`   // More paths whose change builds and restarts it, relative to the context; globs with **.
	Skip    bool              `yaml:"skip"`    // Do not run it here.
	Run     Run               `yaml:"run"`     // "once" runs a CronJob when it is applied.
}

// Run says when something runs that would not by itself.
type Run string

// Once is at the beginning, and again when something of it changes.
const Once Run = "once"

// External is a server that runs beside the project: skiff starts it, or it is reached at its address.
type External struct {
	Command string            `yaml:"command"` // Started in the project's folder and kept running.
	Address string            `yaml:"address"` // HOST:PORT of one that runs already.
	Dir     string            `yaml:"dir"`     // Working folder, relative to the project's.
	Env     map[string]string `yaml:"env"`     // Added to the environment.
	Port    int               `yaml:"port"`    // Where it listens; by default the container's port.
}

// service is what is said about a container under one of its names.
func (s Settings) service(names ...string) Service {
	for _, name := range names {
		if found, ok := s.Services[name]; ok {
			return found
		}
	}
	return Service{}
}

// external is what is said about a server under one of its names.
func (s Settings) external(names ...string) (string, bool) {
	i := slices.IndexFunc(names, func(name string) bool { _, ok := s.External[name]; return ok })
	if i < 0 {
		return "", false
	}
	return names[i], true
}
