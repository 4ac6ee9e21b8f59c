package all_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/render/all"
)

func TestSourcesRefusesWhatItCannotRender(t *testing.T) {
	for _, tt := range []struct {
		name      string
		manifests config.Manifests
		sources   int
		want      []string
	}{
		{"nothing", config.Manifests{}, 0, nil},
		{"manifests", config.Manifests{RawYaml: []string{"k8s/*.yaml"}}, 1, nil},
		{"kustomizations", config.Manifests{Kustomize: &config.Kustomize{Paths: []string{"."}}}, 1, nil},
		{"no kustomization is named", config.Manifests{Kustomize: &config.Kustomize{}}, 0, nil},
		{"charts", config.Manifests{Helm: &config.HelmRender{Releases: []*config.HelmRelease{{Name: "web", ChartPath: "chart"}}}}, 1, nil},
		{"others", config.Manifests{Kpt: []string{"x"}},
			0, []string{"skaffold.yaml: manifests.kpt is not supported yet"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &config.Config{File: "skaffold.yaml", Dir: t.TempDir()}
			c.Manifests = tt.manifests
			sources, err := all.Sources(&config.Project{Configs: []*config.Config{c}}, all.Options{})
			var got []string
			for _, e := range diag.All(err) {
				got = append(got, e.Error())
				if e.Hint == "" || e.Code != diag.CodeConfig {
					t.Errorf("fault %+v", e)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(sources) != tt.sources {
				t.Errorf("%d sources, faults (-want +got):\n%s", len(sources), diff)
			}
		})
	}
}
