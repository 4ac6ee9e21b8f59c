package docker

import (
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/image"
)

var _ image.Based = (*Builder)(nil)

// Bases are the images that the needed stages start from, copy from or mount, without other stages and the required images. One whose
// name hangs on something that only the engine knows is left out.
func (b *Builder) Bases(r image.Request) ([]image.Origin, error) {
	args, err := b.args(r, nil)
	if err != nil {
		return nil, err
	}
	rec, err := readRecipe(b.dockerfile(r.Artifact), args)
	if err != nil || len(rec.stages) == 0 {
		return nil, nil // the build says what is wrong
	}
	own := map[string]bool{}
	for _, need := range r.Needs {
		own[need.Ref] = true
	}
	var list []image.Origin
	add := func(name string) {
		base := image.Origin{Ref: name, Fresh: r.Artifact.Docker.PullParent}
		if name != "" && name != "scratch" && !own[name] && !slices.Contains(list, base) {
			list = append(list, base)
		}
	}
	for _, i := range rec.needed(r.Artifact.Docker.Target) {
		if _, ok := rec.base(i); !ok {
			if name, known := rec.expand(rec.stages[i].BaseName, rec.global); known {
				add(name)
			}
		}
		for _, name := range rec.imagesOf(i) {
			add(name)
		}
	}
	return list, nil
}

// imagesOf are the images, not stages, that a stage copies from or mounts.
func (r *recipe) imagesOf(i int) []string {
	var names []string
	for _, name := range r.sourcesOf(i) {
		if _, ok := r.stage(name, i); !ok && name != "" && !strings.Contains(name, "$") {
			names = append(names, name)
		}
	}
	return names
}
