package deploy

import (
	"context"
	"errors"
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// one brings one object up to date and remembers it.
func (d *Deployer) one(ctx context.Context, t *target) (*kube.Object, error) {
	known := d.known(t.id)
	if known == nil && !t.looked {
		if err := d.look1(ctx, t); err != nil {
			return nil, d.explain(t.object, err)
		}
	}
	if t.live != nil && t.live.GetDeletionTimestamp() != nil && d.options.Deletions > 0 {
		if err := d.hurry(ctx, t); err != nil {
			return nil, d.explain(t.object, err)
		}
		t.live = nil
	}
	t.yield()
	if d.options.Loose && t.live != nil {
		label(t.object, partOf, t.live.GetLabels()[partOf]) // whose it is stays as it is
	}
	if t.live != nil && t.unchanged() {
		d.remember(t, t.live, false)
		d.tell(t.id, "unchanged")
		result := d.result(t, t.live)
		result.Unchanged = true
		return result, nil
	}
	if t.live != nil {
		if err := d.migrate(ctx, t); err != nil {
			return nil, d.explain(t.object, err)
		}
	}
	d.claim(t, known)
	d.try(t, known)
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

// try notes an object that is about to be made: where the answer does not come, for the user has ended the session, it may be there
// all the same.
func (d *Deployer) try(t *target, known *sent) {
	if known != nil || t.live != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried[t.id] = t
}

func (d *Deployer) remember(t *target, got *unstructured.Unstructured, created bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &sent{target: t, uid: got.GetUID(), created: created}
	if before := d.sent[t.id]; before != nil && before.created {
		s.created = true
	}
	d.sent[t.id] = s
	delete(d.tried, t.id)
}

func (d *Deployer) result(t *target, got *unstructured.Unstructured) *kube.Object {
	return &kube.Object{Unstructured: *got, File: t.object.File, Line: t.object.Line}
}

// look1 reads what the server has under the target's name.
func (d *Deployer) look1(ctx context.Context, t *target) error {
	var live *unstructured.Unstructured
	err := d.ask(ctx, func() (err error) {
		live, err = t.client.Get(ctx, t.id.Name, metav1.GetOptions{})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	t.looked, t.live = true, live
	if err != nil {
		t.live = nil
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
		if other := t.live.GetLabels()[partOf]; other != "" && other != d.set.id && !d.options.Loose {
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
