package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/skiff-dev/skiff/internal/diag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// goneWithin is how long an object that is being deleted may take before its name can be used again.
const goneWithin = 60 * time.Second

var errGone, errNotGone = errors.New("gone"), errors.New("not gone")

// gone waits until the object with the uid is no longer there.
func (d *Deployer) gone(ctx context.Context, t *target, uid types.UID) error {
	limited, cancel := context.WithTimeoutCause(ctx, max(d.options.Deletions, time.Second), errNotGone)
	defer cancel()
	err := d.watchGone(limited, t, uid)
	if errors.Is(err, errNotGone) {
		return diag.Errorf(fmt.Sprintf("kubectl get %s %s -o jsonpath='{.metadata.finalizers}'", t.where.gvr.Resource, t.id.Name),
			"it is still being deleted after %s", d.options.Deletions)
	}
	return err
}

func (d *Deployer) watchGone(ctx context.Context, t *target, uid types.UID) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	seen := false
	err := d.cluster.Watch(ctx, t.where.gvr, t.id.Namespace,
		metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", t.id.Name).String()},
		func() {
			if !seen {
				stop(errGone)
			}
		},
		func(o *unstructured.Unstructured, deleted bool) {
			if o.GetName() != t.id.Name {
				return
			}
			if o.GetUID() == uid && !deleted {
				seen = true
				return
			}
			stop(errGone)
		})
	if err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errGone) {
		return cause
	}
	return nil
}
