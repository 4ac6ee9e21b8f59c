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
		want     string // the builder's name, or what the refusal says
		refused  bool
	}{
		{config.Artifact{Docker: docker}, "docker", false},
		{config.Artifact{Docker: docker, Config: &config.Config{}}, "docker", false},
		{config.Artifact{Ko: &config.KoArtifact{}}, "ko", false},
		{config.Artifact{Docker: docker, Config: cloud}, `image "web" is to be built by Google Cloud Build`, true},
		{config.Artifact{Docker: docker, Config: cluster}, `image "web": the builder "cluster" is not yet supported`, true},
		{config.Artifact{Kaniko: &config.KanikoArtifact{}, Config: cluster}, "kaniko", false},
		{config.Artifact{Custom: &config.CustomArtifact{}}, "custom", false},
		{config.Artifact{Custom: &config.CustomArtifact{}, Config: cluster}, "custom", false},
		{config.Artifact{Jib: &config.JibArtifact{}}, "jib", false},
		{config.Artifact{Bazel: &config.BazelArtifact{}}, "bazel", false},
		{config.Artifact{Buildpacks: &config.BuildpacksArtifact{}}, "buildpacks", false},
	} {
		t.Run(tt.want, func(t *testing.T) {
			tt.artifact.Image = "web"
			b, err := Builders(Options{})(&tt.artifact)
			if !tt.refused {
				if err != nil || b.Name() != tt.want {
					t.Errorf("%v, %v", b, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || diag.Kind(err) != diag.CodeBuild && diag.Kind(err) != diag.CodeConfig {
				t.Errorf("error %v", err)
			}
		})
	}
}
