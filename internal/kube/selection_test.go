package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/kube"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const deployed = `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: a}, spec: {selector: {matchLabels: {app: web}}, template: {spec: {initContainers: [{name: init, image: busybox}], containers: [{name: main, image: "reg/web:2@sha256:b"}, {name: proxy, image: envoy}]}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: solo, namespace: a}, spec: {containers: [{name: main, image: "reg/solo:1"}]}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: {template: {spec: {containers: [{name: main, image: "reg/web:2@sha256:b"}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly, namespace: a}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: main, image: cron}]}}}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: elsewhere}, spec: {selector: {app: web}}}
`

func TestSelection(t *testing.T) {
	s := kube.NewSelection(read(t, deployed), map[string]string{"reg/web:2@sha256:b": "web", "reg/solo:1": "solo"})
	run := func(namespace, name string, labels map[string]string, images ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
		for i, image := range images {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: []string{"main", "proxy", "injected"}[i], Image: image})
		}
		return p
	}
	app := map[string]string{"app": "web"}
	for _, tt := range []struct {
		name string
		pod  *corev1.Pod
		want []kube.Member
	}{
		{"a pod of the newest rollout", withInit(run("a", "web-1", app, "reg/web:2@sha256:b", "envoy"), "busybox"), []kube.Member{
			{Container: "init", Init: true, Image: "busybox", Current: true},
			{Container: "main", Artifact: "web", Image: "reg/web:2@sha256:b", Current: true}, {Container: "proxy", Image: "envoy", Current: true}}},
		{"a pod of an earlier rollout", run("a", "web-0", app, "reg/web:1@sha256:a", "envoy"), []kube.Member{
			{Container: "main", Artifact: "web", Image: "reg/web:1@sha256:a"}, {Container: "proxy", Image: "envoy", Current: true}}},
		{"a container that the cluster put in", run("a", "web-1", app, "reg/web:2@sha256:b", "envoy", "mesh"), []kube.Member{
			{Container: "main", Artifact: "web", Image: "reg/web:2@sha256:b", Current: true}, {Container: "proxy", Image: "envoy", Current: true},
			{Container: "injected", Image: "mesh", Current: true}}},
		{"the same labels in another namespace", run("b", "web-1", app, "other"), nil},
		{"a bare pod by its name", run("a", "solo", nil, "reg/solo:1"), []kube.Member{{Container: "main", Artifact: "solo", Image: "reg/solo:1", Current: true}}},
		{"a bare pod that still has another image", run("a", "solo", nil, "reg/solo:0"), []kube.Member{{Container: "main", Artifact: "solo", Image: "reg/solo:0"}}},
		{"a pod of a Job, wherever it is", run("b", "migrate-x", map[string]string{"batch.kubernetes.io/job-name": "migrate"}, "reg/web:2@sha256:b"),
			[]kube.Member{{Container: "main", Artifact: "web", Image: "reg/web:2@sha256:b", Current: true}}},
		{"a pod of a CronJob", run("a", "nightly-123-x", map[string]string{"job-name": "nightly-123"}, "cron"), []kube.Member{{Container: "main", Image: "cron", Current: true}}},
		{"a Job that is only called alike", run("a", "nightly-copy-x", map[string]string{"job-name": "nightly-copy"}, "cron"), nil},
		{"a pod that runs an image which was built here", run("z", "any", nil, "reg/solo:1"), []kube.Member{{Container: "main", Artifact: "solo", Image: "reg/solo:1", Current: true}}},
		{"a stranger", run("a", "other", map[string]string{"app": "other"}, "reg/web:1"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, s.Members(tt.pod)); diff != "" {
				t.Errorf("Members (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"", "a"}, s.Namespaces()); diff != "" {
		t.Errorf("Namespaces (-want +got):\n%s", diff)
	}
}

func TestRepository(t *testing.T) {
	for ref, want := range map[string]string{
		"web": "web", "web:1": "web", "reg:5000/web": "reg:5000/web", "reg:5000/web:1@sha256:a": "reg:5000/web", "web@sha256:a": "web",
	} {
		if got := kube.Repository(ref); got != want {
			t.Errorf("Repository(%q) = %q, want %q", ref, got, want)
		}
	}
}
