package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/kube"
)

func artifact(k config.KanikoArtifact, c config.ClusterBuild) *config.Artifact {
	module := &config.Config{}
	module.Build.Cluster = &c
	return &config.Artifact{Image: "web", Context: "/src", Kaniko: &k, Config: module}
}

func TestWhatBuildKitCannotDoIsRefusedBeforehand(t *testing.T) {
	b := New(Options{Kube: &kube.Cluster{}})
	for _, tt := range []struct {
		name, want string
		kaniko     config.KanikoArtifact
		cluster    config.ClusterBuild
	}{
		{name: "the archived image, which the loader fills in", kaniko: config.KanikoArtifact{Image: archived}},
		{name: "an image of BuildKit", kaniko: config.KanikoArtifact{Image: "reg:5000/mirror/buildkit:v0.33-rootless"}},
		{name: "kaniko by name", kaniko: config.KanikoArtifact{Image: "gcr.io/kaniko-project/executor:v1.24.0"}, want: "is no BuildKit"},
		{name: "a tar file", kaniko: config.KanikoArtifact{TarPath: "/x"}, want: "kaniko.tarPath means nothing"},
		{name: "a secret of the cluster", cluster: config.ClusterBuild{DockerConfig: &config.DockerConfig{SecretName: "s"}}, want: "dockerConfig without a path"},
		{name: "a faulty time", cluster: config.ClusterBuild{Timeout: "soon"}, want: "build.cluster.timeout"},
	} {
		err := b.Check(artifact(tt.kaniko, tt.cluster))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := New(Options{}).Check(artifact(config.KanikoArtifact{}, config.ClusterBuild{})); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("without a cluster: %v", err)
	}
}

