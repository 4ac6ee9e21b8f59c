package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// one brings one object up to date and remembers it.
func (d *Deployer) one(ctx context.Context, t *target) (*kube.Object, error) {
	known := d.known(t.id)
	if known == nil && !t.looked {
		if err := t.look(ctx); err != nil {
			return nil, d.explain(t.object, err)
		}
	}
	if t.live != nil && t.live.GetDeletionTimestamp() != nil {
		if err := d.hurry(ctx, t); err != nil {
			return nil, d.explain(t.object, err)
		}
		t.live = nil
	}
	if t.live != nil && t.unchanged() {
		d.remember(t, t.live, false)
		d.tell(t.id, "unchanged")
		return d.result(t, t.live), nil
	}
	d.claim(t, known)
	got, replaced, err := d.send(ctx, t)
	if err != nil {
		return nil, d.explain(t.object, err)
	}
	d.remember(t, got, !replaced && (known == nil && t.live == nil || known != nil && known.uid != got.GetUID()))
	d.tell(t.id, action(known, t.live, got, replaced))
	return d.result(t, got), nil
}

func action(known *sent, live, got *unstructured.Unstructured, replaced bool) string {
	switch {
	case replaced:
		return "replaced"
	case live != nil && live.GetResourceVersion() == got.GetResourceVersion():
		return "unchanged"
	case live == nil && (known == nil || known.uid != got.GetUID()):
		return "created"
	}
	return "configured"
}

func (d *Deployer) known(id kube.ID) *sent {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sent[id]
}

func (d *Deployer) remember(t *target, got *unstructured.Unstructured, created bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &sent{target: t, uid: got.GetUID(), created: created}
	if before := d.sent[t.id]; before != nil && before.created {
		s.created = true
	}
	d.sent[t.id] = s
}

func (d *Deployer) result(t *target, got *unstructured.Unstructured) *kube.Object {
	return &kube.Object{Unstructured: *got, File: t.object.File, Line: t.object.Line}
}

// look reads what the server has under the target's name.
func (t *target) look(ctx context.Context) error {
	live, err := t.client.Get(ctx, t.id.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	t.looked = true
	if err == nil {
		t.live = live
	}
	return nil
}

// unchanged is true when the server holds what we would send: it was sent before, with the same content, and no other
// manager has taken a field of it since.
func (t *target) unchanged() bool {
	return t.live.GetAnnotations()[appliedKey] == t.digest && t.live.GetLabels()[partOf] == t.object.GetLabels()[partOf] && owns(t.live, t.object)
}

// claim prepares the object for its way, and tells when it was somebody else's.
func (d *Deployer) claim(t *target, known *sent) {
	if t.live != nil {
		if other := t.live.GetLabels()[partOf]; other != "" && other != d.set.id {
			d.warn("%s in namespace %q belonged to another deployment of skiff or kubectl; it is part of this one now", t.id, t.id.Namespace)
		}
	}
	if !protected(t.id) {
		return
	}
	switch {
	case known != nil:
		if mark := known.target.object.GetAnnotations()[createdKey]; mark != "" {
			annotate(t.object, createdKey, mark)
		}
	case t.live == nil:
		annotate(t.object, createdKey, d.set.id)
	case t.live.GetAnnotations()[createdKey] != "":
		annotate(t.object, createdKey, t.live.GetAnnotations()[createdKey])
	}
}

// protected is true for what holds more than itself: it is deleted only where skiff made it, and never replaced.
func protected(id kube.ID) bool {
	switch id.Group + "/" + id.Kind {
	case "/Namespace", "/PersistentVolumeClaim", "/PersistentVolume", "apiextensions.k8s.io/CustomResourceDefinition":
		return true
	}
	return false
}

// send applies the object. Where the server says that a field cannot be changed, the object is deleted and made again if
// that costs no more than its run.
func (d *Deployer) send(ctx context.Context, t *target) (got *unstructured.Unstructured, replaced bool, err error) {
	got, err = d.patch(ctx, t)
	if err == nil && got.GetDeletionTimestamp() != nil {
		// Somebody deleted it; what we sent would go with it.
		if err = d.gone(ctx, t, got.GetUID()); err == nil {
			got, err = d.patch(ctx, t)
		}
		return got, false, err
	}
	if !immutable(err) || !d.replaceable(t.id) {
		return got, false, err
	}
	if derr := d.remove(ctx, t); derr != nil {
		return nil, false, derr
	}
	got, err = d.patch(ctx, t)
	return got, true, err
}

// hurriedFor is how long a node may take to end a pod that got less grace. Some never shorten what they began.
const hurriedFor = 2 * time.Second

// hurry waits for the end of an object that is being deleted. A pod of ours (the last session's, most often) gets no more
// time to shut down: many a process ignores SIGTERM, and the user waits for the next one. The node ends its processes in
// their own time; their name is free before.
func (d *Deployer) hurry(ctx context.Context, t *target) error {
	uid := t.live.GetUID()
	if t.id.Kind != "Pod" || t.live.GetAnnotations()[appliedKey] == "" {
		return d.gone(ctx, t, uid)
	}
	for _, grace := range []int64{replacedGrace, 0} {
		err := t.client.Delete(ctx, t.id.Name, metav1.DeleteOptions{GracePeriodSeconds: &grace, Preconditions: &metav1.Preconditions{UID: &uid}})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil
		}
		if err != nil {
			return err
		}
		limited, cancel := context.WithTimeoutCause(ctx, hurriedFor, errNotGone)
		err = d.watchGone(limited, t, uid)
		cancel()
		if !errors.Is(err, errNotGone) {
			return err
		}
	}
	return d.gone(ctx, t, uid)
}

// startedWithin is how long the controllers may take to make what every pod of a new namespace needs.
const startedWithin = 10 * time.Second

func (d *Deployer) patch(ctx context.Context, t *target) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(t.object.Object)
	if err != nil {
		return nil, err
	}
	force := !d.options.RefuseConflicts
	options := metav1.PatchOptions{FieldManager: kube.FieldManager, Force: &force, FieldValidation: metav1.FieldValidationStrict}
	if d.options.SkipValidation {
		options.FieldValidation = metav1.FieldValidationIgnore
	}
	waited, cancel := context.WithTimeout(ctx, startedWithin)
	defer cancel()
	for {
		got, err := t.client.Patch(ctx, t.id.Name, types.ApplyPatchType, data, options)
		if err == nil || !transient(err) || pause(waited, 50*time.Millisecond) != nil {
			return got, err
		}
	}
}

// transient is true for what a fresh namespace says until its default account is there, and a fresh definition until every
// API server knows it.
func transient(err error) bool {
	text := err.Error()
	return apierrors.IsForbidden(err) && strings.Contains(text, "serviceaccount") && strings.Contains(text, "not found")
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

func (d *Deployer) replaceable(id kube.ID) bool {
	if protected(id) {
		return false
	}
	return d.options.Force || id.Group == "" && id.Kind == "Pod" || id.Group == "batch" && id.Kind == "Job"
}

// replacedGrace is the grace, in seconds, that a pod gets when its replacement waits for it: the user waits, too.
const replacedGrace int64 = 1

func (d *Deployer) remove(ctx context.Context, t *target) error {
	live, err := t.client.Get(ctx, t.id.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	grace, background := replacedGrace, metav1.DeletePropagationBackground
	uid := live.GetUID()
	err = t.client.Delete(ctx, t.id.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &grace, PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete it to make it again: %w", err)
	}
	return d.gone(ctx, t, uid)
}
