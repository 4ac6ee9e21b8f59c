package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Change is what a deploy would do to one object.
type Change struct {
	ID     kube.ID
	Action string // "create", "change", "replace" or "delete"
	Diff   string // line by line, with what is secret hidden
	Err    error  // why the cluster would refuse it
}

// Plan says what Apply would do, and does nothing: the cluster itself is asked what would become of each object. What would stay
// as it is, is left out. The result is in the order of the names.
func (d *Deployer) Plan(ctx context.Context, objects []*kube.Object) ([]Change, error) {
	targets, later, err := d.place(objects, definedKinds(objects))
	if err != nil {
		return nil, err
	}
	found, err := d.look(ctx, targets)
	if err != nil {
		return nil, err
	}
	changes := make([]Change, len(targets))
	var g errgroup.Group
	g.SetLimit(d.options.Limit)
	for i, t := range targets {
		g.Go(func() error {
			changes[i] = d.change(ctx, t, objects)
			return nil
		})
	}
	_ = g.Wait() // a change has its own error
	for _, o := range later {
		changes = append(changes, Change{ID: o.ID(), Action: "create", Diff: diff("", text(nil, &o.Unstructured))})
	}
	if !d.options.Loose {
		changes = append(changes, d.leaving(d.wanted(append(objectsOf(targets), later...)), found)...)
	}
	changes = slices.DeleteFunc(changes, func(c Change) bool { return c.Action == "" })
	slices.SortFunc(changes, func(a, b Change) int { return compare(a.ID, b.ID) })
	return changes, ctx.Err()
}

// leaving is what would be pruned.
func (d *Deployer) leaving(wanted map[kube.ID]bool, found map[kube.ID]*target) []Change {
	var changes []Change
	for id, m := range found {
		if !wanted[id] && len(m.live.GetOwnerReferences()) == 0 && (!protected(id) || m.created() != "") {
			changes = append(changes, Change{ID: id, Action: "delete"})
		}
	}
	return changes
}

// change asks the cluster what would become of one object.
func (d *Deployer) change(ctx context.Context, t *target, objects []*kube.Object) Change {
	t.yield()
	if t.live != nil && t.live.GetDeletionTimestamp() != nil {
		t.live = nil
	}
	if t.live != nil && t.unchanged() {
		return Change{}
	}
	c := Change{ID: t.id, Action: "create"}
	if t.live != nil {
		c.Action = "change"
	}
	got, err := d.dryRun(ctx, t)
	switch {
	case err == nil:
	case apierrors.IsNotFound(err) && makesNamespace(objects, t.id.Namespace), apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "dry run"):
		got = &t.object.Unstructured // the cluster cannot say; the manifest does
	case immutable(err) && d.replaceable(t):
		c.Action, got = "replace", &t.object.Unstructured
	default:
		c.Err, got = d.explain(t.object, err), &t.object.Unstructured
	}
	c.Diff = diff(text(nil, t.live), text(t.live, got))
	if c.Diff == "" && c.Err == nil && c.Action == "change" {
		return Change{} // only our own marks would be written
	}
	return c
}

func (d *Deployer) dryRun(ctx context.Context, t *target) (got *unstructured.Unstructured, err error) {
	data, err := json.Marshal(t.object.Object)
	if err != nil {
		return nil, err
	}
	options := d.patchOptions(!d.options.RefuseConflicts)
	options.DryRun = []string{metav1.DryRunAll}
	err = d.ask(ctx, func() (err error) {
		got, err = t.client.Patch(ctx, t.id.Name, types.ApplyPatchType, data, options)
		return err
	})
	return got, err
}

func makesNamespace(objects []*kube.Object, name string) bool {
	return slices.ContainsFunc(objects, func(o *kube.Object) bool { return o.GetKind() == "Namespace" && o.GetName() == name })
}

// text is an object as YAML, without what the cluster and skiff write, and with what is secret hidden; other is what was there
// before, so that a hidden value that differs can say so.
func text(other, o *unstructured.Unstructured) string {
	if o == nil {
		return ""
	}
	clean := &kube.Object{Unstructured: *o.DeepCopy()}
	strip(clean)
	label(clean, partOf, "")
	label(clean, runKey, "")
	annotations := clean.GetAnnotations()
	for _, key := range []string{appliedKey, createdKey, last} {
		delete(annotations, key)
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	clean.SetAnnotations(annotations)
	var before map[string]any
	if other != nil {
		before = other.Object
	}
	if o.GetKind() == "Secret" {
		for _, field := range []string{"data", "stringData"} {
			hideAll(clean.Object[field], before[field])
		}
	}
	hideEnv(clean.Object, before)
	var b bytes.Buffer
	if err := kube.WriteObjects(&b, []*kube.Object{clean}); err != nil {
		return err.Error()
	}
	return b.String()
}

const hidden = "(hidden)"

// hide is what is shown instead of a value that nobody should see.
func hide(value, other any) string {
	if other == nil || other == value {
		return hidden
	}
	return "(hidden, another value)"
}

func hideAll(values, others any) {
	all, _ := values.(map[string]any)
	before, _ := others.(map[string]any)
	for k, v := range all {
		all[k] = hide(v, before[k])
	}
}

// secretName is a variable whose value is likely to be secret although it stands in the manifest.
var secretName = regexp.MustCompile(`(?i)passw|secret|token|credential|private_?key|api_?key`)

// hideEnv hides the values of variables, at any depth, whose names say that they are secret.
func hideEnv(v, other any) {
	switch v := v.(type) {
	case map[string]any:
		before, _ := other.(map[string]any)
		if name, ok := v["name"].(string); ok && secretName.MatchString(name) && v["value"] != nil {
			v["value"] = hide(v["value"], before["value"])
		}
		for k, inner := range v {
			hideEnv(inner, before[k])
		}
	case []any:
		before, _ := other.([]any)
		for i, inner := range v {
			var at any
			if i < len(before) {
				at = before[i]
			}
			hideEnv(inner, at)
		}
	}
}

// Refused is the errors among the changes.
func Refused(changes []Change) error {
	var list diag.List
	for _, c := range changes {
		var e *diag.Error
		if errors.As(c.Err, &e) {
			list = append(list, e)
		} else if c.Err != nil {
			list = append(list, &diag.Error{What: c.Err.Error(), Code: diag.CodeDeploy})
		}
	}
	return list.Err()
}
