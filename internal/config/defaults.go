package config

import (
	"crypto/rand"
	"path/filepath"
	"strings"
)

// defaults fills in what Skaffold fills in for every config, whether it stands alone or not.
func (l *loader) defaults(c *Config) {
	b := &c.Build
	if b.Local == nil && b.GoogleCloudBuild == nil && b.Cluster == nil {
		b.Local = &LocalBuild{}
	}
	if b.TagPolicy == (TagPolicy{}) {
		b.TagPolicy.GitCommit = &GitTagger{}
	}
	if b.Local != nil && b.Local.Concurrency == nil && len(b.Artifacts) > 0 {
		b.Local.Concurrency = new(1)
	}
	for _, a := range b.Artifacts {
		defaultArtifact(a, b.Cluster != nil)
	}
	defaultCloudBuild(b.GoogleCloudBuild)
	l.defaultCluster(b.Cluster)
	fill(&c.Deploy.Logs.Prefix, "container")
	if h := c.Deploy.Helm; h != nil && h.Concurrency == nil {
		h.Concurrency = new(1)
	}
	for _, t := range c.Test {
		fill(&t.Context, ".")
	}
	for _, p := range c.PortForward {
		if p.LocalPort == 0 && p.Port.Name == "" {
			p.LocalPort = p.Port.Int
		}
		fill(&p.Address, "127.0.0.1")
	}
}

func fill(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func defaultArtifact(a *Artifact, cluster bool) {
	fill(&a.Context, ".")
	if cluster && a.Custom == nil && a.Buildpacks == nil && a.Kaniko == nil {
		a.Kaniko = &KanikoArtifact{}
	}
	if a.Docker == nil && a.Kaniko == nil && a.Bazel == nil && a.Jib == nil && a.Custom == nil && a.Buildpacks == nil && a.Ko == nil {
		a.Docker = &DockerArtifact{}
	}
	defaultSync(a)
	switch {
	case a.Docker != nil:
		fill(&a.Docker.Dockerfile, "Dockerfile")
	case a.Kaniko != nil:
		defaultKaniko(a.Kaniko)
	case a.Custom != nil && a.Custom.Dependencies == nil:
		a.Custom.Dependencies = &CustomDependencies{Paths: []string{"."}}
	case a.Buildpacks != nil:
		defaultBuildpacks(a.Buildpacks)
	}
	for _, r := range a.Requires {
		fill(&r.Alias, r.Image)
	}
}

func defaultSync(a *Artifact) {
	if a.Sync == nil {
		if a.Buildpacks != nil {
			a.Sync = &Sync{Auto: new(true)}
		}
		return
	}
	if len(a.Sync.Manual) > 0 || len(a.Sync.Infer) > 0 || a.Sync.Auto != nil {
		return
	}
	if a.Jib != nil || a.Buildpacks != nil {
		a.Sync.Auto = new(true)
		return
	}
	a.Sync.Infer = []string{"**/*"}
}

func defaultKaniko(k *KanikoArtifact) {
	fill(&k.Image, "gcr.io/kaniko-project/executor:latest")
	fill(&k.Dockerfile, "Dockerfile")
	fill(&k.InitImage, "gcr.io/k8s-skaffold/skaffold-helpers/busybox")
	fill(&k.DigestFile, "/dev/termination-log")
	fill(&k.CopyTimeout, "5m")
	if k.CopyMaxRetries == nil {
		k.CopyMaxRetries = new(3)
	}
	if k.BuildContextCompressionLevel == nil {
		k.BuildContextCompressionLevel = new(1)
	}
	if k.Cache != nil && k.Cache.CacheRunLayers == nil {
		k.Cache.CacheRunLayers = new(true)
	}
}

func defaultBuildpacks(b *BuildpacksArtifact) {
	fill(&b.ProjectDescriptor, "project.toml")
	if b.Dependencies == nil {
		b.Dependencies = &PathDependencies{Paths: []string{"."}}
	}
	if b.Builder == "" && len(b.Buildpacks) == 0 {
		b.Builder, b.TrustBuilder = "gcr.io/buildpacks/builder:v1", true
	}
}

func defaultCloudBuild(g *GoogleCloudBuild) {
	if g == nil {
		return
	}
	fill(&g.DockerImage, "gcr.io/cloud-builders/docker")
	fill(&g.MavenImage, "gcr.io/cloud-builders/mvn")
	fill(&g.GradleImage, "gcr.io/cloud-builders/gradle")
	fill(&g.KanikoImage, "gcr.io/kaniko-project/executor:latest")
	fill(&g.PackImage, "gcr.io/k8s-skaffold/pack")
	fill(&g.KoImage, "gcr.io/k8s-skaffold/skaffold")
}

func (l *loader) defaultCluster(c *ClusterBuild) {
	if c == nil {
		return
	}
	if c.Namespace == "" && l.options.KubeNamespace != nil {
		c.Namespace = l.options.KubeNamespace()
	}
	fill(&c.Namespace, "default")
	fill(&c.Timeout, "20m")
	fill(&c.PullSecretMountPath, "/secret")
	if c.PullSecretPath != "" {
		c.PullSecretPath = l.home(c.PullSecretPath)
		fill(&c.PullSecretName, "kaniko-secret"+suffix(c.RandomPullSecret))
	}
	if d := c.DockerConfig; d != nil {
		fill(&d.SecretName, "docker-cfg"+suffix(c.RandomDockerConfigSecret))
		d.Path = l.home(d.Path)
	}
}

// suffix is a random ending for a secret that must not meet another one.
func suffix(random bool) string {
	if !random {
		return ""
	}
	return strings.ToLower(rand.Text())
}

func (l *loader) home(path string) string {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest != "" && rest[0] != '/' || l.options.Getenv == nil {
		return path
	}
	home, ok := l.options.Getenv("HOME")
	if !ok || home == "" {
		return path
	}
	return filepath.Join(home, rest)
}

// standAlone gives a config that is the only one its renderer and its deployer, where it names none.
func (c *Config) standAlone() {
	m, d := &c.Manifests, &c.Deploy
	switch {
	case len(m.Kpt) > 0:
		return
	case len(m.RawYaml) > 0:
		if d.Kubectl == nil && d.CloudRun == nil {
			d.Kubectl, c.implied.kubectl = &KubectlDeploy{}, true
		}
		return
	case m.Kustomize != nil || m.Helm != nil || d.Helm != nil || d.Docker != nil || d.CloudRun != nil:
	default:
		m.RawYaml, c.implied.rawYaml = []string{c.path("k8s/*.yaml")}, true
	}
	if d.Kubectl == nil && d.Helm == nil && d.Docker == nil && d.CloudRun == nil && d.Kpt == nil {
		d.Kubectl, c.implied.kubectl = &KubectlDeploy{}, true
	}
}
