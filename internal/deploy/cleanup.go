package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// lingerFor is how long Cleanup waits for what it deleted: a pod that ignores SIGTERM takes its full grace, the user should not.
const lingerFor = 3 * time.Second

// Cleanup deletes what this session created, and nothing else; an object that was there before keeps what was applied to
// it. It asks for the deletion, and waits up to 3 s for its end. ctx must outlive the session's.
func (d *Deployer) Cleanup(ctx context.Context) error {
	d.recall(ctx)
	var mine []*target
	uids := map[kube.ID]types.UID{}
	d.mu.Lock()
	for _, s := range d.sent {
		if s.created {
			mine = append(mine, s.target)
			uids[s.target.id] = s.uid
		}
	}
	d.mu.Unlock()
	err := d.deleteAll(ctx, mine)
	if perr := d.settleParent(ctx); err == nil {
		err = perr
	}
	d.linger(ctx, mine, uids)
	return err
}

// recall finds out which of the objects that were sent without an answer are there, and ours.
func (d *Deployer) recall(ctx context.Context) {
	d.mu.Lock()
	tried := slices.Collect(maps.Values(d.tried))
	d.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(d.options.Limit)
	for _, t := range tried {
		g.Go(func() error {
			// What cannot be seen cannot be deleted either, and the deletion of the others says why.
			if err := d.look1(ctx, t); err == nil && t.live != nil && t.live.GetAnnotations()[appliedKey] == t.digest && t.live.GetLabels()[partOf] == t.object.GetLabels()[partOf] {
				d.remember(t, t.live, true)
			}
			return nil
		})
	}
	_ = g.Wait() // no error is returned above
}

// settleParent narrows the record to what stays, or removes it with the last member.
func (d *Deployer) settleParent(ctx context.Context) error {
	d.mu.Lock()
	var rest []*kube.Object
	var stay []*target
	for _, s := range d.sent {
		rest = append(rest, s.target.object)
		stay = append(stay, s.target)
	}
	looked := d.looked
	d.mu.Unlock()
	d.set.mu.Lock()
	made := d.set.written && !d.set.found
	found := d.set.found
	d.set.mu.Unlock()
	if !made && !(looked && found) {
		// Nothing was sent, or a first pass that failed does not know all members of the set.
		return nil
	}
	if made {
		d.release(ctx, stay)
	}
	if made || len(rest) == 0 {
		return d.deleteParent(ctx)
	}
	d.set.shrink(rest, d.set.namespace)
	return d.writeParent(ctx)
}

// release takes our marks off objects that were there before the session made the set, so that they belong to nobody's set again.
func (d *Deployer) release(ctx context.Context, targets []*target) {
	marks := fmt.Appendf(nil, `{"metadata":{"labels":{%q:null,%q:null},"annotations":{%q:null}}}`, partOf, runKey, appliedKey)
	var g errgroup.Group
	for _, t := range targets {
		g.Go(func() error {
			// A mark that stays does no harm: it names a set that is gone.
			_, err := t.client.Patch(ctx, t.id.Name, types.MergePatchType, marks, metav1.PatchOptions{FieldManager: kube.FieldManager})
			return err
		})
	}
	_ = g.Wait()
}

func (d *Deployer) linger(ctx context.Context, targets []*target, uids map[kube.ID]types.UID) {
	limited, cancel := context.WithTimeout(ctx, lingerFor)
	defer cancel()
	var g errgroup.Group
	var mu sync.Mutex
	var still []string
	for _, t := range targets {
		g.Go(func() error {
			// Whatever went wrong, the object is asked to go; only being late is worth a word.
			if err := d.watchGone(limited, t, uids[t.id]); errors.Is(err, context.DeadlineExceeded) {
				mu.Lock()
				defer mu.Unlock()
				still = append(still, t.id.String())
			}
			return nil
		})
	}
	_ = g.Wait() // no error is returned above
	if len(still) > 0 {
		slices.Sort(still)
		d.note("still shutting down: " + strings.Join(still, ", "))
	}
}

// Delete removes every member of the set, and those of the objects that any skiff applied (another machine's, for one);
// what skiff did not apply is kept. With dryRun it only says what it would delete. The result is sorted by name.
func (d *Deployer) Delete(ctx context.Context, objects []*kube.Object, dryRun bool) ([]kube.ID, error) {
	targets, _, err := d.place(objects, definedBy(objects)) // a kind that is not served has no objects
	if err != nil {
		return nil, err
	}
	found, err := d.look(ctx, targets)
	if err != nil {
		return nil, err
	}
	all := d.ours(targets, found, dryRun)
	var ids []kube.ID
	for _, t := range all {
		if !protected(t.id) || t.created() != "" {
			ids = append(ids, t.id)
		}
	}
	slices.SortFunc(ids, compare)
	if dryRun {
		return ids, nil
	}
	if err := d.deleteAll(ctx, all); err != nil {
		return ids, err
	}
	if err := d.deleteParent(ctx); err != nil {
		return ids, d.cluster.Explain(fmt.Errorf("delete ConfigMap %s/%s: %w", d.set.namespace, d.set.name, err))
	}
	return ids, nil
}

// ours is the members, and those of the targets that any skiff applied; the others are told.
func (d *Deployer) ours(targets []*target, found map[kube.ID]*target, dryRun bool) []*target {
	var all []*target
	for _, m := range found {
		if len(m.live.GetOwnerReferences()) == 0 {
			all = append(all, m)
		}
	}
	for _, t := range targets {
		switch {
		case found[t.id] != nil || t.live == nil:
		case t.live.GetAnnotations()[appliedKey] == "":
			d.warn("%s in namespace %q was not applied by skiff, so it stays", t.id, t.id.Namespace)
			if !dryRun {
				d.tell(t.id, "kept")
			}
		default:
			all = append(all, t)
		}
	}
	return all
}

func compare(a, b kube.ID) int {
	return strings.Compare(a.Namespace+"/"+a.Kind+"/"+a.Name+"/"+a.Group, b.Namespace+"/"+b.Kind+"/"+b.Name+"/"+b.Group)
}
