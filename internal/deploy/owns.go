package deploy

import (
	"encoding/json"
	"reflect"

	"github.com/skiff-dev/skiff/internal/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// owns is true when every field that we would send is still ours on the server. A field that somebody edits stops being
// ours in that moment, so comparing values, which the server may have rewritten ("1000m" as "1"), is not needed.
func owns(live *unstructured.Unstructured, want *kube.Object) bool {
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != kube.FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var set map[string]any
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set) != nil {
			return false
		}
		for k, v := range want.Object {
			if k == "apiVersion" || k == "kind" {
				continue
			}
			if k == "metadata" {
				v = withoutName(v)
			}
			if !holds(set["f:"+k], v) {
				return false
			}
		}
		return true
	}
	return false
}

// withoutName leaves out what the server tracks for nobody.
func withoutName(v any) any {
	metadata, ok := v.(map[string]any)
	if !ok {
		return v
	}
	rest := make(map[string]any, len(metadata))
	for k, v := range metadata {
		if k != "name" && k != "namespace" {
			rest[k] = v
		}
	}
	return rest
}

// holds says whether a node of FieldsV1 covers a value. A node without children owns all below it.
func holds(node, value any) bool {
	children, ok := node.(map[string]any)
	if !ok {
		return empty(value)
	}
	switch value := value.(type) {
	case map[string]any:
		return holdsMap(children, value)
	case []any:
		return holdsList(children, value)
	}
	return true
}

// empty is true for what leaves no trace among the managed fields.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func holdsMap(children, value map[string]any) bool {
	if len(children) == 0 {
		return true
	}
	for k, v := range value {
		if !holds(children["f:"+k], v) {
			return false
		}
	}
	return true
}

// holdsList looks for each item among the children: "k:{…}" names one by its keys, "v:…" by its value. The keys that an
// item does not write were filled in by the server.
func holdsList(children map[string]any, list []any) bool {
	if len(children) == 0 {
		return true
	}
	for _, item := range list {
		found := false
		for name, child := range children {
			if len(name) > 2 && matches(name, item) && (name[0] == 'v' || holds(child, item)) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func matches(name string, item any) bool {
	var key any
	if json.Unmarshal([]byte(name[2:]), &key) != nil {
		return false
	}
	if name[0] == 'v' {
		return same(key, item)
	}
	keys, ok := key.(map[string]any)
	m, isMap := item.(map[string]any)
	if !ok || !isMap {
		return false
	}
	for k, v := range keys {
		if have, ok := m[k]; ok && !same(v, have) {
			return false
		}
	}
	return true
}

// same compares what JSON made of two values: one has float64 where the other has int64.
func same(a, b any) bool {
	if i, ok := b.(int64); ok {
		b = float64(i)
	}
	return reflect.DeepEqual(a, b)
}
