package deploy

import (
	"context"
	"fmt"

	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
)

// migrate makes the fields that kubectl or Skaffold applied from the client's side ours, as kubectl itself does when it changes
// to the server's side. Without that, what has left the manifest since would stay on the object for ever, owned by a manager
// that never comes again.
func (d *Deployer) migrate(ctx context.Context, t *target) error {
	for range 3 {
		names := clientSide(t.live)
		if len(names) == 0 {
			return nil
		}
		patch, err := csaupgrade.UpgradeManagedFieldsPatch(t.live, sets.New(names...), kube.FieldManager)
		if err != nil || patch == nil {
			return err
		}
		err = d.ask(ctx, func() error {
			got, err := t.client.Patch(ctx, t.id.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: kube.FieldManager})
			if err == nil {
				t.live = got
			}
			return err
		})
		if err == nil {
			d.mu.Lock()
			d.migrated++
			d.mu.Unlock()
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("take it over from %s: %w", names[0], err)
		}
		// A controller wrote its status in between.
		if err := d.look1(ctx, t); err != nil || t.live == nil {
			return err
		}
	}
	return nil
}

// tellMigrated says in one line how many objects were taken over.
func (d *Deployer) tellMigrated() {
	d.mu.Lock()
	n := d.migrated
	d.migrated = 0
	d.mu.Unlock()
	switch {
	case n == 1:
		d.note("One object was applied by kubectl or Skaffold before; skiff manages it now.")
	case n > 1:
		d.note(fmt.Sprintf("%d objects were applied by kubectl or Skaffold before; skiff manages them now.", n))
	}
}
