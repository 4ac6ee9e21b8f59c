package all

import (
	"context"
	"sync"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/render/helm"
)

// Releases is a source whose objects are not applied: helm installs them. It remembers what it prepared last.
type Releases struct {
	*helm.Source
	Config *config.Config

	mu       sync.Mutex
	prepared []helm.Prepared
	images   []render.Image
}

var _ render.Source = (*Releases)(nil)

// Objects renders the releases, and puts what runs into their namespace, where it will be found.
func (r *Releases) Objects(ctx context.Context, in render.Input) (render.Read, error) {
	prepared, err := r.Prepare(ctx, in)
	if err != nil {
		return render.Read{}, err
	}
	r.mu.Lock()
	r.prepared, r.images = prepared, in.Images
	r.mu.Unlock()
	var read render.Read
	for _, p := range prepared {
		read.Warnings = append(read.Warnings, p.Warnings...)
		for _, o := range kube.CloneAll(p.Objects) {
			if o.GetNamespace() == "" && (kube.PodSpec(o) != nil || o.GetKind() == "Service") {
				o.SetNamespace(p.Namespace)
			}
			read.Objects = append(read.Objects, o)
		}
	}
	return read, nil
}

// Last is what was prepared last, and the images that it was prepared with.
func (r *Releases) Last() ([]helm.Prepared, []render.Image) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prepared, r.images
}
