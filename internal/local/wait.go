package local

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Wait returns when the processes of the objects are ready, or says why one of them is not.
func (t *Target) Wait(ctx context.Context, objects []*kube.Object) error {
	if err := t.settle(ctx, objects); err != nil {
		t.differences(ctx)
		return err
	}
	t.differences(ctx)
	// That may have taken long enough for a crash.
	for _, u := range t.unitsOf(objects) {
		if _, err := u.settled(); err != nil {
			return err
		}
	}
	return nil
}

// unitsOf are the units that run for objects.
func (t *Target) unitsOf(objects []*kube.Object) (all []*unitRun) {
	t.applying.Lock()
	defer t.applying.Unlock()
	for _, o := range objects {
		if run := t.running[o.ID().String()]; run != nil {
			all = append(all, run)
		}
	}
	return all
}

func (t *Target) settle(ctx context.Context, objects []*kube.Object) error {
	began := time.Now()
	open := t.unitsOf(objects)
	for len(open) > 0 {
		changed := t.pods.next()
		var failed error
		open = slices.DeleteFunc(open, func(u *unitRun) bool {
			ready, err := u.settled()
			if err != nil {
				failed = err
			}
			if ready {
				t.sink.Send(event.Ready{Object: u.unit.Object, Took: time.Since(began)})
				u.addresses()
			}
			return ready
		})
		if failed != nil || len(open) == 0 {
			return failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settled says whether the unit is ready, or why it will not be soon.
func (u *unitRun) settled() (ready bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	ready = true
	for _, p := range u.unit.Processes {
		s := u.states[p.Container]
		if s.waits && !s.ready || s.over && !s.exit.OK() {
			e := diag.Errorf("its last words are in the log above; save what mends it", "%s is not ready: container %q ended with %w", u.unit.Object, p.Container, s.exit)
			e.Code = diag.CodeReady
			return false, e
		}
		if u.unit.Job && p.Sidecar {
			continue
		}
		if u.unit.Job {
			ready = ready && s.over
			continue
		}
		ready = ready && s.ready
	}
	return ready, nil
}

// addresses tells where the unit listens.
func (u *unitRun) addresses() {
	for _, p := range u.unit.Processes {
		for _, port := range p.Ports {
			u.target.sink.Send(event.Forward{
				Resource: strings.ToLower(u.unit.Object), RemotePort: port.Number, Address: loopback, LocalPort: port.Local,
			})
		}
	}
}

// Cleanup ends all that runs. State that a session leaves for the next one stays: claims, staged trees, compiled programs.
func (t *Target) Cleanup(context.Context) error {
	t.applying.Lock()
	defer t.applying.Unlock()
	var stops sync.WaitGroup
	for object, run := range t.running {
		delete(t.running, object)
		stops.Go(func() { run.stop(true) })
	}
	stops.Wait()
	t.proxies.close()
	t.plan = Plan{}
	return nil
}

// Delete is Cleanup for a session that did not start anything: processes end with the session that started them.
func (t *Target) Delete(_ context.Context, _ []*kube.Object, _ bool) ([]kube.ID, error) {
	return nil, nil
}

// Member is one process that runs an artifact.
type Member struct{ Pod, Container string }

// Members are the processes that run an artifact.
func (t *Target) Members(artifact string) []Member {
	t.applying.Lock()
	defer t.applying.Unlock()
	var all []Member
	for _, u := range t.plan.Units {
		for _, p := range u.Processes {
			if p.Artifact == artifact {
				all = append(all, Member{u.Name, p.Container})
			}
		}
	}
	return all
}

// Namespace is where an object is that names none.
func (t *Target) Namespace() string { return defaultNamespace }
