//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

func TestADefinitionIsServedBeforeItsObjectWhichGetsTheImage(t *testing.T) {
	t.Parallel()
	p := box(t)
	group := p.namespace + ".example.com" // definitions are the whole cluster's
	p.write("k8s/definition.yaml", strings.ReplaceAll(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Boat, plural: boats, singular: boat}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`, "GROUP", group))
	p.write("k8s/a-boat.yaml", strings.ReplaceAll("apiVersion: GROUP/v1\nkind: Boat\nmetadata: {name: one}\nspec: {engine: {image: box}}\n", "GROUP", group))
	p.write("skaffold.yaml", p.read("skaffold.yaml")+"resourceSelector: {allow: [{groupKind: Boat."+group+", image: [.spec.engine.image]}]}\n")
	client, err := dynamic.NewForConfig(world.cluster.config)
	if err != nil {
		t.Fatal(err)
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	t.Cleanup(func() {
		// The test's own context is over by now; a definition that is gone already is as wanted.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = definitions.Delete(ctx, "boats."+group, metav1.DeleteOptions{})
	})
	p.must("run")
	boat, err := client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: "boats"}).Namespace(p.namespace).Get(t.Context(), "one", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	image, _, _ := unstructured.NestedString(boat.Object, "spec", "engine", "image")
	if pod := p.pod("web"); image == "box" || image != pod.Spec.Containers[0].Image {
		t.Errorf("the boat has the image %q, the pod %q", image, pod.Spec.Containers[0].Image)
	}
	if again := p.must("run"); !strings.Contains(again.stdout, "Boat/one unchanged") {
		t.Error("the boat is not as it was")
	}
	p.must("delete")
	if _, err := definitions.Get(t.Context(), "boats."+group, metav1.GetOptions{}); err == nil {
		until(t, "the definition that skiff made is gone", func() bool {
			_, err := definitions.Get(t.Context(), "boats."+group, metav1.GetOptions{})
			return err != nil
		})
	}
}
