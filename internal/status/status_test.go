package status_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/kube/kubetest"
	"github.com/skiff-dev/skiff/internal/status"
)

const (
	newPod = `{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: "web:1"}]}}`
	// A pod's status, as the kubelet writes it.
	runningPod = `{apiVersion: v1, kind: Pod, metadata: {name: web}, status: {phase: Running, conditions: [{type: Ready, status: "True"}],
  containerStatuses: [{name: web, image: "web:1", containerID: "c://1", ready: true, started: true, restartCount: 0, state: {running: {startedAt: "2020-01-01T00:00:00Z"}}}]}}`
	pendingPod = `{apiVersion: v1, kind: Pod, metadata: {name: web}, status: {phase: %s, conditions: [{type: Ready, status: "False"}],
  containerStatuses: [{name: web, image: "web:1", ready: false, restartCount: %d, state: {%s}, lastState: {%s}}]}}`

	newDeployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, annotations: {deployment.kubernetes.io/revision: "2"}}, spec: {replicas: 1, progressDeadlineSeconds: 600,
  selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:2"}]}}}}`
	deployed   = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, status: {observedGeneration: 1, replicas: 1, updatedReplicas: %d, readyReplicas: %d, availableReplicas: %d, conditions: [%s]}}`
	allGood    = `{type: Progressing, status: "True", reason: NewReplicaSetAvailable}, {type: Available, status: "True"}`
	replicaSet = `{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-%d, annotations: {deployment.kubernetes.io/revision: "%d"}}, spec: {selector: {matchLabels: {app: web}}}}`
	podOfSet   = `{apiVersion: v1, kind: Pod, metadata: {name: web-%d-x, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-%d, uid: u%d, controller: true}]}, spec: {containers: [{name: web, image: "web:%d"}]},
  status: {phase: Running, containerStatuses: [{name: web, image: "web:1", ready: false, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, containerID: "c://9"}}}]}}`
	crashed      = `terminated: {exitCode: 7, reason: Error, containerID: "c://1"}`
	backOff      = `waiting: {reason: CrashLoopBackOff, message: back-off}`
	errImagePull = `waiting: {reason: ErrImagePull, message: 'rpc error: code = %s desc = failed to pull and unpack image "reg/web:1": failed to resolve reference "reg/web:1": %s'}`
)

func pending(phase string, restarts int, state, last string) string {
	return fmt.Sprintf(pendingPod, phase, restarts, state, last)
}

func TestWait(t *testing.T) {
	for _, tt := range []struct {
		name    string
		applied string   // what was deployed
		then    []string // what the cluster makes of it
		options status.Options
		want    string   // "" gets ready
		hint    string   // part of it
		told    []string // parts of what is told, in order
	}{
		{name: "what needs no waiting is ready at once", applied: `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}`},
		{name: "a claim that no pod wants yet is not waited for", applied: `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, status: {phase: Pending}}`},
		{name: "a pod", applied: newPod, then: []string{runningPod}, told: []string{"ready Pod/web"}},
		{name: "a deployment", applied: newDeployment, then: []string{fmt.Sprintf(deployed, 1, 1, 1, allGood)}, options: status.Options{Settle: -1}, told: []string{"ready Deployment/web"}},
		{name: "an image that is not there fails at the first report", applied: newPod, then: []string{pending("Pending", 0, fmt.Sprintf(errImagePull, "NotFound", "reg/web:1: not found"), "")},
			want: `image web:1 of container "web" cannot be pulled: reg/web:1: not found`, hint: "check the image's name"},
		{name: "a registry that does not answer may do so the next time", applied: newPod, then: []string{pending("Pending", 0, fmt.Sprintf(errImagePull, "Unknown", "dial tcp: timeout"), "")},
			options: status.Options{Deadline: 300 * time.Millisecond}, want: `is not ready after 300ms: image web:1 of container "web" cannot be pulled: dial tcp: timeout`,
			told: []string{`waiting Pod/web: image web:1 of container "web" cannot be pulled: dial tcp: timeout`}},
		{name: "a back-off of the pull fails", applied: newPod, then: []string{pending("Pending", 0, `waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image "web:1": ErrImagePull: dial tcp: timeout'}`, "")},
			want: `image web:1 of container "web" cannot be pulled: dial tcp: timeout`},
		{name: "the first crash is not the end", applied: newPod, then: []string{pending("Running", 0, crashed, "")},
			options: status.Options{Deadline: 300 * time.Millisecond}, want: `container "web" ended and is restarted: exit 7`,
			told: []string{`waiting Pod/web: container "web" ended and is restarted: exit 7`}},
		{name: "the second crash is, with the last lines", applied: newPod, then: []string{pending("Running", 1, backOff, crashed)},
			want: `container "web" restarted once, last exit 7`, hint: "--previous", told: []string{"note the last lines of container \"web\" in Pod/web:\nboom"}},
		{name: "a crash loop is tolerated when asked", applied: newPod, then: []string{pending("Running", 4, backOff, crashed)},
			options: status.Options{Deadline: 300 * time.Millisecond, TolerateFailures: true}, want: `container "web" restarted 4 times, last exit 7`},
		{name: "memory that does not suffice is named", applied: newPod, then: []string{pending("Running", 1, backOff, `terminated: {exitCode: 137, reason: OOMKilled, containerID: "c://1"}`)},
			want: `container "web" restarted once, last out of memory (its limit), exit 137`},
		{name: "a ConfigMap that is not there", applied: newPod, then: []string{pending("Pending", 0, `waiting: {reason: CreateContainerConfigError, message: 'configmap "x" not found'}`, "")},
			want: `container "web" cannot start: configmap "x" not found`},
		{name: "no node is told at once", applied: newPod, then: []string{`{apiVersion: v1, kind: Pod, metadata: {name: web}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: 0/1 nodes are available}]}}`},
			options: status.Options{Deadline: 300 * time.Millisecond}, want: "no node can take the pod: 0/1 nodes are available", told: []string{"waiting Pod/web: no node can take the pod: 0/1 nodes are available"}},
		{name: "a pod that failed for good", applied: newPod, then: []string{`{apiVersion: v1, kind: Pod, metadata: {name: web}, status: {phase: Failed, reason: Evicted, message: the node was low on memory}}`},
			want: "the node was low on memory"},
		{name: "a pod of the rollout before has no say", applied: newDeployment, then: []string{fmt.Sprintf(deployed, 1, 0, 0, ""), fmt.Sprintf(replicaSet, 1, 1), fmt.Sprintf(podOfSet, 1, 1, 1, 1)},
			options: status.Options{Deadline: 300 * time.Millisecond}, want: "Deployment/web is not ready after 300ms: Available: 0/1"},
		{name: "a pod of the newest rollout has", applied: newDeployment, then: []string{fmt.Sprintf(deployed, 1, 0, 0, ""), fmt.Sprintf(replicaSet, 2, 2), fmt.Sprintf(podOfSet, 2, 2, 2, 2)},
			want: `Deployment/web is not ready after 0s: container "web" restarted 3 times, last exit 1`},
		{name: "a deployment past its own deadline", applied: newDeployment, then: []string{fmt.Sprintf(deployed, 1, 0, 0, `{type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: it took too long}`)},
			want: "it took too long"},
		{name: "a warning event explains what nothing else does", applied: newPod, then: []string{pending("Running", 0, `running: {startedAt: "2020-01-01T00:00:00Z"}`, ""),
			`{apiVersion: v1, kind: Event, metadata: {name: e}, type: Warning, reason: Unhealthy, message: 'Readiness probe failed: 500', involvedObject: {kind: Pod, name: web, uid: UID}}`},
			options: status.Options{Deadline: 700 * time.Millisecond, Quiet: 100 * time.Millisecond}, want: "Readiness probe failed: 500", told: []string{"waiting Pod/web: Readiness probe failed: 500"}},
		{name: "an object that somebody deletes", applied: newPod, then: []string{"DROP"}, want: "it was deleted"},
		{name: "an object that was deleted before its watch began", applied: newPod, then: []string{"DROP NOW"}, want: "it was deleted"},
		{name: "a Job is ready when it runs", applied: `{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {template: {spec: {containers: [{name: c, image: i}]}}}}`,
			then: []string{`{apiVersion: batch/v1, kind: Job, metadata: {name: once}, status: {startTime: "2020-01-01T00:00:00Z", active: 1, ready: 1}}`}, options: status.Options{Settle: -1}, told: []string{"ready Job/once"}},
		{name: "a Job that failed", applied: `{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {template: {spec: {containers: [{name: c, image: i}]}}}}`,
			then: []string{`{apiVersion: batch/v1, kind: Job, metadata: {name: once}, status: {startTime: "2020-01-01T00:00:00Z", failed: 1, conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: too often}]}}`},
			want: "Job/once is not ready after 0s: Job Failed. failed: 1/1"},
		{name: "a custom object by its conditions", applied: `{apiVersion: boats.example/v1, kind: Boat, metadata: {name: b}, status: {conditions: [{type: Ready, status: "False", message: no water}]}}`,
			then:    []string{`{apiVersion: boats.example/v1, kind: Boat, metadata: {name: b}, status: {conditions: [{type: Ready, status: "False", message: still no water}]}}`},
			options: status.Options{Deadline: 300 * time.Millisecond}, want: "Boat/b is not ready after 300ms: still no water"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := kubetest.New(t)
			s.Put(`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: boats.boats.example}, spec: {group: boats.example, scope: Namespaced, names: {kind: Boat, plural: boats}, versions: [{name: v1, served: true, storage: true}]}}`)
			s.Log("web", "boom\n")
			objects := put(t, s, tt.applied)
			for _, manifest := range tt.then {
				manifest = strings.ReplaceAll(manifest, "UID", string(objects[0].GetUID()))
				switch manifest {
				case "DROP":
					go drop(s)
				case "DROP NOW":
					s.Drop("Pod", "", "web")
				default:
					s.Put(manifest)
				}
			}
			if tt.options.Deadline == 0 {
				tt.options.Deadline = 10 * time.Second
			}
			h := &heard{}
			check(t, status.Wait(t.Context(), s.Cluster(t), objects, tt.options, h), tt.want, tt.hint)
			texts := h.texts()
			for _, want := range tt.told {
				if !strings.Contains(strings.Join(texts, "\n"), want) {
					t.Errorf("told %q, want %q in it", texts, want)
				}
			}
			if tt.told == nil && tt.want == "" && len(texts) > 0 {
				t.Errorf("told %q of what was ready before", texts)
			}
		})
	}
}

