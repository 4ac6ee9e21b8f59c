// Package helm installs, upgrades and uninstalls releases with helm's library: charts and values go in, releases that the
// helm program can go on with come out. A release whose inputs did not change is not touched.
package helm

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	"k8s.io/client-go/metadata"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Release is one release as the project wants it.
type Release struct {
	Name, Namespace string
	DependsOn       []string
	Chart           func() (*v2.Chart, error) // a copy that may be changed
	Install         Action
	Upgrade         Action
	Digest          string // of all that the release is made of: the same digest means the same release
	Remote          bool   // the chart is not part of the project
	UpgradeOnChange *bool
	RecreatePods    bool
	CreateNamespace bool
	Wait            bool
	Objects         []*kube.Object               // what the chart makes, about
	Put             func([]byte) ([]byte, error) // puts images and labels into what the chart makes
}

// Action is what one of helm's commands is told.
type Action struct {
	Values   map[string]any
	Settings Settings
}

// Settings are the switches of helm's commands.
type Settings struct {
	Timeout                                                       time.Duration
	Wait, WaitForJobs, Atomic, CleanupOnFail                      bool
	CreateNamespace, NoHooks, SkipCRDs, IncludeCRDs, SkipTests    bool
	SkipSchemaValidation, DisableOpenAPIValidation, EnableDNS     bool
	Force, ForceConflicts, TakeOwnership, RenderSubNotes, Upgrade bool
	ResetValues, ReuseValues, ResetThenReuseValues                bool
	ServerSide                                                    string
	HistoryMax                                                    int
	Description                                                   string
	KubeVersion                                                   string
	APIVersions                                                   []string
	Labels                                                        map[string]string
}

// Options say how releases are deployed.
type Options struct {
	Limit int                                               // releases at once; 0: all that depend on no other
	Force bool                                              // replace what cannot be changed
	Wait  func(ctx context.Context, o []*kube.Object) error // until objects run, for releases that wait
}

// Deployer deploys the releases of one session. It remembers which of them it installed.
type Deployer struct {
	cluster *kube.Cluster
	options Options
	sink    event.Sink

	mu         sync.Mutex
	meta       metadata.Interface
	installed  []key           // by this session, in their order
	namespaces map[string]bool // made by this session
	looked     map[key]bool    // releases that this session has seen or made
}

// key names a release in its cluster.
type key struct{ namespace, name string }

// New is a deployer for one session. It sends nothing.
func New(cluster *kube.Cluster, o Options, sink event.Sink) *Deployer {
	return &Deployer{cluster: cluster, options: o, sink: sink, namespaces: map[string]bool{}, looked: map[key]bool{}}
}

// Apply makes the cluster hold the releases: those that are missing are installed, those whose inputs changed upgraded. A
// release waits for those that it depends on. It returns the objects to wait for, as the server has them: of releases
// that changed, and of all that this session sees for the first time.
func (d *Deployer) Apply(ctx context.Context, releases []Release) ([]*kube.Object, error) {
	if len(releases) == 0 {
		return nil, nil
	}
	found, err := d.find(ctx, releases)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var changed []*kube.Object
	faults := make([]error, len(releases))
	done := map[string]bool{}
	for len(done) < len(releases) {
		var g errgroup.Group
		if d.options.Limit > 0 {
			g.SetLimit(d.options.Limit)
		}
		level := next(releases, done)
		if len(level) == 0 {
			break
		}
		var failed atomic.Bool
		for _, i := range level {
			g.Go(func() error {
				if failed.Load() && d.options.Limit == 1 {
					return nil // one after the other: what comes later may need it
				}
				r := releases[i]
				objects, err := d.one(ctx, r, found[key{r.Namespace, r.Name}])
				mu.Lock()
				defer mu.Unlock()
				changed = append(changed, objects...)
				faults[i] = err
				if err != nil {
					failed.Store(true)
				}
				return nil
			})
		}
		_ = g.Wait() // faults has the errors
		if ctx.Err() != nil {
			return changed, ctx.Err()
		}
		if err := joined(faults); err != nil {
			return changed, err
		}
		for _, i := range level {
			done[releases[i].Name] = true
		}
	}
	return changed, nil
}

// next is the releases that are not done, and of which all that they depend on is.
func next(releases []Release, done map[string]bool) []int {
	var level []int
	for i, r := range releases {
		if !done[r.Name] && !slices.ContainsFunc(r.DependsOn, func(on string) bool { return !done[on] }) {
			level = append(level, i)
		}
	}
	return level
}

func joined(faults []error) error {
	var list diag.List
	for _, err := range faults {
		if err != nil && !errors.Is(err, context.Canceled) {
			list = append(list, diag.All(err)...)
		}
	}
	return list.Err()
}

// one brings one release to what the project wants.
func (d *Deployer) one(ctx context.Context, r Release, was *record) ([]*kube.Object, error) {
	k := key{r.Namespace, r.Name}
	switch {
	case was == nil:
		return d.install(ctx, r)
	case was.kept(r):
		d.tell(r, "unchanged")
		if d.see(k) {
			return nil, nil
		}
		return d.live(ctx, r.Objects, r.Namespace), nil
	}
	d.see(k)
	return d.upgrade(ctx, r, was)
}

// see notes a release, and says whether the session knew it.
func (d *Deployer) see(k key) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.looked[k]
	d.looked[k] = true
	return known
}

func (d *Deployer) tell(r Release, action string) {
	d.sink.Send(event.Applied{Object: "Release/" + r.Name, Namespace: r.Namespace, Action: action})
}
