package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/render"
)

// builder makes images whose digests the test says.
type builder struct {
	digests map[string]string        // by artifact
	gates   map[string]chan struct{} // a build waits for its gate
	begun   chan string
}

func (builder) Name() string { return "fake" }

func (builder) Settings(image.Request) (any, error) { return nil, nil }

func (builder) Inputs(context.Context, *config.Artifact) (image.Inputs, error) {
	return nil, errors.New("none")
}

func (b builder) Build(ctx context.Context, r image.Request, _ func(string)) (image.Result, error) {
	name := r.Artifact.Image
	if b.begun != nil {
		b.begun <- name
	}
	if gate := b.gates[name]; gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return image.Result{}, ctx.Err()
		}
	}
	digest := b.digests[name]
	if digest == "" {
		return image.Result{}, errors.New("cannot build " + name)
	}
	return image.Result{Ref: r.Ref + "@" + digest, Digest: digest, Pushed: true}, nil
}

// manifests is a Source of what the test says.
type manifests struct {
	text string
	err  error
}

func (m *manifests) Objects(context.Context, render.Input) (render.Read, error) {
	if m.err != nil {
		return render.Read{}, m.err
	}
	objects, err := kube.ReadObjects("test.yaml", []byte(m.text))
	return render.Read{Objects: objects, Warnings: []string{"a remark"}}, err
}

func (*manifests) Watch() render.Watch { return render.Watch{} }

const pods = `
kind: Pod
apiVersion: v1
metadata: {name: web}
spec: {containers: [{name: web, image: web}]}
---
kind: Pod
apiVersion: v1
metadata: {name: api}
spec: {containers: [{name: api, image: api}]}
`

type setup struct {
	line    *pipeline.Line
	builder builder
	source  *manifests
	server  *kubetest.Server
	tag     string
	notes   []string
}

func line(t *testing.T) *setup {
	s := &setup{
		builder: builder{digests: map[string]string{"web": "sha256:" + strings.Repeat("a", 64), "api": "sha256:" + strings.Repeat("b", 64)}, gates: map[string]chan struct{}{}},
		source:  &manifests{text: pods}, server: kubetest.New(t), tag: "1",
	}
	cluster := s.server.Cluster(t)
	c := &config.Config{}
	for _, name := range []string{"web", "api"} {
		c.Build.Artifacts = append(c.Build.Artifacts, &config.Artifact{Image: name, Config: c})
	}
	sink := event.SinkFunc(func(e event.Event) {
		if n, ok := e.(event.Note); ok {
			s.notes = append(s.notes, n.Text)
		}
	})
	s.line = &pipeline.Line{
		Project: &config.Project{Configs: []*config.Config{c}}, Sink: sink,
		Names: func(_ context.Context, artifacts []*config.Artifact) ([]string, error) {
			var refs []string
			for _, a := range artifacts {
				refs = append(refs, "registry/"+a.Image+":"+s.tag)
			}
			return refs, nil
		},
		Images: image.Set{Builders: func(*config.Artifact) (image.Builder, error) { return s.builder, nil }},
		Render: render.Options{Sources: []render.Source{s.source}},
		Place:  pipeline.Cluster{Deployer: deploy.New(cluster, deploy.Options{Project: "test"}, event.Discard), Kube: cluster, Sink: sink},
	}
	return s
}

func (s *setup) artifacts() []*config.Artifact { return s.line.Project.Artifacts() }

func (s *setup) image(pod string) string {
	o := s.server.Find("Pod", "", pod)
	if o == nil {
		return ""
	}
	return kube.Containers(&kube.Object{Unstructured: *o})[0].Image
}

func names(built []pipeline.Built) []string {
	var all []string
	for _, b := range built {
		all = append(all, b.Image)
	}
	slices.Sort(all)
	return all
}