// drop deletes the pod once it is watched.
func drop(s *kubetest.Server) {
	for !s.Watching("pods") {
		runtime.Gosched()
	}
	s.Drop("Pod", "", "web")
}

func put(t *testing.T, s *kubetest.Server, manifest string) []*kube.Object {
	t.Helper()
	s.Put(manifest)
	read, err := kube.ReadObjects("k8s/app.yaml", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range read {
		read[i] = &kube.Object{Unstructured: *s.Find(o.GetKind(), o.GetNamespace(), o.GetName()), File: o.File, Line: o.Line}
	}
	return read
}

func check(t *testing.T, err error, want, hint string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("Wait = %v", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("Wait = %v\nwant %q in it", err, want)
	}
	e := diag.All(err)[0]
	if e.Code != diag.CodeReady || e.Pos.File != "k8s/app.yaml" || e.Hint == "" || !strings.Contains(e.Hint, hint) {
		t.Errorf("error %+v", e)
	}
}

func TestAPodThatWasChangedInPlaceIsNotJudgedByItsPast(t *testing.T) {
	s := kubetest.New(t)
	s.Put(newPod)
	s.Put(pending("Running", 5, backOff, crashed))
	objects := put(t, s, strings.Replace(newPod, "web:1", "web:2", 1))
	s.Put(strings.ReplaceAll(strings.Replace(runningPod, "web:1", "web:2", 1), "c://1", "c://2"))
	h := &heard{}
	if err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 10 * time.Second, Settle: -1}, h); err != nil {
		t.Errorf("Wait = %v, told %q", err, h.texts())
	}
}

