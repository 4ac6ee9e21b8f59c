package cli

import (
	"slices"
	"time"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/dev"
	"github.com/skiff-dev/skiff/internal/forward"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/logs"
)

// forwards is the Forwarder as the loop knows it.
type forwards struct{ *forward.Forwarder }

// Deployed tells which services and pods may be forwarded.
func (f forwards) Deployed(objects []*kube.Object, selection *kube.Selection) {
	f.Forwarder.Deployed(objects)
	f.Select(selection)
}

// tails is the Tailer as the loop knows it.
type tails struct{ *logs.Tailer }

// Deployed tells which pods are followed.
func (t tails) Deployed(_ []*kube.Object, selection *kube.Selection) { t.Select(selection) }

// faces is what follows the pods for the user: the forwards and the logs that the flags ask for.
func (s *session) faces() []dev.Face {
	var faces []dev.Face
	if s.local != nil || s.docker != nil {
		return nil // ports are this machine's own, and lines come from the processes themselves
	}
	modes, err := forward.ParseModes(s.portForward, s.command)
	if err == nil && modes != (forward.Modes{}) {
		s.forwarder = forward.New(s.cluster, forward.Options{Modes: modes, Namespace: s.cluster.Namespace, Services: s.cluster.Typed.CoreV1()}, s.bus)
		s.wantForwards(s.project)
		faces = append(faces, forwards{s.forwarder})
	}
	if s.tail || s.command == "dev" && !s.tailGiven {
		faces = append(faces, tails{logs.New(s.cluster, logs.Options{Since: time.Now()}, s.bus)})
	}
	return faces
}

// wantForwards takes the forwards that the project file names.
func (s *session) wantForwards(project *config.Project) {
	if s.forwarder == nil {
		return
	}
	var all []*config.PortForward
	for _, c := range project.Configs {
		all = slices.Concat(all, c.PortForward)
	}
	s.forwarder.Want(forward.User(all, s.cluster.Namespace))
}
