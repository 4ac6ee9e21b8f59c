package kubetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// call is a request, taken apart.
type call struct {
	Request
	kind        kind
	subresource string
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c, err := s.parse(r)
	if err != nil {
		fail(w, err)
		return
	}
	if r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1" {
		if err := s.admit(c, false); err != nil {
			fail(w, err)
			return
		}
		s.watch(w, r, c)
		return
	}
	if err := s.admit(c, true); err != nil {
		fail(w, err)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	answer, code, err := s.act(r, c, body)
	data, merr := json.Marshal(answer) // it is part of the store
	answered := s.answered
	s.mu.Unlock()
	if answered != nil {
		answered(c.Request)
	}
	if err == nil {
		err = merr
	}
	if err != nil {
		fail(w, err)
		return
	}
	if text, ok := answer.(string); ok {
		_, _ = io.WriteString(w, text)
		return
	}
	reply(w, code, json.RawMessage(data))
}

func (s *Server) admit(c call, keep bool) error {
	s.mu.Lock()
	refuse := s.refuse
	if keep {
		s.requests = append(s.requests, c.Request)
	}
	s.mu.Unlock()
	if refuse != nil {
		if err := refuse(c.Request); err != nil {
			return err
		}
	}
	return nil
}

// parse reads /api/v1/namespaces/NS/RESOURCE/NAME/SUB and its shorter forms.
func (s *Server) parse(r *http.Request) (call, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var group, version string
	switch {
	case len(parts) > 2 && parts[0] == "api":
		version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, version, parts = parts[1], parts[2], parts[3:]
	default:
		return call{}, apierrors.NewNotFound(schema.GroupResource{}, r.URL.Path)
	}
	c := call{Request: Request{Verb: r.Method}}
	if parts[0] == "namespaces" && len(parts) > 2 {
		c.Namespace, parts = parts[1], parts[2:]
	}
	c.Resource = parts[0]
	if len(parts) > 1 {
		c.Name = parts[1]
	}
	if len(parts) > 2 {
		c.subresource = parts[2]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.resource(group, version, c.Resource)
	if !ok {
		return c, apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, schema.GroupResource{Group: group, Resource: c.Resource}, c.Name, "the server could not find the requested resource", 0, false)
	}
	c.kind = k
	return c, nil
}

func (s *Server) act(r *http.Request, c call, body []byte) (any, int, error) {
	q := r.URL.Query()
	if c.Verb == http.MethodGet && c.Name == "" {
		return s.list(c, selector(q.Get("labelSelector"), q.Get("fieldSelector"))), http.StatusOK, nil
	}
	old := s.objects[c.kind.key(c.Namespace, c.Name)]
	missing := apierrors.NewNotFound(schema.GroupResource{Group: c.kind.gvk.Group, Resource: c.Resource}, c.Name)
	switch {
	case c.subresource == "log":
		return s.logs[c.Name], http.StatusOK, nil
	case c.Verb == http.MethodPatch && r.Header.Get("Content-Type") == string(types.ApplyPatchType):
		patch := &unstructured.Unstructured{}
		if err := utiljson.Unmarshal(body, &patch.Object); err != nil {
			return nil, 0, apierrors.NewBadRequest(err.Error())
		}
		o := applyOptions{q.Get("fieldManager"), q.Get("force") == "true", q.Get("dryRun") == metav1.DryRunAll}
		return values(s.apply(c.kind, c.Namespace, c.Name, o, patch))
	case c.Verb == http.MethodPost:
		return s.create(c, body)
	case old == nil:
		return nil, 0, missing
	case c.Verb == http.MethodGet:
		return old.Object, http.StatusOK, nil
	case c.Verb == http.MethodPatch && r.Header.Get("Content-Type") == string(types.MergePatchType):
		patch := map[string]any{}
		if err := utiljson.Unmarshal(body, &patch); err != nil {
			return nil, 0, apierrors.NewBadRequest(err.Error())
		}
		patched := old.DeepCopy()
		merge(patched.Object, patch)
		if patched.GetDeletionTimestamp() != nil && len(patched.GetFinalizers()) == 0 {
			s.erase(c.kind, old)
			return patched.Object, http.StatusOK, nil
		}
		s.store(c.kind, patched)
		return patched.Object, http.StatusOK, nil
	case c.Verb == http.MethodPatch && r.Header.Get("Content-Type") == string(types.JSONPatchType):
		patched, err := replaced(old, body)
		if err != nil {
			return nil, 0, err
		}
		s.store(c.kind, patched)
		return patched.Object, http.StatusOK, nil
	case c.Verb == http.MethodDelete:
		var options metav1.DeleteOptions
		_ = json.Unmarshal(body, &options) // a body is not required
		return old.Object, http.StatusOK, s.remove(c.kind, old, options)
	}
	return nil, 0, apierrors.NewMethodNotSupported(schema.GroupResource{Resource: c.Resource}, c.Verb)
}

