package deploy

import (
	"context"
	"slices"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"golang.org/x/sync/errgroup"
)

// waves applies the targets in their order, each wave side by side: namespaces and definitions of all, and then rank after rank.
// What a wave needs is there when it starts.
func (d *Deployer) waves(ctx context.Context, targets []*target, later []*kube.Object, between func(context.Context, []*kube.Object) error) ([]*kube.Object, error) {
	results, err := d.wave(ctx, targets, func(t *target) bool { return t.wave == waveFirst })
	if err != nil {
		return results, err
	}
	if len(later) > 0 {
		more, err := d.placeLater(ctx, later, targets)
		if err != nil {
			return results, err
		}
		targets = append(targets, more...)
	}
	ranks := ranksOf(targets)
	for i, rank := range ranks {
		var ranked []*kube.Object
		for wave := waveFirst + 1; wave <= waveLast; wave++ {
			done, err := d.wave(ctx, targets, func(t *target) bool { return t.wave == wave && t.object.Rank == rank })
			results, ranked = append(results, done...), append(ranked, done...)
			if err != nil {
				return results, err
			}
		}
		if between != nil && i < len(ranks)-1 && len(ranked) > 0 {
			if err := between(ctx, ranked); err != nil {
				return results, err
			}
		}
	}
	return results, nil
}

// ranksOf is the ranks that there are, the lowest first.
func ranksOf(targets []*target) []int {
	var ranks []int
	for _, t := range targets {
		ranks = append(ranks, t.object.Rank)
	}
	slices.Sort(ranks)
	return slices.Compact(ranks)
}

// wave applies those of the targets that belong to it, side by side.
func (d *Deployer) wave(ctx context.Context, targets []*target, belongs func(*target) bool) ([]*kube.Object, error) {
	var g errgroup.Group
	g.SetLimit(d.options.Limit)
	results := make([]*kube.Object, len(targets))
	faults := make([]error, len(targets))
	for i, t := range targets {
		if belongs(t) {
			g.Go(func() error {
				results[i], faults[i] = d.one(ctx, t)
				return nil
			})
		}
	}
	_ = g.Wait() // faults has the errors, of all objects that failed
	var done []*kube.Object
	var list diag.List
	for i := range targets {
		if results[i] != nil {
			done = append(done, results[i])
		}
		if faults[i] != nil {
			list = append(list, diag.All(faults[i])...)
		}
	}
	if ctx.Err() != nil {
		return done, ctx.Err()
	}
	return done, list.Err()
}
