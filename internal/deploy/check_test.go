package deploy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/diag"
)

func TestCheckRefusesWhatCannotBeDeployed(t *testing.T) {
	c := &config.Config{File: "skaffold.yaml"}
	c.Deploy.Kubectl = &config.KubectlDeploy{}
	project := &config.Project{Configs: []*config.Config{c}}
	if err := deploy.Check(project); err != nil {
		t.Errorf("kubectl: %v", err)
	}
	c.Deploy.Kpt, c.Deploy.CloudRun = &config.KptDeploy{}, &config.CloudRunDeploy{}
	var got []string
	for _, e := range diag.All(deploy.Check(project)) {
		got = append(got, e.Error())
	}
	want := []string{
		"skaffold.yaml: deploy.kpt is not supported yet", "skaffold.yaml: deploy.cloudrun is not supported yet",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Check (-want +got):\n%s", diff)
	}
}
