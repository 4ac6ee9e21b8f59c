package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
)

// A page keeps the server's answer small on clusters with many thousands of pods.
const pageSize = 500

// ListImages is the images of all containers in a namespace, init and ephemeral ones too, sorted, each once.
// An empty namespace means all of them.
func ListImages(ctx context.Context, client typed.CoreV1Interface, namespace string) ([]string, error) {
	images := map[string]bool{}
	for page := (metav1.ListOptions{Limit: pageSize}); ; {
		pods, err := client.Pods(namespace).List(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("list pods: %w", err)
		}
		for i := range pods.Items {
			addImages(images, &pods.Items[i].Spec)
		}
		if page.Continue = pods.Continue; page.Continue == "" {
			return slices.Sorted(maps.Keys(images)), nil
		}
	}
}

func addImages(images map[string]bool, spec *corev1.PodSpec) {
	for _, c := range spec.InitContainers {
		images[c.Image] = true
	}
	for _, c := range spec.Containers {
		images[c.Image] = true
	}
	for _, c := range spec.EphemeralContainers {
		images[c.Image] = true
	}
	delete(images, "")
}