func values(o *unstructured.Unstructured, code int, err error) (any, int, error) {
	if err != nil {
		return nil, 0, err
	}
	return o.Object, code, nil
}

func (s *Server) create(c call, body []byte) (any, int, error) {
	o := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(body, &o.Object); err != nil {
		return nil, 0, apierrors.NewBadRequest(err.Error())
	}
	if err := s.checkNamespace(c.kind, c.Namespace); err != nil {
		return nil, 0, err
	}
	o.SetGroupVersionKind(c.kind.gvk)
	o.SetNamespace(c.Namespace)
	if s.objects[c.kind.key(c.Namespace, o.GetName())] != nil {
		return nil, 0, apierrors.NewAlreadyExists(schema.GroupResource{Resource: c.Resource}, o.GetName())
	}
	s.store(c.kind, o)
	return o.Object, http.StatusCreated, nil
}

func (s *Server) list(c call, want func(*unstructured.Unstructured) bool) any {
	items := []any{}
	for _, o := range s.matching(c, want) {
		items = append(items, o.Object)
	}
	return map[string]any{
		"apiVersion": c.kind.gvk.GroupVersion().String(), "kind": c.kind.gvk.Kind + "List",
		"metadata": map[string]any{"resourceVersion": strconv.FormatInt(s.version, 10)}, "items": items,
	}
}

func (s *Server) matching(c call, want func(*unstructured.Unstructured) bool) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, o := range s.objects {
		if o.GroupVersionKind() == c.kind.gvk && (c.Namespace == "" || o.GetNamespace() == c.Namespace) && want(o) {
			all = append(all, o)
		}
	}
	sort.Slice(all, func(i, j int) bool {
		return all[i].GetNamespace()+"/"+all[i].GetName() < all[j].GetNamespace()+"/"+all[j].GetName()
	})
	return all
}

// selector takes any field by its path, where the real server takes few.
func selector(label, field string) func(*unstructured.Unstructured) bool {
	ls, err := labels.Parse(label)
	if err != nil {
		ls = labels.Nothing()
	}
	fs := fields.ParseSelectorOrDie(field)
	return func(o *unstructured.Unstructured) bool {
		for _, r := range fs.Requirements() {
			v, _, _ := unstructured.NestedString(o.Object, strings.Split(r.Field, ".")...)
			if v != r.Value {
				return false
			}
		}
		return ls.Matches(labels.Set(o.GetLabels()))
	}
}

// watch streams changes until the client goes.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, c call) {
	q := r.URL.Query()
	want := selector(q.Get("labelSelector"), q.Get("fieldSelector"))
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	send := func(action string, o map[string]any) {
		_ = out.Encode(map[string]any{"type": action, "object": o}) // a client that is gone ends r's context
	}
	from, _ := strconv.ParseInt(q.Get("resourceVersion"), 10, 64)
	s.mu.Lock()
	if q.Get("sendInitialEvents") == "true" {
		from = s.initial(c, want, send)
	}
	s.watches[c.Resource]++
	for {
		for _, ch := range s.history {
			if ch.version > from && ch.kind.gvk == c.kind.gvk && (c.Namespace == "" || ch.object.GetNamespace() == c.Namespace) && want(ch.object) {
				send(ch.action, ch.object.Object)
			}
		}
		from = s.version
		changed := s.changed
		s.mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			s.mu.Lock()
			s.watches[c.Resource]--
			s.mu.Unlock()
			return
		case <-changed:
		}
		s.mu.Lock()
	}
}

// initial sends what is there, and the mark of its end.
func (s *Server) initial(c call, want func(*unstructured.Unstructured) bool, send func(string, map[string]any)) int64 {
	for _, o := range s.matching(c, want) {
		send("ADDED", o.Object)
	}
	send("BOOKMARK", map[string]any{
		"apiVersion": c.kind.gvk.GroupVersion().String(), "kind": c.kind.gvk.Kind,
		"metadata": map[string]any{
			"resourceVersion": strconv.FormatInt(s.version, 10), "annotations": map[string]any{metav1.InitialEventsAnnotationKey: "true"},
		},
	})
	return s.version
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no answer
}

func fail(w http.ResponseWriter, err error) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		status = apierrors.NewInternalError(fmt.Errorf("kubetest: %w", err))
	}
	s := status.Status()
	s.APIVersion, s.Kind = "v1", "Status"
	reply(w, int(s.Code), s)
}