func TestAPodWhoseImageWasMendedInPlaceIsNotBlamedForTheOldOne(t *testing.T) {
	s := kubetest.New(t)
	s.Put(strings.Replace(newPod, "web:1", "reg/web:1", 1))
	s.Put(pending("Pending", 0, fmt.Sprintf(errImagePull, "NotFound", "not found"), ""))
	objects := put(t, s, strings.Replace(newPod, "web:1", "reg/web:2", 1))
	mended := time.AfterFunc(100*time.Millisecond, func() { s.Put(strings.Replace(runningPod, "web:1", "reg/web:2", 1)) })
	defer mended.Stop()
	h := &heard{}
	if err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 10 * time.Second, Settle: -1}, h); err != nil {
		t.Errorf("Wait = %v, told %q", err, h.texts())
	}
}

func TestAContainerWithoutAProbeMustLast(t *testing.T) {
	fresh := strings.Replace(runningPod, `"2020-01-01T00:00:00Z"`, `"`+time.Now().UTC().Format(time.RFC3339)+`"`, 1)
	for _, tt := range []struct {
		name, pod string
		atLeast   time.Duration
		atMost    time.Duration
	}{
		{"one that has just started", newPod, 300 * time.Millisecond, 5 * time.Second},
		{"one with a probe", strings.Replace(newPod, `"web:1"`, `"web:1", readinessProbe: {httpGet: {port: 1}}`, 1), 0, 290 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := kubetest.New(t)
			objects := put(t, s, tt.pod)
			s.Put(fresh)
			began := time.Now()
			if err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Settle: 300 * time.Millisecond}, &heard{}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < tt.atLeast || took > tt.atMost {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestTheEndOfTheContextEndsTheWait(t *testing.T) {
	s := kubetest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	objects := put(t, s, newPod)
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := status.Wait(ctx, s.Cluster(t), objects, status.Options{}, &heard{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v", err)
	}
}

func TestEveryObjectThatIsLateIsNamed(t *testing.T) {
	s := kubetest.New(t)
	objects := append(put(t, s, newPod), put(t, s, newDeployment)...)
	err := status.Wait(t.Context(), s.Cluster(t), objects, status.Options{Deadline: 100 * time.Millisecond}, &heard{})
	var got []string
	for _, e := range diag.All(err) {
		got = append(got, strings.Fields(e.What)[0])
	}
	if diff := cmp.Diff([]string{"Pod/web", "Deployment/web"}, got); diff != "" {
		t.Errorf("late objects (-want +got):\n%s", diff)
	}
}
