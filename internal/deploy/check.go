package deploy

import (
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

// Check refuses the deployers that a project names and that do not exist yet; none is left out silently.
func Check(project *config.Project) error {
	var faults diag.List
	for _, c := range project.Configs {
		d := c.Deploy
		for _, f := range []struct {
			there     bool
			key, hint string
		}{
			{d.Kpt != nil, "kpt", "list the manifests under manifests.rawYaml"},
			{d.CloudRun != nil, "cloudrun", "deploy with gcloud, or to a Kubernetes cluster"},
		} {
			if f.there {
				faults = append(faults, c.Fault("deploy."+f.key+" is not supported yet", f.hint, "deploy", f.key))
			}
		}
	}
	return faults.Err()
}
