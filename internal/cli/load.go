package cli

import (
	"context"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/image/nodes"
)

// nodesCluster is the kind or k3d cluster of the session, if its nodes take images and the user does not forbid it.
func (s *session) nodesCluster() (nodes.Cluster, bool) {
	if s.cluster == nil {
		return nodes.Cluster{}, false
	}
	c, ok := nodes.Named(s.cluster.Context)
	return c, ok && !s.loadDisabled()
}

// loadDisabled is whether the user's settings want images to be pushed although the cluster is one of kind or k3d.
func (s *session) loadDisabled() bool {
	if s.cluster == nil {
		return false
	}
	set := s.settings.KindDisableLoad
	c, ok := nodes.Named(s.cluster.Context)
	if c.Tool == "k3d" {
		set = s.settings.K3dDisableLoad
	}
	return ok && set != nil && *set
}

// loads is what brings images that stay in the engine into the cluster's nodes; nil where the cluster needs none of that.
func (s *session) loads(pushed bool) func(ctx context.Context, refs []string) error {
	cluster, ok := s.nodesCluster()
	if !ok || pushed || s.command == "deploy" && !s.loadImages {
		return nil
	}
	l := &nodes.Loader{Engine: s.engine, Cluster: cluster, Tell: func(text string) { s.bus.Send(event.Note{Text: text}) }}
	return l.Load
}
