package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// applySet is the record of which objects belong together, as KEP-3659 specifies it: a ConfigMap in the session's
// namespace names the kinds and namespaces in which to look, a label on each object says that it belongs.
//
// The ConfigMap's name has a digest of project and owner, and the label's value is made from the name: a colleague with
// the same project in the same namespace has another record, and prunes by it only what bears its label.
type applySet struct {
	name, namespace, id string

	mu      sync.Mutex
	exists  bool
	found   bool     // it was there before this session
	written bool     // this session has sent it, answered or not
	there   contents // as the server has it
	want    contents
}

// contents is where members can be.
type contents struct{ kinds, namespaces map[string]bool }

const (
	setLabel      = "applyset.kubernetes.io/id"
	setTooling    = "applyset.kubernetes.io/tooling"
	setKinds      = "applyset.kubernetes.io/contains-group-kinds"
	setNamespaces = "applyset.kubernetes.io/additional-namespaces"
	tooling       = "skiff/v1"
)

var (
	parentResource = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	notNameText    = regexp.MustCompile(`[^a-z0-9]+`)
)

func newApplySet(namespace, project, owner string) *applySet {
	slug := strings.Trim(notNameText.ReplaceAllString(strings.ToLower(project), "-"), "-")
	if slug == "" {
		slug = "project"
	}
	slug = strings.Trim(slug[:min(len(slug), 40)], "-")
	key := sha256.Sum256([]byte(project + "\n" + owner))
	s := &applySet{name: "skiff-" + slug + "-" + hex.EncodeToString(key[:5]), namespace: namespace}
	// <name>.<namespace>.<kind>.<group>, as the specification says.
	sum := sha256.Sum256([]byte(s.name + "." + namespace + ".ConfigMap."))
	s.id = "applyset-" + base64.RawURLEncoding.EncodeToString(sum[:]) + "-v1"
	return s
}

func newContents() contents { return contents{map[string]bool{}, map[string]bool{}} }

func contentsOf(objects []*kube.Object, namespace string) contents {
	c := newContents()
	for _, o := range objects {
		c.kinds[o.GroupVersionKind().GroupKind().String()] = true
		if ns := o.GetNamespace(); ns != "" && ns != namespace {
			c.namespaces[ns] = true
		}
	}
	return c
}

func (c contents) equal(other contents) bool {
	return maps.Equal(c.kinds, other.kinds) && maps.Equal(c.namespaces, other.namespaces)
}

// expect widens the record by what is about to be applied: a member must never be where nobody would look for it.
func (s *applySet) expect(objects []*kube.Object, namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = contentsOf(objects, namespace)
	maps.Copy(s.want.kinds, s.there.kinds)
	maps.Copy(s.want.namespaces, s.there.namespaces)
}

// shrink narrows the record to the members that are left.
func (s *applySet) shrink(objects []*kube.Object, namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = contentsOf(objects, namespace)
}

// readParent loads the record. A server that does not let us see has none.
func (d *Deployer) readParent(ctx context.Context) error {
	var got *unstructured.Unstructured
	err := d.ask(ctx, func() (err error) {
		got, err = d.cluster.Dynamic.Resource(parentResource).Namespace(d.set.namespace).Get(ctx, d.set.name, metav1.GetOptions{})
		return err
	})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	s := d.set
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists, s.found, s.there = true, true, newContents()
	for _, k := range split(got.GetAnnotations()[setKinds]) {
		s.there.kinds[k] = true
	}
	for _, ns := range split(got.GetAnnotations()[setNamespaces]) {
		s.there.namespaces[ns] = true
	}
	return nil
}

func split(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

// writeParent brings the record up to date, if it is not. It fails only with ctx: without the record, objects that leave
// the manifests between two sessions stay, and that is told.
func (d *Deployer) writeParent(ctx context.Context) error {
	s := d.set
	s.mu.Lock()
	want, done := s.want, s.exists && s.want.equal(s.there)
	s.mu.Unlock()
	if done || len(want.kinds) == 0 || d.options.Loose {
		return nil
	}
	data, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": s.name, "namespace": s.namespace,
			"labels": map[string]any{setLabel: s.id},
			"annotations": map[string]any{
				setTooling: tooling, setKinds: list(want.kinds), setNamespaces: list(want.namespaces),
			},
		},
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.written = true
	s.mu.Unlock()
	force := true
	err = d.ask(ctx, func() error {
		_, err := d.cluster.Dynamic.Resource(parentResource).Namespace(s.namespace).Patch(ctx, s.name, types.ApplyPatchType, data,
			metav1.PatchOptions{FieldManager: kube.FieldManager, Force: &force})
		return err
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case apierrors.IsNotFound(err):
		// The namespace is made in this very pass; Apply writes once more at its end.
		return nil
	case apierrors.IsForbidden(err):
		d.warn("ConfigMap %s/%s cannot be written, so objects that leave the manifests are only deleted while this session runs", s.namespace, s.name)
		return nil
	case err != nil:
		d.warn("ConfigMap %s/%s: %v", s.namespace, s.name, err)
		return nil
	}
	s.mu.Lock()
	s.exists, s.there = true, want
	s.mu.Unlock()
	return nil
}

func (d *Deployer) deleteParent(ctx context.Context) error {
	err := d.ask(ctx, func() error {
		return d.cluster.Dynamic.Resource(parentResource).Namespace(d.set.namespace).Delete(ctx, d.set.name, metav1.DeleteOptions{})
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
		return err
	}
	d.set.mu.Lock()
	d.set.exists, d.set.there = false, newContents()
	d.set.mu.Unlock()
	return nil
}

func list(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), ",") }
