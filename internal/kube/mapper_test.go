package kube

import (
	"errors"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/restmapper"
)

// served is an API that counts how often it is asked for its kinds.
type served struct {
	groups []*restmapper.APIGroupResources
	asked  int
	err    error
}

func (s *served) fetch() ([]*restmapper.APIGroupResources, error) {
	s.asked++
	return s.groups, s.err
}

func (s *served) add(group, version string, r metav1.APIResource) {
	v := metav1.GroupVersionForDiscovery{GroupVersion: schema.GroupVersion{Group: group, Version: version}.String(), Version: version}
	s.groups = append(s.groups, &restmapper.APIGroupResources{
		Group:              metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v},
		VersionedResources: map[string][]metav1.APIResource{version: {r}},
	})
}

func TestTheMapperAsksOnceAndAgainForWhatItDoesNotKnow(t *testing.T) {
	s := &served{}
	s.add("", "v1", metav1.APIResource{Name: "pods", Kind: "Pod", Namespaced: true})
	cache := filepath.Join(t.TempDir(), "state", "kinds.json")
	m := newMapper(s.fetch, cache)
	pod, boat := schema.GroupKind{Kind: "Pod"}, schema.GroupKind{Group: "boats.example", Kind: "Boat"}
	want := func(what string, asked int, gk schema.GroupKind, known bool) {
		t.Helper()
		_, err := m.RESTMapping(gk)
		if s.asked != asked || (err == nil) != known {
			t.Errorf("%s: asked %d times, want %d; error %v", what, s.asked, asked, err)
		}
	}
	want("first use", 1, pod, true)
	want("second use", 1, pod, true)
	want("a kind that was not there a moment ago", 1, boat, false)
	m = newMapper(s.fetch, cache)
	want("a new process reads the file", 1, pod, true)
	s.add("boats.example", "v1", metav1.APIResource{Name: "boats", Kind: "Boat"})
	want("a kind that the file does not have", 2, boat, true)
	m.Reset()
	want("after a reset", 3, pod, true)
	m = newMapper(s.fetch, "")
	s.err = errors.New("down")
	if _, err := m.RESTMapping(pod); err == nil || meta.IsNoMatchError(err) {
		t.Errorf("a server that is down: %v", err)
	}
}
