package forward

import (
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Modes are the kinds of forwards that are wanted.
type Modes struct {
	User     bool // what the project file lists
	Services bool // each port of the services that were deployed
	Pods     bool // each port of the containers that run an image built here
	Bare     bool // as Pods, for ports that no forwarded service leads to
	Debug    bool // ports on which a debugger listens
}

// ParseModes reads the value of --port-forward: a list of modes, or one boolean. An empty value is the default of the
// command, "true" what the flag means without a value: everything that a user may want to reach, once.
func ParseModes(value, command string) (Modes, error) {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "":
		return Modes{User: command == "dev" || command == "debug", Debug: command == "debug"}, nil
	case "true":
		return Modes{User: true, Services: true, Bare: true, Debug: command == "debug"}, nil
	case "false", "off":
		return Modes{}, nil
	}
	var m Modes
	for _, word := range strings.Split(value, ",") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "user":
			m.User = true
		case "services":
			m.Services = true
		case "pods":
			m.Pods = true
		case "debug":
			m.Debug = true
		case "true", "false", "off":
			return Modes{}, badMode("--port-forward: %q must stand alone", word)
		default:
			return Modes{}, badMode("--port-forward: unknown mode %q", word)
		}
	}
	return m, nil
}

func badMode(format, word string) error {
	e := diag.Errorf("the modes are user, services, pods and debug, separated by commas; or true, false or off alone", format, word)
	e.Code = diag.CodeUsage
	return e
}
