package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/restmapper"
)

const (
	// cacheAge bounds how long a removed or renamed kind can be believed in. A new kind is found at once: a kind that is
	// not in the list makes the list be fetched again.
	cacheAge = 12 * time.Hour
	// missAge keeps a manifest with a misspelt kind from fetching the list for every object.
	missAge = 2 * time.Second
)

// mapper knows which kinds the cluster serves. It asks once, when first used; a kind that it does not know makes it ask
// again. With a file, even a new process needs not ask.
type mapper struct {
	fetch func() ([]*restmapper.APIGroupResources, error)
	file  string

	mu      sync.Mutex
	inner   meta.RESTMapper
	fetched time.Time // zero: inner comes from the file
}

var _ meta.ResettableRESTMapper = (*mapper)(nil)

func newMapper(fetch func() ([]*restmapper.APIGroupResources, error), file string) *mapper {
	return &mapper{fetch: fetch, file: file}
}

// cacheFile has a name that no other cluster has, and that tells nothing.
func cacheFile(stateDir, host, context string) string {
	if stateDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(host + "\n" + context))
	return filepath.Join(stateDir, "kinds-"+hex.EncodeToString(sum[:8])+".json")
}

// Reset forgets what is known, on disk too.
func (m *mapper) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inner, m.fetched = nil, time.Time{}
	if m.file != "" {
		// A file that cannot be removed is overwritten by the next fetch, or not read for the same reason.
		_ = os.Remove(m.file)
	}
}

// current is the mapper to use; after a miss it is a fresh one, unless the last fetch is just over.
func (m *mapper) current(missed bool) (inner meta.RESTMapper, fresh bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if missed && time.Since(m.fetched) < missAge {
		return m.inner, false, nil
	}
	if m.inner == nil && !missed {
		if groups := m.read(); groups != nil {
			m.inner = restmapper.NewDiscoveryRESTMapper(groups)
		}
	}
	if m.inner != nil && !missed {
		return m.inner, false, nil
	}
	groups, err := m.fetch()
	if err != nil {
		return nil, false, err
	}
	m.inner, m.fetched = restmapper.NewDiscoveryRESTMapper(groups), time.Now()
	m.write(groups)
	return m.inner, true, nil
}

func (m *mapper) read() []*restmapper.APIGroupResources {
	if m.file == "" {
		return nil
	}
	info, err := os.Stat(m.file)
	if err != nil || time.Since(info.ModTime()) > cacheAge {
		return nil
	}
	data, err := os.ReadFile(m.file)
	if err != nil {
		return nil
	}
	var groups []*restmapper.APIGroupResources
	if json.Unmarshal(data, &groups) != nil || len(groups) == 0 {
		return nil
	}
	return groups
}

// write replaces the file in one step. It is only a cache: a folder that cannot be written costs the next start a request.
func (m *mapper) write(groups []*restmapper.APIGroupResources) {
	if m.file == "" {
		return
	}
	data, err := json.Marshal(groups)
	if err != nil || os.MkdirAll(filepath.Dir(m.file), 0o700) != nil {
		return
	}
	tmp, err := os.CreateTemp(filepath.Dir(m.file), ".kinds-*")
	if err != nil {
		return
	}
	_, werr := tmp.Write(data)
	if cerr := tmp.Close(); werr != nil || cerr != nil || os.Rename(tmp.Name(), m.file) != nil {
		_ = os.Remove(tmp.Name())
	}
}

// ask runs one question, and once more with a fresh list when the kind is not known.
func ask[T any](m *mapper, question func(meta.RESTMapper) (T, error)) (T, error) {
	var zero T
	inner, fresh, err := m.current(false)
	if err != nil {
		return zero, err
	}
	answer, err := question(inner)
	if fresh || !meta.IsNoMatchError(err) {
		return answer, err
	}
	if inner, fresh, ferr := m.current(true); ferr != nil {
		return zero, ferr
	} else if fresh {
		return question(inner)
	}
	return answer, err
}

// KindFor is part of meta.RESTMapper.
func (m *mapper) KindFor(r schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	return ask(m, func(i meta.RESTMapper) (schema.GroupVersionKind, error) { return i.KindFor(r) })
}

// KindsFor is part of meta.RESTMapper.
func (m *mapper) KindsFor(r schema.GroupVersionResource) ([]schema.GroupVersionKind, error) {
	return ask(m, func(i meta.RESTMapper) ([]schema.GroupVersionKind, error) { return i.KindsFor(r) })
}

// ResourceFor is part of meta.RESTMapper.
func (m *mapper) ResourceFor(r schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	return ask(m, func(i meta.RESTMapper) (schema.GroupVersionResource, error) { return i.ResourceFor(r) })
}

// ResourcesFor is part of meta.RESTMapper.
func (m *mapper) ResourcesFor(r schema.GroupVersionResource) ([]schema.GroupVersionResource, error) {
	return ask(m, func(i meta.RESTMapper) ([]schema.GroupVersionResource, error) { return i.ResourcesFor(r) })
}

// RESTMapping is part of meta.RESTMapper.
func (m *mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	return ask(m, func(i meta.RESTMapper) (*meta.RESTMapping, error) { return i.RESTMapping(gk, versions...) })
}

// RESTMappings is part of meta.RESTMapper.
func (m *mapper) RESTMappings(gk schema.GroupKind, versions ...string) ([]*meta.RESTMapping, error) {
	return ask(m, func(i meta.RESTMapper) ([]*meta.RESTMapping, error) { return i.RESTMappings(gk, versions...) })
}

// ResourceSingularizer is part of meta.RESTMapper.
func (m *mapper) ResourceSingularizer(resource string) (string, error) {
	return ask(m, func(i meta.RESTMapper) (string, error) { return i.ResourceSingularizer(resource) })
}
