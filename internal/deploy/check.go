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
			there      bool
			what, hint string
		}{
			{d.Docker != nil, "deploy.docker", "write manifests, and list them under manifests.rawYaml"},
			{d.Helm != nil && len(d.Helm.Releases) > 0, "deploy.helm", `run "helm template" into a file, and list the file under manifests.rawYaml`},
			{d.Kpt != nil, "deploy.kpt", "list the manifests under manifests.rawYaml"},
			{d.CloudRun != nil, "deploy.cloudrun", "deploy with gcloud, or to a Kubernetes cluster"},
		} {
			if f.there {
				faults = append(faults, &diag.Error{
					Pos: diag.Pos{File: c.File}, What: f.what + " is not supported yet", Hint: f.hint, Code: diag.CodeConfig,
				})
			}
		}
	}
	return faults.Err()
}
