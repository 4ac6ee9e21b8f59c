package cli

import (
	"context"

	sources "github.com/skiff-dev/skiff/internal/render/all"
)

// sourceOptions is what the sources of manifests need from the session.
func (s *session) sourceOptions(ctx context.Context) sources.Options {
	o := sources.Options{Templates: s.templates(ctx), Home: s.Home, Namespace: s.namespace, Insecure: s.insecureRegistries()}
	if s.cluster != nil {
		o.Default = s.cluster.Namespace
	}
	return o
}
