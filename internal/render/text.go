package render

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/skiff-dev/skiff/internal/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

var between = regexp.MustCompile(`(?m)^---(?:[ \t].*)?$`)

// Text puts images and labels into manifests that stay text, as a post-renderer of helm does: a document in which nothing
// changes keeps its bytes, and one that is no object is none of our business.
func (r *Rules) Text(manifests []byte, images, labels map[string]string) ([]byte, error) {
	var out bytes.Buffer
	for i, doc := range between.Split(string(manifests), -1) {
		if i > 0 {
			out.WriteString("---")
		}
		changed, err := r.document([]byte(doc), images, labels)
		if err != nil {
			return nil, err
		}
		out.Write(changed)
	}
	return out.Bytes(), nil
}

func (r *Rules) document(doc []byte, images, labels map[string]string) ([]byte, error) {
	data, err := yaml.YAMLToJSON(doc)
	if err != nil {
		return nil, fmt.Errorf("read a manifest: %w", err)
	}
	var content map[string]any
	if utiljson.Unmarshal(data, &content) != nil || content["kind"] == nil {
		return doc, nil
	}
	before, err := yaml.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("write a manifest: %w", err)
	}
	objects := []*kube.Object{{Unstructured: unstructured.Unstructured{Object: content}}}
	r.Images(objects, images)
	r.Labels(objects, labels)
	after, err := yaml.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("write a manifest: %w", err)
	}
	if bytes.Equal(before, after) {
		return doc, nil
	}
	return append([]byte("\n"), after...), nil
}
