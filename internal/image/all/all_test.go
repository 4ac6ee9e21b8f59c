package all

import (
	"strings"
	"testing"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

func TestOnlyWhatThisVersionBuildsIsTaken(t *testing.T) {
	cloud, cluster := &config.Config{}, &config.Config{}
	cloud.Build.GoogleCloudBuild, cluster.Build.Cluster = &config.GoogleCloudBuild{}, &config.ClusterBuild{}
	docker := &config.DockerArtifact{}
	for _, tt := range []struct {
		artifact config.Artifact
		refused  string
	}{
		{config.Artifact{Docker: docker}, ""},
		{config.Artifact{Docker: docker, Config: &config.Config{}}, ""},
		{config.Artifact{Docker: docker, Config: cloud}, "googleCloudBuild"},
		{config.Artifact{Docker: docker, Config: cluster}, "cluster"},
		{config.Artifact{Docker: docker, Kaniko: &config.KanikoArtifact{}}, "kaniko"},
		{config.Artifact{Custom: &config.CustomArtifact{}}, "custom"},
		{config.Artifact{Ko: &config.KoArtifact{}}, "ko"},
		{config.Artifact{Jib: &config.JibArtifact{}}, "jib"},
		{config.Artifact{Bazel: &config.BazelArtifact{}}, "bazel"},
		{config.Artifact{Buildpacks: &config.BuildpacksArtifact{}}, "buildpacks"},
	} {
		t.Run(tt.refused, func(t *testing.T) {
			tt.artifact.Image = "web"
			b, err := Builders(Options{})(&tt.artifact)
			if tt.refused == "" {
				if err != nil || b.Name() != "docker" {
					t.Errorf("%v, %v", b, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), `image "web": the builder "`+tt.refused+`" is not yet supported`) || diag.Kind(err) != diag.CodeBuild {
				t.Errorf("error %v", err)
			}
		})
	}
}
