package kubetest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
)

// applyOptions are those of the request that matter.
type applyOptions struct {
	manager       string
	force, dryRun bool
}

// apply is server-side apply. The caller holds the lock.
func (s *Server) apply(k kind, namespace, name string, o applyOptions, patch *unstructured.Unstructured) (*unstructured.Unstructured, int, error) {
	if err := s.checkNamespace(k, namespace); err != nil {
		return nil, 0, err
	}
	fields, err := fieldManager(k)
	if err != nil {
		return nil, 0, err
	}
	old := s.objects[k.key(namespace, name)]
	code := http.StatusOK
	live := old.DeepCopy()
	if old == nil {
		code = http.StatusCreated
		live = &unstructured.Unstructured{}
		live.SetGroupVersionKind(k.gvk)
	}
	patch.SetNamespace(namespace)
	made, err := fields.Apply(live, patch, o.manager, o.force)
	if err != nil {
		if apierrors.IsConflict(err) {
			return nil, 0, err
		}
		return nil, 0, apierrors.NewBadRequest(err.Error())
	}
	object := made.(*unstructured.Unstructured)
	object.SetNamespace(namespace)
	object.SetName(name)
	if old != nil {
		if err := immutable(k, old, object); err != nil {
			return nil, 0, err
		}
		if same(old, object) {
			return old.DeepCopy(), code, nil
		}
	}
	if o.dryRun {
		return object, code, nil
	}
	s.store(k, object)
	return object, code, nil
}

// replaced is a JSON patch of replacements, which is all that our clients send. A resource version that is not the object's
// refuses it, as in the store of the real server.
func replaced(old *unstructured.Unstructured, patch []byte) (*unstructured.Unstructured, error) {
	var ops []struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	if err := utiljson.Unmarshal(patch, &ops); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	o := old.DeepCopy()
	for _, op := range ops {
		if op.Op != "replace" {
			return nil, apierrors.NewBadRequest("kubetest knows no op " + op.Op)
		}
		if op.Path == "/metadata/resourceVersion" && op.Value != old.GetResourceVersion() {
			return nil, apierrors.NewConflict(schema.GroupResource{Resource: old.GetKind()}, old.GetName(), errors.New("the object has been modified"))
		}
		if err := unstructured.SetNestedField(o.Object, op.Value, strings.Split(op.Path, "/")[1:]...); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	}
	return o, nil
}

func (s *Server) checkNamespace(k kind, namespace string) error {
	if !k.namespaced {
		return nil
	}
	for _, n := range s.kinds {
		if n.gvk.Kind == "Namespace" && s.objects[n.key("", namespace)] != nil {
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, namespace)
}

// same leaves out the times of ownership: an apply that changes nothing is none.
func same(a, b *unstructured.Unstructured) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, o := range []*unstructured.Unstructured{a, b} {
		entries := o.GetManagedFields()
		for i := range entries {
			entries[i].Time = nil
		}
		o.SetManagedFields(entries)
		o.SetResourceVersion("")
	}
	return equal(a.Object, b.Object)
}

// immutable has the rules of the real server that matter to a deployer.
func immutable(k kind, old, now *unstructured.Unstructured) error {
	refuse := func(path, text string) error {
		return apierrors.NewInvalid(k.gvk.GroupKind(), now.GetName(), field.ErrorList{field.Forbidden(field.NewPath(path), text)})
	}
	switch k.gvk.Kind {
	case "Pod":
		if !equal(withoutImages(old), withoutImages(now)) {
			return refuse("spec", "pod updates may not change fields other than `spec.containers[*].image`\n{a dump}")
		}
	case "StatefulSet":
		if !equal(withoutTemplate(old), withoutTemplate(now)) {
			return refuse("spec", "updates to statefulset spec for fields other than 'replicas', 'template' are forbidden")
		}
	case "Job", "Deployment":
		path := map[string]string{"Job": "template", "Deployment": "selector"}[k.gvk.Kind]
		a, _, _ := unstructured.NestedFieldNoCopy(old.Object, "spec", path)
		b, _, _ := unstructured.NestedFieldNoCopy(now.Object, "spec", path)
		if !equal(a, b) {
			return refuse("spec."+path, "field is immutable")
		}
	case "PersistentVolumeClaim":
		if !equal(old.Object["spec"], now.Object["spec"]) {
			return refuse("spec", "spec is immutable after creation")
		}
	}
	return nil
}

func withoutImages(o *unstructured.Unstructured) any {
	spec, _, _ := unstructured.NestedMap(o.Object, "spec")
	list, _ := spec["containers"].([]any)
	for _, c := range list {
		delete(c.(map[string]any), "image")
	}
	return spec
}

func fieldManager(k kind) (*managedfields.FieldManager, error) {
	converter := applyconfigurations.NewTypeConverter(scheme.Scheme)
	if k.custom || k.gvk.Group == "apiextensions.k8s.io" {
		converter = managedfields.NewDeducedTypeConverter()
	}
	return managedfields.NewDefaultFieldManager(converter, asIs{}, asIs{}, asIs{}, k.gvk, k.gvk.GroupVersion(), "", nil)
}

// asIs stands for all that the server does between the versions of a kind: here, each has one.
type asIs struct{}

// Convert is part of runtime.ObjectConvertor.
func (asIs) Convert(_, _, _ any) error { return fmt.Errorf("kubetest converts nothing") }

// ConvertToVersion is part of runtime.ObjectConvertor.
func (asIs) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

// ConvertFieldLabel is part of runtime.ObjectConvertor.
func (asIs) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

// Default is part of runtime.ObjectDefaulter.
func (asIs) Default(runtime.Object) {}

// New is part of runtime.ObjectCreater.
func (asIs) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	return o, nil
}

func now() metav1.Time { return metav1.Time{Time: time.Now()} }

// remove deletes an object, or marks it where finalizers hold it. The caller holds the lock.
func (s *Server) remove(k kind, o *unstructured.Unstructured, options metav1.DeleteOptions) error {
	if p := options.Preconditions; p != nil && p.UID != nil && *p.UID != o.GetUID() {
		return apierrors.NewConflict(schema.GroupResource{Group: k.gvk.Group, Resource: k.resource}, o.GetName(), fmt.Errorf("the uid is another"))
	}
	if len(o.GetFinalizers()) > 0 {
		if o.GetDeletionTimestamp() == nil {
			held := o.DeepCopy()
			at := now()
			held.SetDeletionTimestamp(&at)
			s.store(k, held)
		}
		return nil
	}
	s.erase(k, o)
	if o.GetKind() != "Namespace" {
		return nil
	}
	for key, inside := range s.objects {
		if inside.GetNamespace() == o.GetName() {
			if inner, ok := s.kindOf(inside.GroupVersionKind()); ok && strings.HasSuffix(key, "/"+inside.GetName()) {
				s.erase(inner, inside)
			}
		}
	}
	return nil
}

// withoutTemplate is what of a StatefulSet stays for ever.
func withoutTemplate(o *unstructured.Unstructured) any {
	spec, _, _ := unstructured.NestedMap(o.Object, "spec")
	delete(spec, "template")
	delete(spec, "replicas")
	return spec
}
