package status_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	"github.com/skiff-dev/skiff/internal/status"
)

const boats = `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: boats.boats.example}, spec: {group: boats.example, scope: Namespaced, names: {kind: Boat, plural: boats}, versions: [{name: v1, served: true, storage: true}]}}`

func TestAFailureNeedNotEndTheWaitForTheOthers(t *testing.T) {
	s := kubetest.New(t)
	objects := append(put(t, s, newPod), put(t, s, newDeployment)...)
	s.Put(pending("Running", 4, backOff, crashed))
	h := &heard{}
	mended := time.AfterFunc(200*time.Millisecond, func() { s.Put(fmt.Sprintf(deployed, 1, 1, 1, allGood)) })
	defer mended.Stop()
	err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 10 * time.Second, Settle: -1, KeepGoing: true}, h)
	list := diag.All(err)
	if len(list) != 1 || !strings.HasPrefix(list[0].What, "Pod/web is not ready") {
		t.Errorf("Wait = %v", err)
	}
	if texts := h.texts(); !slices.Contains(texts, "ready Deployment/web") {
		t.Errorf("told %q", texts)
	}
}

func TestEveryLateObjectIsNamedWhereFailuresDoNotEndTheWait(t *testing.T) {
	s := kubetest.New(t)
	objects := append(put(t, s, newPod), put(t, s, newDeployment)...)
	err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 100 * time.Millisecond, KeepGoing: true}, &heard{})
	if list := diag.All(err); len(list) != 2 {
		t.Errorf("Wait = %v", err)
	}
}

func TestADeploymentMayTakeTheTimeThatItSetsItself(t *testing.T) {
	s := kubetest.New(t)
	objects := put(t, s, strings.Replace(newDeployment, "progressDeadlineSeconds: 600", "progressDeadlineSeconds: 60", 1))
	mended := time.AfterFunc(400*time.Millisecond, func() { s.Put(fmt.Sprintf(deployed, 1, 1, 1, allGood)) })
	defer mended.Stop()
	if err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 100 * time.Millisecond, Settle: -1}, &heard{}); err != nil {
		t.Error(err)
	}
}

func TestAnObjectIsToldReadyBeforeItHasSettled(t *testing.T) {
	s := kubetest.New(t)
	objects := put(t, s, newPod)
	s.Put(strings.Replace(runningPod, `"2020-01-01T00:00:00Z"`, `"`+time.Now().UTC().Format(time.RFC3339)+`"`, 1))
	crash := time.AfterFunc(300*time.Millisecond, func() { s.Put(pending("Running", 1, backOff, crashed)) })
	defer crash.Stop()
	h := &heard{}
	err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 10 * time.Second, Settle: 5 * time.Second}, h)
	if err == nil || !strings.Contains(err.Error(), "restarted once") {
		t.Errorf("Wait = %v", err)
	}
	if texts := h.texts(); len(texts) == 0 || texts[0] != "ready Pod/web" {
		t.Errorf("told %q", texts)
	}
}

func TestASelectedKindIsBelievedWhenItsControllerHasSpoken(t *testing.T) {
	const boat = `{apiVersion: boats.example/v1, kind: Boat, metadata: {name: b}}`
	selectors, err := status.ReadSelectors("selectors.json", []byte(`{"selectors": [{"group": "boats\\..*", "kind": "Boat"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := kubetest.New(t)
	s.Put(boats)
	objects := put(t, s, boat)
	if err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{}, &heard{}); err != nil {
		t.Errorf("without selectors: %v", err)
	}
	h := &heard{}
	err = status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 100 * time.Millisecond, Selectors: selectors}, h)
	if err == nil || !strings.Contains(err.Error(), "its controller has said nothing about it yet") {
		t.Errorf("with selectors: %v", err)
	}
	spoken := time.AfterFunc(100*time.Millisecond, func() {
		s.Put(`{apiVersion: boats.example/v1, kind: Boat, metadata: {name: b}, status: {conditions: [{type: Ready, status: "True"}]}}`)
	})
	defer spoken.Stop()
	if err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 10 * time.Second, Selectors: selectors}, h); err != nil {
		t.Errorf("when it has spoken: %v", err)
	}
}

func TestReadSelectorsSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"no JSON", "selectors:", "selectors.json: invalid character 's' looking for beginning of value"},
		{"a bad expression", `{"selectors": [{"group": "("}]}`, "selectors.json: selector 1: group: error parsing regexp: missing closing ): `^(?:()$`"},
		{"nothing", `{}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := status.ReadSelectors("selectors.json", []byte(tt.file))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
