package local

import "slices"

// Settings is the local section of skiff.yaml: what a project says about this target in words of its own.
type Settings struct {
	Dir      string              `yaml:"-"`        // The project's folder.
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
	Watch   []string          `yaml:"watch"`   // More paths whose change restarts it, relative to the context.
	Skip    bool              `yaml:"skip"`    // Do not run it here.
}

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
