//go:build unix

package local

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSidecarsBeginInTheirTurn(t *testing.T) {
	b := run(t)
	order := filepath.Join(b.dir, "order")
	step := func(word string) string { return "[sh, -c, 'echo " + word + " >>/app/order" }
	b.apply(b.build(), deployment(`command: `+step("main")+`; exec sleep 60']`, `initContainers:
      - {name: first, image: web, command: `+step("first")+`']}
      - {name: side, image: web, restartPolicy: Always, command: `+step("side")+`; sleep 0.1; touch /app/up; exec sleep 60'], startupProbe: {exec: {command: [test, -e, /app/up]}, periodSeconds: 1}}
      - {name: last, image: web, command: [sh, -c, 'test -e /app/up && echo last >>/app/order']}`))
	var data []byte
	b.within("all of them have written", func() bool {
		data, _ = os.ReadFile(order)
		return strings.Count(string(data), "\n") == 4
	})
	if diff := cmp.Diff([]string{"first", "side", "last", "main"}, strings.Fields(string(data))); diff != "" {
		t.Errorf("order (-want +got):\n%s\n%s", diff, b.notes())
	}
}

func TestAJobWithASidecarEnds(t *testing.T) {
	b := run(t)
	b.apply(b.build(), `apiVersion: batch/v1
kind: Job
metadata: {name: web}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      initContainers: [{name: side, image: web, restartPolicy: Always, command: [sh, -c, "trap 'echo gone; exit' TERM; echo up; while :; do sleep 0.01; done"]}]
      containers: [{name: main, image: web, command: [echo, done]}]`)
	b.within("the sidecar ends with its job", func() bool { return slices.Contains(b.logs("side"), "gone") })
}

func TestHooks(t *testing.T) {
	b := run(t)
	b.apply(b.build(), deployment(`command: [sh, -c, 'while ! test -e /app/began; do sleep 0.01; done; echo up; exec sleep 60']
readinessProbe: {exec: {command: [test, -e, /app/began]}}
lifecycle: {postStart: {exec: {command: [touch, /app/began]}}, preStop: {exec: {command: [touch, /app/stopping]}}}`, "terminationGracePeriodSeconds: 1"))
	if err := b.Cleanup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "stopping")); err != nil {
		t.Errorf("preStop did not run: %v", err)
	}
	b = run(t)
	changed, err := b.Apply(t.Context(), objects(t, strings.ReplaceAll(deployment(`command: [sleep, "60"]
lifecycle: {postStart: {exec: {command: ["false"]}}}`, "terminationGracePeriodSeconds: 1"), "image: web", "image: "+b.build())))
	if err != nil || len(changed) != 1 {
		t.Fatal(changed, err)
	}
	b.within("the failure is told", func() bool { return strings.Contains(b.notes(), "postStart failed") })
}

func TestWhatTheLifecycleMeansHere(t *testing.T) {
	const left = "preStop only waits: it is left out"
	for _, tt := range []struct {
		name, hook string
		want       *Probe
		finding    string
	}{
		{"a wait for load balancers", "preStop: {exec: {command: [sleep, '15']}}", nil, left},
		{"a wait in a shell", "preStop: {exec: {command: [/bin/sh, -c, sleep 15]}}", nil, left},
		{"a wait of Kubernetes's own", "preStop: {sleep: {seconds: 15}}", nil, left},
		{"work and a wait", "preStop: {exec: {command: [sh, -c, 'touch /app/x; sleep 1']}}", &Probe{Kind: "exec", Args: []string{"sh", "-c", "touch /src/x; sleep 1"}, Period: 10 * time.Second, Timeout: hookTime, Success: 1, Failure: 3}, ""},
		{"a request", "preStop: {httpGet: {path: /quit, port: 80}}", &Probe{Kind: "http", URL: "http://127.0.0.1:80/quit", Period: 10 * time.Second, Timeout: hookTime, Success: 1, Failure: 3}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := compose(t, web(), Settings{}, machine([]string{"serve", "sh"}, nil), deployment("lifecycle: {"+tt.hook+"}"))
			if diff := cmp.Diff(tt.want, only(t, plan).PreStop); diff != "" || tt.finding != "" && !slices.Contains(findings(plan), tt.finding) {
				t.Errorf("findings %v, hook (-want +got):\n%s", findings(plan), diff)
			}
		})
	}
}

func TestNamesOfPods(t *testing.T) {
	pod := deployment("", "hostAliases: [{ip: 10.0.0.1, hostnames: [a, b]}]")
	plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), pod)
	if got := plan.HostsFile("127.0.0.1 localhost", plan.Units[0].Aliases...); got != "127.0.0.1 localhost\n10.0.0.1 a b\n" {
		t.Errorf("%q", got)
	}
	h := machine([]string{"serve"}, nil)
	h.Hosts = false
	if plan := compose(t, web(), Settings{}, h, pod); !slices.Contains(findings(plan), "hostAliases are not applied: processes have no hosts file of their own") {
		t.Errorf("%v", findings(plan))
	}
}

func TestVolumesOfTheMachineAndPortsThatAreNotTCP(t *testing.T) {
	plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), deployment(
		"args: [serve, /logs/x, /claim/y]\nports: [{containerPort: 53, protocol: UDP}]\nvolumeMounts: [{name: h, mountPath: /logs}, {name: c, mountPath: /claim}]",
		"volumes: [{name: h, hostPath: {path: /var/log}}, {name: c, persistentVolumeClaim: {claimName: disk}}]"))
	p := only(t, plan)
	if diff := cmp.Diff([]string{"serve", "/state/volumes/default.web/h/x", "/state/claims/default.disk/y"}, p.Args); diff != "" {
		t.Errorf("args (-want +got):\n%s", diff)
	}
	want := []string{
		"port 53 is UDP: it is not moved when it is taken, and Services lead to it at its own number only",
		"hostPath /var/log is the folder /state/volumes/default.web/h, not the machine's own", "claim disk is the folder /state/claims/default.disk",
	}
	if diff := cmp.Diff(want, findings(plan)); diff != "" || len(p.Ports) != 0 {
		t.Errorf("ports %v, findings (-want +got):\n%s", p.Ports, diff)
	}
}