func TestTheFieldsReachThePod(t *testing.T) {
	user := 7
	c := config.ClusterBuild{
		Namespace: "builds", Timeout: "3m", ServiceAccount: "sa", NodeSelector: map[string]string{"disk": "ssd"}, Annotations: map[string]string{"a": "b"},
		Labels: map[string]string{"team": "x"}, RunAsUser: &user, HTTPProxy: "http://proxy", Tolerations: []map[string]any{{"key": "k", "operator": "Exists"}},
		Volumes:   []map[string]any{{"name": "v", "emptyDir": map[string]any{}}},
		Resources: &config.Resources{Requests: &config.ResourceAmounts{CPU: "500m"}, Limits: &config.ResourceAmounts{Memory: "1Gi"}},
	}
	k := config.KanikoArtifact{
		Image: archived, ImagePullSecret: "pull", InsecureRegistry: []string{"a:1"}, SkipTLSVerifyRegistry: []string{"b:2"}, RegistryMirror: "mirror",
		Env: []map[string]any{{"name": "X", "value": "y"}}, VolumeMounts: []map[string]any{{"name": "v", "mountPath": "/v"}},
	}
	p, err := spec(&c, &k)
	if err != nil {
		t.Fatal(err)
	}
	box := p.Spec.Containers[0]
	got := map[string]any{
		"image": box.Image, "namespace": p.Namespace, "sa": p.Spec.ServiceAccountName, "node": p.Spec.NodeSelector["disk"], "label": p.Labels["team"], "note": p.Annotations["a"],
		"user": *box.SecurityContext.RunAsUser, "privileged": box.SecurityContext.Privileged != nil, "deadline": *p.Spec.ActiveDeadlineSeconds, "pull": p.Spec.ImagePullSecrets[0].Name,
		"toleration": p.Spec.Tolerations[0].Key, "volume": p.Spec.Volumes[0].Name, "mount": box.VolumeMounts[0].MountPath,
		"cpu": box.Resources.Requests.Cpu().String(), "memory": box.Resources.Limits.Memory().String(), "rootless": strings.Contains(box.Command[2], "rootlesskit"),
	}
	want := map[string]any{
		"image": DefaultImage, "namespace": "builds", "sa": "sa", "node": "ssd", "label": "x", "note": "b", "user": int64(7), "privileged": false, "deadline": int64(240), "pull": "pull",
		"toleration": "k", "volume": "v", "mount": "/v", "cpu": "500m", "memory": "1Gi", "rootless": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
	env := map[string]string{}
	for _, e := range box.Env {
		env[e.Name] = e.Value
	}
	const toml = "[registry.\"a:1\"]\nhttp = true\n[registry.\"b:2\"]\ninsecure = true\n[registry.\"docker.io\"]\nmirrors = [\"mirror\"]\n"
	if diff := cmp.Diff(map[string]string{"HTTP_PROXY": "http://proxy", "X": "y", "BUILDKIT_HOST": socket, "SKIFF_BUILDKITD": toml}, env); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	k.Image = "reg/buildkit:v1"
	if p, err = spec(&c, &k); err != nil || !*p.Spec.Containers[0].SecurityContext.Privileged {
		t.Errorf("an image that is not rootless: %v", err)
	}
	c.Resources.Limits.Memory = "much"
	if _, err = spec(&c, &k); err == nil || !strings.Contains(err.Error(), `resources.limits: memory "much"`) {
		t.Errorf("a faulty amount: %v", err)
	}
}

func TestAPodIsJudged(t *testing.T) {
	state := func(s corev1.ContainerState) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Image: "i", State: s}}}}
	}
	for _, tt := range []struct {
		name, waits, failed string
		pod                 *corev1.Pod
	}{
		{name: "an image that is not there", failed: "the image i cannot be pulled: no such", pod: state(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such"}})},
		{name: "it is created", pod: state(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}})},
		{name: "out of memory", failed: "ran out of memory", pod: state(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}})},
		{name: "ended", failed: "ended with exit code 1: Error", pod: state(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1}})},
		{name: "no node", waits: "no node takes the build pod yet: 0/1 nodes", pod: &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes"},
		}}}},
		{name: "evicted", failed: "low on disk", pod: &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, Message: "low on disk"}}},
	} {
		waits, failed := judge(tt.pod)
		if waits != tt.waits || (failed == nil) != (tt.failed == "") || failed != nil && !strings.Contains(failed.Error(), tt.failed) {
			t.Errorf("%s: %q, %v", tt.name, waits, failed)
		}
	}
}

func TestKanikoIsReadAsADockerfile(t *testing.T) {
	one := "1"
	a := artifact(config.KanikoArtifact{
		Dockerfile: "D", Target: "t", ContextSubPath: "sub", BuildArgs: map[string]*string{"A": &one}, Cache: &config.KanikoCache{Repo: "reg/cache"},
		Destination: []string{"reg/other:1"}, Label: map[string]*string{"l": &one}, Insecure: true,
	}, config.ClusterBuild{})
	d := asDocker(a)
	want := config.DockerArtifact{Dockerfile: "D", Target: "t", BuildArgs: map[string]*string{"A": &one}, CacheFrom: []string{"type=registry,ref=reg/cache"}}
	if diff := cmp.Diff(want, *d.Docker); diff != "" || d.Context != "/src/sub" || d.Kaniko != nil || a.Kaniko == nil {
		t.Errorf("%+v (-want +got):\n%s", d, diff)
	}
	p := &pod{artifact: a.Kaniko}
	o, to := p.adjust(engine.BuildOptions{Tags: []string{"reg/web:1"}}), p.output(engine.Output{Push: true})
	if diff := cmp.Diff([]string{"reg/web:1", "reg/other:1"}, o.Tags); diff != "" || o.Labels["l"] != "1" || !to.Insecure {
		t.Errorf("%+v %+v %s", o, to, diff)
	}
	if diff := cmp.Diff([]string{"type=registry,mode=max,ref=reg/cache"}, to.CacheTo); diff != "" {
		t.Error(diff)
	}
}
