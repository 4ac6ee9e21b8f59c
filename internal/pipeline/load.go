package pipeline

import (
	"context"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// load brings the images that stay in the engine into the cluster, those of them that were not brought there before.
func (l *Line) load(ctx context.Context) error {
	if l.Load == nil {
		return nil
	}
	var refs []string
	for _, b := range l.built {
		if !b.Pushed && !strings.Contains(b.Ref, "@") && !l.loaded[b.Ref] {
			refs = append(refs, b.Ref)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	slices.Sort(refs)
	if err := l.Load(ctx, refs); err != nil {
		return diag.WithCode(diag.CodeBuild, err)
	}
	if l.loaded == nil {
		l.loaded = map[string]bool{}
	}
	for _, ref := range refs {
		l.loaded[ref] = true
	}
	return nil
}
