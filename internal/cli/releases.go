package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/deploy/helm"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/render"
	sources "github.com/skiff-dev/skiff/internal/render/all"
	prepared "github.com/skiff-dev/skiff/internal/render/helm"
)

// sourceOptions is what the sources of manifests need from the session.
func (s *session) sourceOptions(ctx context.Context) (sources.Options, error) {
	setters, err := s.setterValues()
	o := sources.Options{
		Templates: s.templates(ctx), Home: s.Home, Namespace: s.namespace, Insecure: s.insecureRegistries(), Setters: setters,
		Cluster: s.otherCluster, Warn: func(text string) { s.bus.Send(event.Note{Text: text, Warn: true}) },
	}
	if s.cluster != nil {
		o.Default = s.cluster.Namespace
	}
	return o, err
}

// otherCluster is the one of a context, or the session's.
func (s *session) otherCluster(context string) (*kube.Cluster, error) {
	if context == "" && s.cluster != nil {
		return s.cluster, nil
	}
	if s.offline {
		return nil, errors.New("--offline speaks to no cluster")
	}
	o := s.kubeOptions("")
	o.Context = context
	return kube.Connect(o)
}

// releases is a place to which helm's releases go beside plain objects: first the releases, as Skaffold does.
type releases struct {
	pipeline.Place
	helm    *helm.Deployer
	sources []*sources.Releases
	rules   *render.Rules
	labels  map[string]string
}

// withReleases gives a place its releases, where the project has any.
func (s *session) withReleases(place pipeline.Place, project *config.Project, o render.Options) pipeline.Place {
	var all []*sources.Releases
	limit := 1
	for _, source := range o.Sources {
		r, ok := source.(*sources.Releases)
		if !ok {
			continue
		}
		all = append(all, r)
		if n := r.Config.Deploy.Helm.Concurrency; n != nil && limit != 0 && (*n == 0 || *n > limit) {
			limit = *n
		}
	}
	if len(all) == 0 && s.releases == nil {
		return place
	}
	if s.releases == nil {
		s.releases = helm.New(s.cluster, helm.Options{Limit: limit, Force: s.force, Wait: place.Wait}, s.bus)
	}
	return &releases{place, s.releases, all, render.RulesOf(project, o.Rules...), o.Labels}
}

// wanted is the releases as they were rendered last, and which objects are theirs.
func (r *releases) wanted() (all []helm.Release, theirs map[kube.ID]bool) {
	theirs = map[kube.ID]bool{}
	for _, source := range r.sources {
		last, built := source.Last()
		images := map[string]string{}
		for _, image := range built {
			images[image.Name] = image.Ref
		}
		for _, p := range last {
			one, objects := r.release(p, images)
			all = append(all, one)
			for _, o := range objects {
				id := o.ID()
				theirs[id] = true
				if id.Namespace == "" {
					id.Namespace = p.Namespace
					theirs[id] = true
				}
			}
		}
	}
	return all, theirs
}

// release is a prepared release as helm gets it.
func (r *releases) release(p prepared.Prepared, images map[string]string) (helm.Release, []*kube.Object) {
	objects := kube.CloneAll(p.Objects)
	used := r.rules.Images(objects, images)
	for _, o := range objects {
		if o.GetNamespace() == "" && kube.PodSpec(o) != nil {
			o.SetNamespace(p.Namespace)
		}
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %q", p.Digest, r.labels) // maps print in order
	for _, name := range slices.Sorted(slices.Values(keys(used))) {
		fmt.Fprintf(sum, " %q", images[name])
	}
	return helm.Release{
		Name: p.Name, Namespace: p.Namespace, DependsOn: p.DependsOn, Chart: p.Chart,
		Install: helm.Action{Values: p.Install.Values, Settings: helm.Settings(p.Install.Settings)},
		Upgrade: helm.Action{Values: p.Upgrade.Values, Settings: helm.Settings(p.Upgrade.Settings)},
		Digest:  hex.EncodeToString(sum.Sum(nil)[:16]), Remote: p.Remote, UpgradeOnChange: p.UpgradeOnChange, RecreatePods: p.RecreatePods,
		CreateNamespace: p.CreateNamespace, Wait: p.Wait, Objects: objects,
		Put: func(text []byte) ([]byte, error) { return r.rules.Text(text, images, r.labels) },
	}, objects
}

func keys(m map[string]bool) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}

// Apply brings the releases to what they should be, and then the other objects.
func (r *releases) Apply(ctx context.Context, objects []*kube.Object) ([]*kube.Object, error) {
	all, theirs := r.wanted()
	changed, err := r.helm.Apply(ctx, all)
	if err != nil {
		return changed, err
	}
	more, err := r.Place.Apply(ctx, others(objects, theirs))
	return append(changed, more...), err
}

func others(objects []*kube.Object, theirs map[kube.ID]bool) []*kube.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o *kube.Object) bool { return theirs[o.ID()] })
}

// Delete takes the plain objects away, and then the releases.
func (r *releases) Delete(ctx context.Context, objects []*kube.Object, dryRun bool) ([]kube.ID, error) {
	all, theirs := r.wanted()
	gone, err := r.Place.Delete(ctx, others(objects, theirs), dryRun)
	if err != nil {
		return gone, err
	}
	more, err := r.helm.Delete(ctx, all, dryRun)
	return append(gone, more...), err
}

// Cleanup takes away what the session made: plain objects first.
func (r *releases) Cleanup(ctx context.Context) error {
	err := r.Place.Cleanup(ctx)
	if herr := r.helm.Cleanup(ctx); err == nil {
		err = herr
	}
	return err
}
