// Package kubetest is a Kubernetes API server in memory: tests of what applies, prunes and waits talk to it over HTTP with the real clients.
//
// It keeps field ownership as the real one does, with the library of the real one; it has get, list, watch, create, apply,
// merge patch and delete, and the few rules that the project depends on: namespaces must be there, some fields are
// immutable, finalizers hold a deletion. It has no controllers: Put plays their part.
package kubetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Request is what a client asks for.
type Request struct{ Verb, Resource, Namespace, Name string }

// String is "PATCH deployments/web".
func (r Request) String() string {
	if r.Name == "" {
		return r.Verb + " " + r.Resource
	}
	return r.Verb + " " + r.Resource + "/" + r.Name
}

// Server is the API server. Its zero value is of no use; New starts one.
type Server struct {
	url        string
	disconnect func()

	mu       sync.Mutex
	objects  map[string]*unstructured.Unstructured
	kinds    []kind
	version  int64
	history  []change
	changed  chan struct{} // closed and replaced with every change
	requests []Request
	refuse   func(Request) *apierrors.StatusError
	answered func(Request)
	logs     map[string]string
	watches  map[string]int
}

// change is one entry of what watches are told.
type change struct {
	version int64
	action  string // ADDED, MODIFIED, DELETED
	kind    kind
	object  *unstructured.Unstructured
}

// New starts a server with the namespace "default" that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{objects: map[string]*unstructured.Unstructured{}, kinds: slices.Clone(builtin), changed: make(chan struct{}), logs: map[string]string{}, watches: map[string]int{}}
	h := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		h.CloseClientConnections() // watches never end by themselves
		h.Close()
	})
	s.url, s.disconnect = h.URL, h.CloseClientConnections
	s.Put("{apiVersion: v1, kind: Namespace, metadata: {name: default}}")
	return s
}

// Cluster is a connection to the server with the namespace "default".
func (s *Server) Cluster(t testing.TB) *kube.Cluster {
	t.Helper()
	config := &rest.Config{Host: s.url, QPS: -1}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &kube.Cluster{
		Context: "kubetest", Namespace: "default", Host: s.url, Config: config,
		Typed: typed, Dynamic: dyn, Mapper: newMapper(s),
	}
}

// Put creates or replaces the objects of a manifest, as a controller or another person would: status and all. What it does
// not say of an object that is there (uid, ownership, labels) stays. It panics at a manifest that cannot be read.
func (s *Server) Put(manifest string) {
	objects, err := kube.ReadObjects("kubetest", []byte(manifest))
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range objects {
		k, ok := s.kindOf(o.GroupVersionKind())
		if !ok {
			panic("kubetest has no kind " + o.GroupVersionKind().String())
		}
		if k.namespaced && o.GetNamespace() == "" {
			o.SetNamespace("default")
		}
		merged := &o.Unstructured
		if old := s.objects[k.key(o.GetNamespace(), o.GetName())]; old != nil {
			merged = old.DeepCopy()
			merge(merged.Object, o.Object)
		}
		s.store(k, merged)
	}
}

// Find is a copy of an object, nil when it is not there. The namespace "" means "default" where the kind has one.
func (s *Server) Find(kindName, namespace, name string) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kinds {
		if k.gvk.Kind != kindName {
			continue
		}
		ns := namespace
		if k.namespaced && ns == "" {
			ns = "default"
		}
		if o := s.objects[k.key(ns, name)]; o != nil {
			return o.DeepCopy()
		}
	}
	return nil
}

// Drop removes an object at once, finalizers or not.
func (s *Server) Drop(kindName, namespace, name string) {
	o := s.Find(kindName, namespace, name)
	if o == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.kindOf(o.GroupVersionKind()); ok {
		s.erase(k, o)
	}
}

// Requests lists what was asked for since the last call, but for watches, sorted.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.requests {
		all = append(all, r.String())
	}
	s.requests = nil
	slices.Sort(all)
	return all
}

// Refuse sets the function that may answer a request with an error; nil lets all pass.
func (s *Server) Refuse(f func(Request) *apierrors.StatusError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

// Answered sets the function that is called when a request has been done, before its answer is sent; nil: none.
func (s *Server) Answered(f func(Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = f
}

// Watching says whether a watch of the resource is open.
func (s *Server) Watching(resource string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches[resource] > 0
}

// Disconnect cuts every connection, as a server that restarts does.
func (s *Server) Disconnect() { s.disconnect() }

// Log sets what the log of a pod's container is.
func (s *Server) Log(pod, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs[pod] = text
}

// store keeps an object and tells the watches. The caller holds the lock.
func (s *Server) store(k kind, o *unstructured.Unstructured) {
	key := k.key(o.GetNamespace(), o.GetName())
	old := s.objects[key]
	action := "MODIFIED"
	if old == nil {
		action = "ADDED"
		o.SetUID(types.UID(uuid.NewUUID()))
		if at := o.GetCreationTimestamp(); at.IsZero() {
			o.SetCreationTimestamp(now())
		}
		o.SetGeneration(1)
	} else if !equal(old.Object["spec"], o.Object["spec"]) {
		o.SetGeneration(old.GetGeneration() + 1)
	}
	s.version++
	o.SetResourceVersion(strconv.FormatInt(s.version, 10))
	s.objects[key] = o.DeepCopy()
	if o.GetKind() == "CustomResourceDefinition" {
		s.define(o)
	}
	s.tell(change{s.version, action, k, o.DeepCopy()})
}

func (s *Server) erase(k kind, o *unstructured.Unstructured) {
	delete(s.objects, k.key(o.GetNamespace(), o.GetName()))
	s.version++
	gone := o.DeepCopy()
	gone.SetResourceVersion(strconv.FormatInt(s.version, 10))
	s.tell(change{s.version, "DELETED", k, gone})
}

func (s *Server) tell(c change) {
	s.history = append(s.history, c)
	close(s.changed)
	s.changed = make(chan struct{})
}

// merge is a JSON merge patch (RFC 7386): null removes a key.
func merge(into, from map[string]any) {
	for k, v := range from {
		if v == nil {
			delete(into, k)
			continue
		}
		if m, ok := v.(map[string]any); ok {
			if old, ok := into[k].(map[string]any); ok {
				merge(old, m)
				continue
			}
		}
		into[k] = v
	}
}

func equal(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
