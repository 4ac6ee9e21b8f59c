//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// away is how long the API server is away. What matters is that it is longer than a request and than the first attempts at it.
const away = 4 * time.Second

// pair is a project with two objects behind a proxy.
func pair(t *testing.T) (*project, *proxy) {
	t.Helper()
	x := newProxy(t)
	return manifests(t, map[string]string{"web.yaml": sleeper("web"), "settings.yaml": configMap("settings", "1")}).through(x), x
}

// arrived is whether all of the pair runs.
func (p *project) arrived() {
	p.Helper()
	p.pod("web")
	p.wants("settings", "skiff-plain")
}

func TestAnAPIServerThatIsAwayInTheMiddleIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		when func(*http.Request) bool // it goes away
	}{
		{"when it is looked at what is there", func(r *http.Request) bool {
			return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/deployments/web")
		}},
		{"when the objects are applied", func(r *http.Request) bool {
			return r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/deployments/web")
		}},
		{"when they are waited for", func(r *http.Request) bool { return r.URL.Query().Get("watch") == "true" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, x := pair(t)
			var gone atomic.Bool
			x.meddles(func(_ http.ResponseWriter, r *http.Request) bool {
				if !tt.when(r) || gone.Swap(true) {
					return false
				}
				x.served.Go(func() {
					x.away(t)
				})
				<-r.Context().Done()
				return true
			})
			p.must("run")
			if !gone.Load() {
				t.Fatal("the API server was never away, so nothing is tested")
			}
			p.arrived()
		})
	}
}

// away stops the server for a while.
func (p *proxy) away(t *testing.T) {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	_ = server.Close()
	timer := time.NewTimer(away)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
	p.begin()
}

func TestAnAPIServerThatIsAwayAtTheBeginningIsSaid(t *testing.T) {
	t.Parallel()
	p, x := pair(t)
	x.end()
	r := p.skiff("run")
	if r.code != 1 || !strings.Contains(r.stderr, "does not answer") || !strings.Contains(r.stderr, "hint: ") {
		t.Error("the error does not say that the cluster does not answer, and what to do")
	}
	x.begin()
	p.must("run")
	p.arrived()
}

func TestStormsOfRefusalsPass(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, reason, message, after string
		code                         int
		verbs                        string
	}{
		{"409 from a controller that writes at the same time", "Conflict", "Operation cannot be fulfilled on it: the object has been modified; please apply your changes to the latest version and try again", "", http.StatusConflict, "PATCH"},
		{"429 with a time", "TooManyRequests", "slow down", "1", http.StatusTooManyRequests, "GET PATCH"},
		{"429 without one", "TooManyRequests", "slow down", "", http.StatusTooManyRequests, "GET PATCH"},
		{"503 from a server that starts", "ServiceUnavailable", "starting", "", http.StatusServiceUnavailable, "GET PATCH"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, x := pair(t)
			var n atomic.Int32
			x.meddles(func(w http.ResponseWriter, r *http.Request) bool {
				inside := strings.Contains(r.URL.Path, "/namespaces/"+p.namespace+"/") && r.URL.Query().Get("watch") == ""
				if !inside || !strings.Contains(tt.verbs, r.Method) || n.Add(1)%3 == 0 {
					return false
				}
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				refuse(w, tt.code, tt.reason, tt.message)
				return true
			})
			p.must("run")
			if n.Load() < 5 {
				t.Errorf("%d requests were looked at, so nothing is tested", n.Load())
			}
			x.meddles(nil)
			p.arrived()
			x.writes()
			p.must("run")
			if got := x.writes(); len(got) > 0 {
				t.Errorf("the next run wrote %v", got)
			}
		})
	}
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code),
		Reason: metav1.StatusReason(reason), Message: message})
}

// waits is the moment that no request marks: the pod runs and never becomes ready.
const waits = "while it waits"

// moments are where Ctrl-C is pressed: at the first request of which this is true, which is done, and gets no answer.
func moments() map[string]func(*http.Request) bool {
	return map[string]func(*http.Request) bool{
		"while it connects": func(r *http.Request) bool { return r.URL.Path == "/version" },
		"while it looks": func(r *http.Request) bool {
			return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/deployments/web")
		},
		"while it applies": func(r *http.Request) bool {
			return r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/deployments/web")
		},
		waits: nil,
	}
}

// interrupted runs a command up to a moment, and presses Ctrl-C there.
func (p *project) interrupted(x *proxy, when func(*http.Request) bool, args ...string) {
	p.Helper()
	reached := make(chan struct{})
	if when == nil {
		p.replace("k8s/web.yaml", `"100000"], `, `"100000"], readinessProbe: {exec: {command: ["false"]}}, `)
		s := p.start(args...)
		s.says(0, "Waiting until everything runs")
		s.interrupt()
		return
	}
	var once atomic.Bool
	x.meddles(func(_ http.ResponseWriter, r *http.Request) bool {
		if !when(r) || once.Swap(true) {
			return false
		}
		x.forward.ServeHTTP(discard{http.Header{}}, r.WithContext(p.Context()))
		close(reached)
		<-r.Context().Done()
		return true
	})
	s := p.start(args...)
	s.reaches(reached)
	s.interrupt()
	x.meddles(nil)
}

// discard is an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func TestCtrlCInEveryPhaseOfARunCanBeRunAgain(t *testing.T) {
	t.Parallel()
	for name, when := range moments() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, x := pair(t)
			p.interrupted(x, when, "run")
			p.write("k8s/web.yaml", sleeper("web"))
			p.must("run")
			p.arrived()
		})
	}
}

func TestCtrlCInEveryPhaseOfDevLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, when := range moments() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, x := pair(t)
			p.interrupted(x, when, "dev", "--target=cluster")
			p.wants()
			deployments, err := world.cluster.client.AppsV1().Deployments(p.namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range deployments.Items {
				if d.DeletionTimestamp == nil {
					t.Errorf("left is Deployment %s", d.Name)
				}
			}
		})
	}
}

// reaches waits until the session has come to a moment.
func (s *session) reaches(reached <-chan struct{}) {
	s.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-reached:
	case <-s.ended:
		s.Fatalf("the session ended before:\n%s", s.out)
	case <-timer.C:
		s.Fatal("the session does not come so far")
	}
}
