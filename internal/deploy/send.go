package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// send applies the object. Where the server says that a field cannot be changed, the object is deleted and made again if
// that costs no more than its run.
func (d *Deployer) send(ctx context.Context, t *target) (got *unstructured.Unstructured, replaced bool, err error) {
	got, err = d.patch(ctx, t)
	if err == nil && got.GetDeletionTimestamp() != nil && d.options.Deletions > 0 {
		// Somebody deleted it; what we sent would go with it.
		if err = d.gone(ctx, t, got.GetUID()); err == nil {
			got, err = d.patch(ctx, t)
		}
		return got, false, err
	}
	if !immutable(err) {
		return got, false, err
	}
	if lerr := d.look1(ctx, t); lerr != nil {
		return nil, false, lerr
	}
	if !d.replaceable(t) {
		return nil, false, err
	}
	if derr := d.remove(ctx, t); derr != nil {
		return nil, false, derr
	}
	got, err = d.patch(ctx, t)
	return got, true, err
}

// startedWithin is how long the controllers may take to make what every pod of a new namespace needs.
const startedWithin = 10 * time.Second

// patch applies the object: first so that nobody's field is taken unseen, and after a conflict as settle decides.
func (d *Deployer) patch(ctx context.Context, t *target) (*unstructured.Unstructured, error) {
	got, err := d.patchOnce(ctx, t, false)
	conflicts := conflictsOf(err)
	if len(conflicts) == 0 || !d.settle(t, conflicts) {
		return got, err
	}
	return d.patchOnce(ctx, t, true)
}

func (d *Deployer) patchOnce(ctx context.Context, t *target, force bool) (got *unstructured.Unstructured, err error) {
	data, err := json.Marshal(t.object.Object)
	if err != nil {
		return nil, err
	}
	options := d.patchOptions(force)
	waited, cancel := context.WithTimeout(ctx, startedWithin)
	defer cancel()
	for {
		err := d.ask(ctx, func() (err error) {
			got, err = t.client.Patch(ctx, t.id.Name, types.ApplyPatchType, data, options)
			return err
		})
		if err == nil || !t.transient(err) || pause(waited, 50*time.Millisecond) != nil {
			return got, err
		}
	}
}

func (d *Deployer) patchOptions(force bool) metav1.PatchOptions {
	options := metav1.PatchOptions{FieldManager: kube.FieldManager, Force: &force, FieldValidation: metav1.FieldValidationStrict}
	if d.options.SkipValidation {
		options.FieldValidation = metav1.FieldValidationIgnore
	}
	return options
}

// transient is true for what a fresh namespace says until its default account is there, and a fresh definition until every
// API server knows it.
func (t *target) transient(err error) bool {
	text := err.Error()
	return apierrors.IsForbidden(err) && strings.Contains(text, "serviceaccount") && strings.Contains(text, "not found") ||
		t.fresh && apierrors.IsNotFound(err) && strings.Contains(text, "could not find the requested resource")
}

func immutable(err error) bool {
	if !apierrors.IsInvalid(err) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "immutable") || strings.Contains(text, "may not change fields") ||
		strings.Contains(text, "are forbidden") && strings.Contains(text, "updates to") ||
		strings.Contains(text, "may not be changed") || strings.Contains(text, "may not change once set")
}

// replaceable is true for what may be deleted to be made again: what holds data never is.
func (d *Deployer) replaceable(t *target) bool {
	switch {
	case protected(t.id), dropsClaims(t.live):
		return false
	case t.id.Group == "" && t.id.Kind == "Pod", t.id.Group == "batch" && t.id.Kind == "Job":
		return true
	}
	return d.options.Force
}

// dropsClaims is true for a StatefulSet that takes its claims with it when it is deleted.
func dropsClaims(live *unstructured.Unstructured) bool {
	if live == nil || live.GetKind() != "StatefulSet" {
		return false
	}
	policy, _, _ := unstructured.NestedString(live.Object, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
	return policy == "Delete"
}

// replacedGrace is the grace, in seconds, that a pod gets when its replacement waits for it: the user waits, too.
const replacedGrace int64 = 1

// remove deletes the target as it was just seen, and waits until its name is free.
func (d *Deployer) remove(ctx context.Context, t *target) error {
	if t.live == nil {
		return nil
	}
	grace, background := replacedGrace, metav1.DeletePropagationBackground
	uid := t.live.GetUID()
	err := d.ask(ctx, func() error {
		return t.client.Delete(ctx, t.id.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &grace, PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid},
		})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete it to make it again: %w", err)
	}
	return d.gone(ctx, t, uid)
}