func TestAPassBuildsRendersAndDeploys(t *testing.T) {
	s := line(t)
	var rendered int
	result, err := s.line.Start(pipeline.Request{
		Build:    s.artifacts(),
		Rendered: func(objects []*kube.Object, _ *kube.Selection) { rendered = len(objects) },
	}).Run(t.Context())
	if err != nil || !result.Deployed {
		t.Fatalf("Run = %+v, %v", result, err)
	}
	if diff := cmp.Diff([]string{"api", "web"}, names(result.Built)); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}
	if got, want := s.image("web"), "registry/web:1@sha256:"+strings.Repeat("a", 64); got != want {
		t.Errorf("the pod runs %s, want %s", got, want)
	}
	if rendered != 2 {
		t.Errorf("%d objects were rendered, want 2", rendered)
	}
	if diff := cmp.Diff([]string{"a remark"}, s.notes); diff != "" {
		t.Errorf("remarks (-want +got):\n%s", diff)
	}
	if _, err := s.line.Start(pipeline.Request{}).Run(t.Context()); err != nil || len(s.notes) != 1 {
		t.Errorf("a second pass: %v, remarks %v, want the same one not again", err, s.notes)
	}
}

func TestTheSameImageUnderAnotherTagKeepsItsReference(t *testing.T) {
	s := line(t)
	if _, err := s.line.Start(pipeline.Request{Build: s.artifacts()}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.image("web")
	s.tag = "2"
	s.builder.digests["api"] = "sha256:" + strings.Repeat("c", 64)
	if _, err := s.line.Start(pipeline.Request{Build: s.artifacts()}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.image("web"); got != before {
		t.Errorf("web runs %s after a build with the same result, want %s", got, before)
	}
	if got, want := s.image("api"), "registry/api:2@sha256:"+strings.Repeat("c", 64); got != want {
		t.Errorf("api runs %s, want %s", got, want)
	}
}

func TestAFailedBuildDeploysNothingAndItsSiblingIsKept(t *testing.T) {
	s := line(t)
	delete(s.builder.digests, "api")
	result, err := s.line.Start(pipeline.Request{Build: s.artifacts()}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "cannot build api") || result.Deployed {
		t.Errorf("Run = %+v, %v", result, err)
	}
	if diff := cmp.Diff([]string{"web"}, names(result.Built)); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}
	if s.image("web") != "" {
		t.Error("something was deployed")
	}
}

func TestStopBuildStopsOneBuildAndNotItsSibling(t *testing.T) {
	s := line(t)
	s.builder.begun = make(chan string, 2)
	s.builder.gates["web"], s.builder.gates["api"] = make(chan struct{}), make(chan struct{})
	pass := s.line.Start(pipeline.Request{Build: s.artifacts()})
	done := make(chan error, 1)
	var result pipeline.Result
	go func() {
		var err error
		result, err = pass.Run(t.Context())
		done <- err
	}()
	<-s.builder.begun
	<-s.builder.begun
	pass.StopBuild("api")
	close(s.builder.gates["web"])
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want it canceled and not failed", err)
	}
	if diff := cmp.Diff([]string{"web"}, names(result.Built)); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}
}

func TestABrokenManifestDeploysNothing(t *testing.T) {
	s := line(t)
	s.source.err = errors.New("no such file")
	result, err := s.line.Start(pipeline.Request{Build: s.artifacts()}).Run(t.Context())
	if err == nil || result.Deployed || s.image("web") != "" {
		t.Errorf("Run = %+v, %v; the pod runs %q", result, err, s.image("web"))
	}
}

func TestAWaitThatWasCutShortIsTakenUpByTheNextPass(t *testing.T) {
	s := line(t)
	s.line.Check = true
	place := s.line.Place.(pipeline.Cluster)
	place.Status.Settle = -1
	place.Status.Deadline = 100 * time.Millisecond
	s.line.Place = place
	first := s.line.Start(pipeline.Request{Build: s.artifacts()})
	first.StopWait()
	if result, err := first.Run(t.Context()); err != nil || !result.Deployed {
		t.Fatalf("the pass that is not to wait: %+v, %v", result, err)
	}
	// Nothing changes in the second pass, but nobody knows yet that the pods run: they never will, there is no kubelet.
	if _, err := s.line.Start(pipeline.Request{}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("the next pass ended with %v, want it to wait for the pods", err)
	}
}

func TestAStoppedPassDoesNotBegin(t *testing.T) {
	s := line(t)
	pass := s.line.Start(pipeline.Request{Build: s.artifacts()})
	pass.Stop()
	if _, err := pass.Run(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
}
