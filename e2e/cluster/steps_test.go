package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestStepsRunInTheOrderOfTheirNeeds(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(name string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
			return "done", nil
		}
	}
	var out bytes.Buffer
	err := runSteps(t.Context(), newTeller(&out), []step{
		{"a", nil, note("a")}, {"b", []string{"a"}, note("b")}, {"c", []string{"b", "a"}, note("c")},
	})
	if err != nil || !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("order %v, %v", order, err)
	}
	if strings.Count(out.String(), "ok ") != 3 {
		t.Errorf("output:\n%s", out.String())
	}
}

func TestAFailureEndsTheOthersAndShowsTheLog(t *testing.T) {
	log := t.TempDir() + "/part.log"
	if err := os.WriteFile(log, []byte("first\n\nthe cause\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := runSteps(t.Context(), newTeller(&out), []step{
		{"long", nil, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }},
		{"bad", nil, func(context.Context) (string, error) { return "", &partError{errors.New("it broke"), log} }},
		{"after", []string{"bad"}, func(context.Context) (string, error) { t.Error("it ran all the same"); return "", nil }},
	})
	if !errors.Is(err, errTold) {
		t.Errorf("runSteps = %v", err)
	}
	for _, want := range []string{"FAIL  bad: it broke", log, "| the cause"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Count(out.String(), "FAIL") != 1 {
		t.Errorf("what was only cancelled is told as a failure:\n%s", out.String())
	}
}

func TestAnInterruptIsNoFailure(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var out bytes.Buffer
	err := runSteps(ctx, newTeller(&out), []step{{"build", nil, func(ctx context.Context) (string, error) {
		interrupt()
		return "", errors.New("signal: killed")
	}}})
	if err == nil || !strings.Contains(err.Error(), "interrupted") || strings.Contains(out.String(), "FAIL") {
		t.Errorf("runSteps = %v\n%s", err, out.String())
	}
}

func TestCheckSteps(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"a need that stands before is fine", []step{{name: "a"}, {name: "b", needs: []string{"a"}}}, ""},
		{"an unknown need", []step{{name: "b", needs: []string{"a"}}}, `step "b" needs "a"`},
		{"a circle", []step{{name: "a", needs: []string{"b"}}, {name: "b", needs: []string{"a"}}}, `step "a" needs "b"`},
		{"a name that stands twice", []step{{name: "a"}, {name: "a"}}, "stands twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkSteps(tt.steps)
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("checkSteps = %v", err)
			}
		})
	}
}

func TestTheStepsOfUpFitTogether(t *testing.T) {
	s := &session{cluster: scratch(t), kube: "kube"}
	steps := append(append(append(s.preparation(), s.control()...), s.nodeSteps()...), s.fill()...)
	if err := checkSteps(steps); err != nil {
		t.Error(err)
	}
}

func TestUnreadableDataOfEtcdIsPutAside(t *testing.T) {
	s := &session{cluster: scratch(t)}
	t.Cleanup(func() { stopAll(t, s.cluster) })
	if err := writeFile(s.path("etcd", "torn"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	etcd := part{name: "etcd", args: []string{"sh", "-c", "test ! -e etcd/torn && echo up && exec sleep 605"}}
	etcd.ready = func(context.Context) error {
		if len(lastLines(s.path("log", "etcd.log"), 1)) == 0 {
			return errors.New("not yet")
		}
		return nil
	}
	note, err := s.store(t.Context(), etcd)
	if err != nil || !strings.HasPrefix(note, "started empty") {
		t.Fatalf("store = %q, %v", note, err)
	}
	if _, err := os.Stat(s.path("etcd.broken", "torn")); err != nil {
		t.Error(err)
	}
}
