package config

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// kubeKeys gives the keys of Kubernetes blocks their usual spelling. Skaffold reads some of them only in lower case and
// with Go's embedded structs as blocks of their own; files with either spelling work here.
func (d *document) kubeKeys() {
	spelling := map[string]string{}
	for _, key := range strings.Fields(`mountPath readOnly subPath subPathExpr mountPropagation configMap emptyDir hostPath
		secretName defaultMode persistentVolumeClaim claimName sizeLimit downwardAPI tolerationSeconds valueFrom
		secretKeyRef configMapKeyRef fieldRef resourceFieldRef fieldPath apiVersion containerName serviceAccountToken
		expirationSeconds`) {
		spelling[strings.ToLower(key)] = key
	}
	for _, p := range (&upgrade{doc: d}).pipelines() {
		for _, path := range []string{"build.cluster.volumes[]", "build.cluster.tolerations[]", "build.artifacts[].kaniko.volumeMounts[]", "build.artifacts[].kaniko.env[]"} {
			for _, n := range find(p.node, path) {
				respell(n, spelling)
			}
		}
	}
}

func respell(n *yaml.Node, spelling map[string]string) {
	if n.Kind == yaml.MappingNode {
		for _, embedded := range []string{"volumesource", "localobjectreference"} {
			if inner := get(n, embedded); inner != nil && inner.Kind == yaml.MappingNode {
				cut(n, embedded)
				n.Content = append(n.Content, inner.Content...)
			}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if usual := spelling[n.Content[i].Value]; usual != "" && get(n, usual) == nil {
				n.Content[i].Value = usual
			}
		}
	}
	for _, m := range n.Content {
		respell(m, spelling)
	}
}
