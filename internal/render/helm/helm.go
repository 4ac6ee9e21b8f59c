// Package helm renders charts with helm's library: releases in, objects out.
package helm

import (
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/release"
)

func template(chart any, values map[string]any) (release.Releaser, error) {
	return action.NewInstall(action.NewConfiguration()).Run(chart, values)
}

var _ = template
