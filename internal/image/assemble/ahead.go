package assemble

import (
	"context"
	"sync"

	"github.com/skiff-dev/skiff/internal/image"
)

// uploads are asked for while it is found out what there is to send: a registry takes as long for that as the rest.
type uploads struct {
	registry *image.Registry
	asked    sync.WaitGroup
	mu       sync.Mutex
	open     []*image.Upload
}

// usual is how many blobs a change makes: a layer and a configuration.
const usual = 2

// ahead begins the uploads that a change most often needs, where there is an image to put it into.
func (b *Builder) ahead(ctx context.Context, r image.Request, before *record) *uploads {
	u := &uploads{registry: b.o.Registry}
	if !r.Push || before == nil {
		return u
	}
	for range usual {
		u.asked.Go(func() {
			ctx, stop := context.WithTimeout(ctx, answersWithin)
			defer stop()
			// A registry that does not answer is told of by what is sent next.
			if begun, err := u.registry.Begin(ctx, repository(r.Ref)); err == nil {
				u.mu.Lock()
				u.open = append(u.open, begun)
				u.mu.Unlock()
			}
		})
	}
	return u
}

// take is one that was begun; nil when there is none left.
func (u *uploads) take() *image.Upload {
	u.asked.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.open) == 0 {
		return nil
	}
	last := u.open[len(u.open)-1]
	u.open = u.open[:len(u.open)-1]
	return last
}

func (u *uploads) send(ctx context.Context, repo string, b image.Blob) error {
	if begun := u.take(); begun != nil {
		return begun.Send(ctx, b)
	}
	return u.registry.Send(ctx, repo, b)
}

// cancel ends what was not needed, also when the build was stopped.
func (u *uploads) cancel(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), answersWithin)
	defer stop()
	for left := u.take(); left != nil; left = u.take() {
		left.Cancel(ctx)
	}
}
