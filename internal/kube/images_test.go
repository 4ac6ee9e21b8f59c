package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/kube"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

func pod(namespace, image string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pod-" + image},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
	}
}

func withInit(p *corev1.Pod, image string) *corev1.Pod {
	p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: "init", Image: image})
	return p
}

func withEphemeral(p *corev1.Pod, image string) *corev1.Pod {
	p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers,
		corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: image}})
	return p
}

func TestListImages(t *testing.T) {
	for _, tt := range []struct {
		name      string
		pods      []runtime.Object
		namespace string
		want      []string
	}{
		{"no pods", nil, "", nil},
		{"all namespaces", []runtime.Object{pod("a", "web"), pod("b", "db")}, "", []string{"db", "web"}},
		{"filter by namespace", []runtime.Object{pod("a", "web"), pod("b", "db")}, "a", []string{"web"}},
		{"wrong namespace", []runtime.Object{pod("a", "web")}, "c", nil},
		{"an image that runs twice is listed once", []runtime.Object{pod("a", "web"), pod("b", "web")}, "", []string{"web"}},
		{"init containers count", []runtime.Object{withInit(pod("a", "web"), "migrate")}, "a", []string{"migrate", "web"}},
		{"ephemeral containers count", []runtime.Object{withEphemeral(pod("a", "web"), "busybox")}, "a", []string{"busybox", "web"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := kube.ListImages(t.Context(), fake.NewClientset(tt.pods...).CoreV1(), tt.namespace)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ListImages (-want +got):\n%s", diff)
			}
		})
	}
}
