package config

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestEveryDefault loads what a user wrote and looks at one value that the user did not write.
func TestEveryDefault(t *testing.T) {
	const kaniko, cloud = "build: {cluster: {}, artifacts: [{image: web, kaniko: {cache: {}}}]}", "build: {googleCloudBuild: {}}"
	for _, tt := range []struct{ text, path, want string }{
		{"", "build.local", "{}"},
		{cloud, "build.local", ""},
		{"", "build.tagPolicy.gitCommit", "{}"},
		{"build: {tagPolicy: {sha256: {}}}", "build.tagPolicy.gitCommit", ""},
		{"", "deploy.logs.prefix", "container"},
		{"deploy: {helm: {releases: [{name: a}]}}", "deploy.helm.concurrency", "1"},
		{"deploy: {helm: {concurrency: 0, releases: [{name: a}]}}", "deploy.helm.concurrency", "0"},
		{"manifests: {helm: {releases: [{name: a}]}}", "manifests.helm.concurrency", ""},
		{art + "}]}", "build.artifacts.0.context", "/p"},
		{art + "sync: {}}]}", "build.artifacts.0.sync.infer.0", "**/*"},
		{art + "jib: {}, sync: {}}]}", "build.artifacts.0.sync.auto", "true"},
		{art + "buildpacks: {}, sync: {}}]}", "build.artifacts.0.sync.auto", "true"},
		{art + "buildpacks: {}}]}", "build.artifacts.0.sync.auto", "true"},
		{art + "}]}", "build.artifacts.0.sync", ""},
		{art + "sync: {auto: false}}]}", "build.artifacts.0.sync.infer", ""},
		{"build: {cluster: {}, artifacts: [{image: web}]}", "build.artifacts.0.kaniko.dockerfile", "Dockerfile"},
		{"build: {cluster: {}, artifacts: [{image: web}]}", "build.artifacts.0.docker", ""},
		{"build: {cluster: {}, artifacts: [{image: web, docker: {}}]}", "build.artifacts.0.kaniko", "{}"},
		{"build: {cluster: {}, artifacts: [{image: web, custom: {}}]}", "build.artifacts.0.kaniko", ""},
		{"build: {cluster: {}, artifacts: [{image: web, buildpacks: {}}]}", "build.artifacts.0.kaniko", ""},
		{art + "}]}", "build.artifacts.0.docker.dockerfile", "Dockerfile"},
		{kaniko, "build.artifacts.0.kaniko.image", "gcr.io/kaniko-project/executor:latest"},
		{kaniko, "build.artifacts.0.kaniko.dockerfile", "Dockerfile"},
		{kaniko, "build.artifacts.0.kaniko.initImage", "gcr.io/k8s-skaffold/skaffold-helpers/busybox"},
		{kaniko, "build.artifacts.0.kaniko.digestFile", "/dev/termination-log"},
		{kaniko, "build.artifacts.0.kaniko.copyMaxRetries", "3"},
		{kaniko, "build.artifacts.0.kaniko.copyTimeout", "5m"},
		{kaniko, "build.artifacts.0.kaniko.buildContextCompressionLevel", "1"},
		{kaniko, "build.artifacts.0.kaniko.cache.cacheRunLayers", "true"},
		{art + "custom: {}}]}", "build.artifacts.0.custom.dependencies.paths.0", "."},
		{art + "custom: {dependencies: {}}}]}", "build.artifacts.0.custom.dependencies.paths", ""},
		{art + "buildpacks: {}}]}", "build.artifacts.0.buildpacks.projectDescriptor", "project.toml"},
		{art + "buildpacks: {}}]}", "build.artifacts.0.buildpacks.dependencies.paths.0", "."},
		{art + "buildpacks: {}}]}", "build.artifacts.0.buildpacks.builder", "gcr.io/buildpacks/builder:v1"},
		{art + "buildpacks: {}}]}", "build.artifacts.0.buildpacks.trustBuilder", "true"},
		{art + "buildpacks: {buildpacks: [a]}}]}", "build.artifacts.0.buildpacks.builder", ""},
		{art + "requires: [{image: a/b}]}]}", "build.artifacts.0.requires.0.alias", "a/b"},
		{art + "}]}", "build.local.concurrency", "1"},
		{"", "build.local.concurrency", ""},
		{cloud, "build.googleCloudBuild.dockerImage", "gcr.io/cloud-builders/docker"},
		{cloud, "build.googleCloudBuild.mavenImage", "gcr.io/cloud-builders/mvn"},
		{cloud, "build.googleCloudBuild.gradleImage", "gcr.io/cloud-builders/gradle"},
		{cloud, "build.googleCloudBuild.kanikoImage", "gcr.io/kaniko-project/executor:latest"},
		{cloud, "build.googleCloudBuild.packImage", "gcr.io/k8s-skaffold/pack"},
		{cloud, "build.googleCloudBuild.koImage", "gcr.io/k8s-skaffold/skaffold"},
		{kaniko, "build.cluster.namespace", "of-the-context"},
		{kaniko, "build.cluster.timeout", "20m"},
		{kaniko, "build.cluster.pullSecretMountPath", "/secret"},
		{kaniko, "build.cluster.pullSecretName", ""},
		{"build: {cluster: {pullSecretPath: ~/k}}", "build.cluster.pullSecretName", "kaniko-secret"},
		{"build: {cluster: {pullSecretPath: ~/k}}", "build.cluster.pullSecretPath", "/home/u/k"},
		{"build: {cluster: {dockerConfig: {path: ~/d}}}", "build.cluster.dockerConfig.secretName", "docker-cfg"},
		{"build: {cluster: {dockerConfig: {path: ~/d}}}", "build.cluster.dockerConfig.path", "/home/u/d"},
		{"portForward: [{resourceType: pod, port: 80}]", "portForward.0.localPort", "80"},
		{"portForward: [{resourceType: pod, port: web}]", "portForward.0.localPort", ""},
		{"portForward: [{resourceType: pod, port: 80}]", "portForward.0.address", "127.0.0.1"},
		{"test: [{image: a}]", "test.0.context", "/p"},
	} {
		p, err := Load(context.Background(), Options{
			File: "-", Dir: "/p", Command: "diagnose", Stdin: strings.NewReader("apiVersion: skaffold/v4beta14\nkind: Config\n" + tt.text + "\n"),
			KubeNamespace: func() string { return "of-the-context" }, Getenv: func(string) (string, bool) { return "/home/u", true },
		})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		data, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if got := at(data, tt.path); got != tt.want {
			t.Errorf("%s: %s is %q, want %q", tt.text, tt.path, got, tt.want)
		}
	}
}

