package render

import (
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Rules say which kinds of objects may be changed, and where in them. Paths are written as the project file has them:
// ".spec.template.metadata.labels", list indexes left out, ".*" for anywhere.
type Rules struct{ kinds map[schema.GroupKind]rule }

type rule struct {
	images    []string
	labels    []string
	notLabels []string // paths that ".*" in labels does not mean
}

const (
	anywhere = ".*"
	cnrm     = ".cnrm.cloud.google.com" // every kind of Config Connector
)

// NewRules are the built-in kinds, then all that the selectors allow, then without all that they deny.
func NewRules(selectors ...*config.ResourceSelector) *Rules {
	r := &Rules{kinds: map[schema.GroupKind]rule{}}
	for group, kinds := range builtin {
		for _, kind := range kinds {
			r.kinds[schema.GroupKind{Group: group, Kind: kind}] = rule{images: []string{anywhere}, labels: []string{anywhere}}
		}
	}
	for gk, images := range fixed {
		r.kinds[gk] = rule{images: images, labels: []string{anywhere}}
	}
	r.refuse("apps", "StatefulSet", ".spec.volumeClaimTemplates.metadata.labels")
	r.refuse("batch", "Job", ".spec.template.metadata.labels")
	for _, s := range selectors {
		for _, f := range s.Allow {
			r.kinds[groupKind(f.GroupKind)] = rule{images: cleaned(f.Image), labels: cleaned(f.Labels)}
		}
	}
	for _, s := range selectors {
		for _, f := range s.Deny {
			delete(r.kinds, groupKind(f.GroupKind))
		}
	}
	return r
}

// ParseRules reads a file of rules, with allow and deny as under resourceSelector of the project file.
func ParseRules(file string, data []byte) (*config.ResourceSelector, error) {
	var r config.ResourceSelector
	if err := yaml.UnmarshalStrict(data, &r); err != nil {
		e := diag.Errorf("write allow and deny, each a list of groupKind with image and labels", "%w", err)
		e.Pos.File, e.Code = file, diag.CodeConfig
		return nil, e
	}
	return &r, nil
}

var builtin = map[string][]string{
	"":                    {"Pod", "Service"},
	"apps":                {"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"},
	"extensions":          {"DaemonSet", "Deployment", "ReplicaSet"},
	"batch":               {"CronJob", "Job"},
	"serving.knative.dev": {"Service"},
	"agones.dev":          {"Fleet", "GameServer"},
	"argoproj.io":         {"Rollout", "Workflow", "CronWorkflow", "WorkflowTemplate", "ClusterWorkflowTemplate"},
	"run.googleapis.com":  {"Job", "WorkerPool"},
}

var confluentImages = []string{".spec.image.application", ".spec.image.init"}

var fixed = map[schema.GroupKind][]string{
	{Group: "platform.confluent.io", Kind: "Connect"}:        confluentImages,
	{Group: "platform.confluent.io", Kind: "ControlCenter"}:  confluentImages,
	{Group: "platform.confluent.io", Kind: "Kafka"}:          confluentImages,
	{Group: "platform.confluent.io", Kind: "KsqlDB"}:         confluentImages,
	{Group: "platform.confluent.io", Kind: "SchemaRegistry"}: confluentImages,
	{Group: "platform.confluent.io", Kind: "Zookeeper"}:      confluentImages,
	{Group: "kafka.strimzi.io", Kind: "KafkaConnect"}:        {".spec.image"},
	{Group: "kafka.strimzi.io", Kind: "Kafka"}: {
		".spec.kafka.image", ".spec.zookeeper.image",
		".spec.entityOperator.topicOperator.image", ".spec.entityOperator.userOperator.image",
	},
}

func (r *Rules) refuse(group, kind, path string) {
	gk := schema.GroupKind{Group: group, Kind: kind}
	one := r.kinds[gk]
	one.notLabels = append(one.notLabels, path)
	r.kinds[gk] = one
}

// groupKind reads "Deployment.apps"; a core kind has no group: "Pod".
func groupKind(s string) schema.GroupKind {
	kind, group, _ := strings.Cut(s, ".")
	return schema.GroupKind{Group: group, Kind: kind}
}

// cleaned takes the list steps of JSON paths out: indexes are not written here.
func cleaned(paths []string) []string {
	var all []string
	for _, p := range paths {
		if p != anywhere {
			p = strings.ReplaceAll(p, anywhere, "")
		}
		all = append(all, p)
	}
	return all
}

// of is the rule for an object; ok is false where nothing may be changed.
func (r *Rules) of(o *kube.Object) (one rule, ok bool) {
	gk := o.GroupVersionKind().GroupKind()
	if one, ok = r.kinds[gk]; ok {
		return one, true
	}
	if strings.HasSuffix(gk.Group, cnrm) {
		return rule{images: []string{anywhere}, labels: []string{".metadata.labels"}}, true
	}
	return rule{}, false
}

// walk calls fn for every mapping in v, with its path.
func walk(v any, path string, fn func(path string, m map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			walk(item, path, fn)
		}
	case map[string]any:
		fn(path, v)
		for k, child := range v {
			walk(child, path+"."+k, fn)
		}
	}
}

func has(paths []string, path string) bool { return slices.Contains(paths, path) }
