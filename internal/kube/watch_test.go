package kube_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const onePod = "{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s}, spec: {containers: [{name: c, image: %s}]}}"

func TestWatchPodsTellsWhatIsThereAndWhatChanges(t *testing.T) {
	s := kubetest.New(t)
	s.Put("{apiVersion: v1, kind: Namespace, metadata: {name: other}}")
	s.Put(fmt.Sprintf(onePod, "a", "default", "one"))
	s.Put(fmt.Sprintf(onePod, "b", "unwatched", "one"))
	c := s.Cluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	told := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- c.WatchPods(ctx, []string{"", "other", "default"}, func(e kube.PodEvent) {
			select {
			case told <- fmt.Sprintf("%s/%s %s deleted=%v", e.Pod.Namespace, e.Pod.Name, e.Pod.Spec.Containers[0].Image, e.Deleted):
			case <-ctx.Done():
			}
		})
	}()
	next := func(want string) {
		t.Helper()
		select {
		case got := <-told:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		case <-ctx.Done():
			t.Fatalf("nothing told, want %s", want)
		}
	}
	next("default/a one deleted=false")
	s.Put(fmt.Sprintf(onePod, "a", "default", "two"))
	next("default/a two deleted=false")
	s.Put(fmt.Sprintf(onePod, "c", "other", "one"))
	next("other/c one deleted=false")
	s.Drop("Pod", "default", "a")
	next("default/a two deleted=true")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("WatchPods = %v", err)
	}
}

func TestAWatchThatIsForbiddenEnds(t *testing.T) {
	s := kubetest.New(t)
	s.Refuse(func(r kubetest.Request) *apierrors.StatusError {
		return apierrors.NewForbidden(schema.GroupResource{Resource: r.Resource}, "", errors.New("no"))
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := s.Cluster(t).WatchPods(ctx, nil, func(kube.PodEvent) {})
	if err == nil || !strings.HasPrefix(err.Error(), "watch pods in namespace default: ") || ctx.Err() != nil {
		t.Errorf("WatchPods = %v", err)
	}
}

func TestAWatchSurvivesAServerThatIsAway(t *testing.T) {
	s := kubetest.New(t)
	c := s.Cluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	told := make(chan string, 10)
	listed := make(chan struct{}, 10)
	done := make(chan error, 1)
	go func() {
		pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
		done <- c.Watch(ctx, pods, "default", metav1.ListOptions{}, func() { listed <- struct{}{} }, func(o *unstructured.Unstructured, deleted bool) {
			told <- fmt.Sprint(o.GetName(), " ", deleted)
		})
	}()
	<-listed
	s.Refuse(func(r kubetest.Request) *apierrors.StatusError {
		return apierrors.NewForbidden(schema.GroupResource{Resource: r.Resource}, "", errors.New("it is only starting"))
	})
	s.Disconnect()
	s.Put(fmt.Sprintf(onePod, "a", "default", "one"))
	s.Refuse(nil)
	select {
	case got := <-told:
		if got != "a false" {
			t.Errorf("told %q", got)
		}
	case <-ctx.Done():
		t.Error("what happened while the server was away is not told")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch = %v", err)
	}
}