// at is a value of a document as text: {} for a block, "" for nothing.
func at(data []byte, path string) string {
	var v any
	if yaml.Unmarshal(data, &v) != nil {
		return "no YAML"
	}
	for step := range strings.SplitSeq(path, ".") {
		switch block := v.(type) {
		case map[string]any:
			v = block[step]
		case []any:
			i := 0
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(block) {
				return ""
			}
			v = block[i]
		default:
			return ""
		}
	}
	switch v.(type) {
	case nil:
		return ""
	case map[string]any, []any:
		return "{}"
	}
	return fmt.Sprint(v)
}

// TestProfilesAreChosenAndOrdered has a case for each statement about which profiles count.
func TestProfilesAreChosenAndOrdered(t *testing.T) {
	const file = "apiVersion: skaffold/v4beta14\nkind: Config\nprofiles:\n- {name: a, activation: [{env: 'X=^on$'}, {command: dev, kubeContext: '!prod'}], deploy: {kubeContext: ''}, portForward: [{resourceType: pod, resourceName: a}]}\n" +
		"- {name: b, portForward: [{resourceType: pod, resourceName: b}]}\n- {name: e, activation: [{}], requiresAllActivations: true}\n" +
		"- {name: n, requiresAllActivations: true, portForward: [{resourceType: pod, resourceName: n}]}\n- {name: u, activation: [{env: 'UNSET='}, {command: zz}], requiresAllActivations: true, portForward: [{resourceType: pod, resourceName: u}]}\n"
	for _, tt := range []struct {
		name, x, command, context string
		given                     []string
		off                       bool
		want                      string
	}{
		{name: "nothing holds", command: "run", want: ""},
		{name: "one of two items is enough", x: "on", command: "run", want: "a"},
		{name: "an anchored pattern", x: "only", command: "run", want: ""},
		{name: "all criteria of an item hold, with a negation", command: "dev", context: "kind", want: "a"},
		{name: "the negation fails", command: "dev", context: "my-prod-1", want: ""},
		{name: "a command is a pattern without anchors", command: "my-dev", context: "kind", want: "a"},
		{name: "the command line comes after what activates itself", x: "on", command: "run", given: []string{"b"}, want: "b"},
		{name: "a name that is on already keeps its place", x: "on", command: "run", given: []string{"b", "a"}, want: "b"},
		{name: "switched off", x: "on", command: "run", given: []string{"-a"}, want: ""},
		{name: "on and off again", command: "run", given: []string{"b", "-b"}, want: ""},
		{name: "off and on again", command: "run", given: []string{"-b", "b"}, want: "b"},
		{name: "no activation by itself", x: "on", command: "dev", off: true, want: ""},
		{name: "all have to hold", command: "zz", want: "u"},
	} {
		p, err := Load(context.Background(), Options{
			File: "-", Dir: "/p", Stdin: strings.NewReader(file), Command: tt.command, Profiles: tt.given, ProfileAutoActivation: !tt.off,
			KubeContext: func() string { return tt.context }, Getenv: func(key string) (string, bool) { return tt.x, key == "X" },
		})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := ""
		if forwards := p.Configs[0].PortForward; len(forwards) > 0 {
			got = forwards[0].ResourceName
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
