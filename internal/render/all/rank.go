package all

import (
	"context"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/render"
)

// ranksOf says in which order configs are deployed: one that requires others comes after those of them that have manifests, and all
// that nothing orders come together.
func ranksOf(project *config.Project) map[*config.Config]int {
	ranks := map[*config.Config]int{}
	for _, c := range project.Configs { // what a config needs stands before it
		for _, needed := range c.Needs {
			rank := ranks[needed]
			if deploys(needed) {
				rank++
			}
			ranks[c] = max(ranks[c], rank)
		}
	}
	return ranks
}

func deploys(c *config.Config) bool {
	m := c.Manifests
	return len(m.RawYaml)+len(m.RemoteManifests)+len(m.Kpt) > 0 || m.Kustomize != nil || m.Helm != nil
}

// ranked is a source whose objects have a rank.
type ranked struct {
	render.Source
	rank int
}

// atRank leaves releases as they are: they are known by their type, and ordered by their own dependsOn.
func atRank(s render.Source, rank int) render.Source {
	if _, installed := s.(*Releases); installed || rank == 0 {
		return s
	}
	return ranked{s, rank}
}

// Objects reads the manifests and ranks what it finds.
func (r ranked) Objects(ctx context.Context, in render.Input) (render.Read, error) {
	read, err := r.Source.Objects(ctx, in)
	for _, o := range read.Objects {
		o.Rank = r.rank
	}
	return read, err
}
