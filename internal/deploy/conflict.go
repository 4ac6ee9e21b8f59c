package deploy

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// conflict is a field that another manager has set to another value.
type conflict struct{ field, manager, subresource string }

var conflictText = regexp.MustCompile(`^conflict with "([^"]*)"(?: with subresource "([^"]*)")?`)

// conflictsOf is what an apply without force was refused for; nil when it was refused for something else.
func conflictsOf(err error) []conflict {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var all []conflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		c := conflict{field: cause.Field}
		if m := conflictText.FindStringSubmatch(cause.Message); m != nil {
			c.manager, c.subresource = m[1], m[2]
		}
		all = append(all, c)
	}
	return all
}

const (
	// An autoscaler writes through this subresource, with the name of the program that all controllers are part of.
	scale       = "scale"
	controllers = "kube-controller-manager"
	replicas    = ".spec.replicas"
)

// scaled is true when an autoscaler has set the number of pods: it knows better than the manifest.
func (c conflict) scaled() bool {
	return c.field == replicas && c.subresource == scale && c.manager == controllers
}

// yield leaves the number of pods to the autoscaler that has set it.
func (t *target) yield() {
	if t.live == nil {
		return
	}
	for _, entry := range t.live.GetManagedFields() {
		if entry.Manager == controllers && entry.Subresource == scale && entry.FieldsV1 != nil && strings.Contains(entry.FieldsV1.GetRawString(), `"f:replicas"`) {
			unstructured.RemoveNestedField(t.object.Object, "spec", "replicas")
		}
	}
}

// settle decides about conflicts as a developer would: an autoscaler keeps its number, and what somebody changed by hand becomes
// what the manifest says. It tells whose fields were taken, and is false where nothing may be taken.
func (d *Deployer) settle(t *target, conflicts []conflict) bool {
	taken := map[string][]string{}
	for _, c := range conflicts {
		if c.scaled() {
			unstructured.RemoveNestedField(t.object.Object, "spec", "replicas")
			continue
		}
		if !slices.Contains(taken[c.manager], c.field) {
			taken[c.manager] = append(taken[c.manager], c.field)
		}
	}
	if len(taken) > 0 && d.options.RefuseConflicts {
		return false
	}
	for manager, fields := range taken {
		d.warnAgain("%s: %s was set by %q; it is as the manifest says again (--force-conflicts=false refuses instead)", t.id, strings.Join(fields, ", "), manager)
	}
	return true
}

// last is the annotation that marks what is applied on the client's side, by kubectl and by Skaffold.
const last = "kubectl.kubernetes.io/last-applied-configuration"

// clientSide is the managers that applied the object from the client's side: those that own the annotation of it.
func clientSide(live *unstructured.Unstructured) []string {
	var names []string
	for _, entry := range live.GetManagedFields() {
		if entry.Operation != metav1.ManagedFieldsOperationUpdate || entry.Subresource != "" || entry.FieldsV1 == nil || entry.Manager == kube.FieldManager {
			continue
		}
		if strings.Contains(entry.FieldsV1.GetRawString(), `"f:`+last+`"`) {
			names = append(names, entry.Manager)
		}
	}
	return names
}
