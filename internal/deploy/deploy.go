// Package deploy makes a cluster hold the objects that are given to it: what differs is applied, what left is pruned, and
// what a session made can be taken away again.
package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// Options say whose objects these are. The zero value works for one person alone.
type Options struct {
	// Project and Owner name the set of objects that belong together. Owner is a stable text for one person's checkout
	// (user, machine, folder): with different owners, two people in one namespace never prune each other's objects.
	Project, Owner string

	RunID string // a label of what a run sends; it is no reason to send anything. Empty: none

	Force           bool          // replace what cannot be changed, whatever its kind; claims, namespaces and definitions never
	RefuseConflicts bool          // fail where another manager owns a field, instead of taking it over
	SkipValidation  bool          // let the server ignore fields that it does not know
	Loose           bool          // the objects make no set: nothing is pruned, and nothing is pruned later because of them
	Limit           int           // requests at once; 0 means 16
	Patience        time.Duration // how long a cluster that does not answer is asked again; 0 means 45 s
	Deletions       time.Duration // how long an object that is being deleted is waited for; 0 means 60 s, negative: not at all
}

const (
	// appliedKey is the digest of what was applied last. It stands on the object itself, never in a pod template.
	appliedKey = "skiff.dev/applied"
	// createdKey marks a namespace, claim or definition that skiff made, which alone it may delete.
	createdKey = "skiff.dev/created"

	partOf = "applyset.kubernetes.io/part-of"
)

// Deployer deploys the passes of one session. It remembers what it made, and what each object was when it was last sent.
type Deployer struct {
	cluster *kube.Cluster
	options Options
	sink    event.Sink
	set     *applySet

	mu      sync.Mutex
	sent    map[kube.ID]*sent
	tried   map[kube.ID]*target // not there before, and sent without an answer yet
	looked  bool                // the first pass has looked at what is there
	trouble map[string]bool

	down      bool      // the cluster did not answer when it was last asked
	downUntil time.Time // when it was last seen like that
	migrated  int       // objects that were taken over in this pass
}

// sent is an object that this session applied, or found as it should be.
type sent struct {
	target  *target
	uid     types.UID
	created bool // it was not there before this session
}

// New is a deployer for one session. It sends nothing.
func New(cluster *kube.Cluster, o Options, sink event.Sink) *Deployer {
	if o.Limit <= 0 {
		o.Limit = 16
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Deletions == 0 {
		o.Deletions = goneWithin
	}
	return &Deployer{
		cluster: cluster, options: o, sink: sink, set: newApplySet(cluster.Namespace, o.Project, o.Owner),
		sent: map[kube.ID]*sent{}, tried: map[kube.ID]*target{}, trouble: map[string]bool{},
	}
}

// target is an object on its way: placed, labelled, and with the client for its kind.
type target struct {
	id     kube.ID
	object *kube.Object
	client dynamic.ResourceInterface
	where  resource
	digest string
	wave   int
	looked bool
	fresh  bool                       // its kind was defined in this very pass
	live   *unstructured.Unstructured // as the server had it before the pass; nil: it was not there
}

// created is the mark of the set that made the object.
func (t *target) created() string {
	if t.live != nil {
		return t.live.GetAnnotations()[createdKey]
	}
	return t.object.GetAnnotations()[createdKey]
}

// Apply makes the cluster hold the objects, and no other of the same set. It returns the objects to wait for, as the server
// has them: those that changed in this pass, and in the first pass of a session all. Objects that were sent before an
// error are returned with it.
func (d *Deployer) Apply(ctx context.Context, objects []*kube.Object) ([]*kube.Object, error) {
	return d.ApplyRanks(ctx, objects, nil)
}

// ApplyRanks is Apply for objects of several ranks: between is called with what was applied of a rank before the next one is sent,
// and its error keeps the rest from being sent.
func (d *Deployer) ApplyRanks(ctx context.Context, objects []*kube.Object, between func(context.Context, []*kube.Object) error) ([]*kube.Object, error) {
	var targets []*target
	var later []*kube.Object
	// Kinds that a definition among the objects will add are mapped later, when it is served.
	err := d.ask(ctx, func() (err error) {
		targets, later, err = d.place(objects, definedKinds(objects))
		return err
	})
	if err != nil {
		return nil, err
	}
	placed := append(objectsOf(targets), later...)
	var found map[kube.ID]*target
	if first := d.first(); !first {
		targets = d.changed(targets)
	} else if found, err = d.look(ctx, targets); err != nil {
		return nil, err
	}
	d.set.expect(placed, d.set.namespace)
	g, beside := errgroup.WithContext(ctx)
	g.Go(func() error { return d.writeParent(beside) })
	var results []*kube.Object
	g.Go(func() (err error) {
		results, err = d.waves(beside, targets, later, between)
		return err
	})
	err = g.Wait()
	d.tellMigrated()
	if err != nil {
		return results, err
	}
	d.done()
	if d.options.Loose {
		return results, nil
	}
	if err := d.prune(ctx, d.wanted(placed), found); err != nil {
		return results, err
	}
	d.set.shrink(placed, d.set.namespace)
	return results, d.writeParent(ctx)
}

// wanted is the names of the objects; those that were placed late have no namespace yet.
func (d *Deployer) wanted(objects []*kube.Object) map[kube.ID]bool {
	ids := map[kube.ID]bool{}
	for _, o := range objects {
		id := o.ID()
		ids[id] = true
		if id.Namespace == "" {
			id.Namespace = d.cluster.Namespace
			ids[id] = true
		}
	}
	return ids
}

func (d *Deployer) first() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.looked
}

func (d *Deployer) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looked = true
}

// changed leaves out what this session has sent just so.
func (d *Deployer) changed(targets []*target) []*target {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*target
	for _, t := range targets {
		if s := d.sent[t.id]; s == nil || s.target.digest != t.digest {
			all = append(all, t)
		}
	}
	return all
}

// digestOf is the same for the same content in the same set.
func digestOf(o *kube.Object, set string) (string, error) {
	data, err := json.Marshal(o.Object) // sorts its keys
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", o.ID(), err)
	}
	sum := sha256.Sum256(append(data, set...))
	return hex.EncodeToString(sum[:12]), nil
}

func objectsOf(targets []*target) []*kube.Object {
	var all []*kube.Object
	for _, t := range targets {
		all = append(all, t.object)
	}
	return all
}

func (d *Deployer) tell(id kube.ID, action string) {
	d.sink.Send(event.Applied{Object: id.String(), Namespace: id.Namespace, Action: action})
}

// runKey is Skaffold's label for what a run has deployed.
const runKey = "skaffold.dev/run-id"

// warnAgain tells a thing whenever it happens.
func (d *Deployer) warnAgain(format string, args ...any) {
	d.sink.Send(event.Note{Text: fmt.Sprintf(format, args...), Warn: true})
}

// warn tells a thing once in a session.
func (d *Deployer) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.mu.Lock()
	known := d.trouble[text]
	d.trouble[text] = true
	d.mu.Unlock()
	if !known {
		d.sink.Send(event.Note{Text: text, Warn: true})
	}
}

func (d *Deployer) note(text string) { d.sink.Send(event.Note{Text: text}) }
