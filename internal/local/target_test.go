//go:build unix

package local

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	corev1 "k8s.io/api/core/v1"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
)

// bench is a Target that runs, with what it told.
type bench struct {
	*Target
	t       *testing.T
	dir     string
	project *config.Project
	image   Image

	mu   sync.Mutex
	told []event.Event
}

func (b *bench) Send(e event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, e)
}

// run makes a Target for one artifact, web, whose sources lie in a folder with a blank in its name.
func run(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: filepath.Join(t.TempDir(), "my src")}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b.image = Image{Name: "web", Context: b.dir, Dir: "/app", Cmd: []string{"sh", "-c", "echo up; exec sleep 60"}, Copies: []Copy{{Dest: "/app", Dir: true}}}
	guard, err := proc.NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{}
	c.Build.Artifacts = []*config.Artifact{{Image: "web", Context: b.dir, Config: c}}
	b.project = &config.Project{Dir: b.dir, Configs: []*config.Config{c}}
	host := NewHost(t.Context(), guard, os.Environ(), "box")
	b.Target = New(Options{
		State: filepath.Join(t.TempDir(), "state"), Environ: os.Environ(), Host: host, Guard: guard,
		Read: func(*config.Artifact) (Image, error) { return b.image, nil },
	}, b)
	b.Use(b.project, Settings{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { _ = b.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		work.Wait()
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) build() string {
	b.t.Helper()
	ref, _, err := b.Build(b.t.Context(), b.project.Artifacts()[0], func(string) {})
	if err != nil {
		b.t.Fatal(err)
	}
	return ref
}

// apply runs the manifests with what was built, and waits. It says what began anew.
func (b *bench) apply(ref string, text ...string) []string {
	b.t.Helper()
	for i := range text {
		text[i] = strings.ReplaceAll(text[i], "image: web", "image: "+ref)
	}
	changed, err := b.Apply(b.t.Context(), objects(b.t, text...))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.Wait(b.t.Context(), changed); err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, o := range changed {
		names = append(names, o.ID().String())
	}
	return names
}

// logs is the lines that a container wrote.
func (b *bench) logs(container string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, e := range b.told {
		if l, ok := e.(event.Log); ok && l.Container == container {
			all = append(all, l.Line)
		}
	}
	return all
}

func (b *bench) notes() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, e := range b.told {
		if n, ok := e.(event.Note); ok {
			all = append(all, n.Text)
		}
	}
	return strings.Join(all, "\n")
}

func (b *bench) within(what string, is func() bool) {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if is() {
			return
		}
	}
	b.t.Fatalf("never: %s\nnotes: %s", what, b.notes())
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func TestOnlyWhatChangedStartsAnew(t *testing.T) {
	b := run(t)
	b.write("a", "1")
	two := strings.Replace(deployment("env: [{name: X, value: one}]"), "      containers:\n", "      containers:\n      - {name: side, image: web, command: [sh, -c, 'echo side; exec sleep 60']}\n", 1)
	ref := b.build()
	if began := b.apply(ref, two); !slices.Equal(began, []string{"Deployment/web"}) {
		t.Errorf("began %v", began)
	}
	b.within("both run", func() bool { return len(b.logs("main"))+len(b.logs("side")) == 2 })
	if again := b.build(); again != ref {
		t.Error("nothing changed, and it is another program")
	}
	if began := b.apply(ref, two); len(began) != 0 {
		t.Errorf("nothing changed, and began %v", began)
	}
	b.apply(ref, strings.Replace(two, "value: one", "value: two", 1))
	b.within("the changed one runs anew", func() bool { return len(b.logs("main")) == 2 })
	if len(b.logs("side")) != 1 {
		t.Error("the other one began anew")
	}
	b.write("a", "22")
	if next := b.build(); next == ref {
		t.Error("a file changed, and it is the same program")
	} else if began := b.apply(next, two); len(began) != 1 {
		t.Errorf("began %v", began)
	}
	b.within("both run anew", func() bool { return len(b.logs("main")) == 3 && len(b.logs("side")) == 2 })
	b.apply(ref, configs)
	if len(b.Members("web")) != 0 {
		t.Error("what left the manifests runs")
	}
}

func TestInitProcessesComeFirstAndShareVolumes(t *testing.T) {
	b := run(t)
	b.apply(b.build(), configs, deployment("command: [sh, -c, 'cat /work/made /etc/c/A; echo; exec sleep 60']\nvolumeMounts: [{name: w, mountPath: /work}, {name: c, mountPath: /etc/c}]",
		"volumes: [{name: w, emptyDir: {}}, {name: c, configMap: {name: c}}]",
		"initContainers: [{name: first, image: web, command: [sh, -c, 'sleep 0.05; echo made > /work/made'], volumeMounts: [{name: w, mountPath: /work}]}]"))
	b.within("it reads what was made", func() bool { return slices.Equal(b.logs("main"), []string{"made", "1"}) })
}

func TestACrashIsAPodThatCrashes(t *testing.T) {
	b := run(t)
	var mu sync.Mutex
	var seen []corev1.ContainerStatus
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() {
		_ = b.WatchPods(ctx, nil, func(e kube.PodEvent) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, e.Pod.Status.ContainerStatuses...)
		})
	})
	ref := b.build()
	changed, err := b.Apply(t.Context(), objects(t, strings.ReplaceAll(deployment("command: [sh, -c, exit 7]\nreadinessProbe: {exec: {command: ['false']}}"), "image: web", "image: "+ref)))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(t.Context(), changed); err == nil || err.Error() != `Deployment/web is not ready: container "main" ended with exit code 7` {
		t.Error(err)
	}
	b.within("the pod crashes", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.ContainsFunc(seen, func(s corev1.ContainerStatus) bool {
			return s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff" && s.LastTerminationState.Terminated.ExitCode == 7 && s.RestartCount == 1
		})
	})
	b.within("it is told", func() bool {
		return strings.Contains(b.notes(), `container "main" ended with exit code 7; it is started again in 10s`)
	})
}

func TestALivenessProbeThatFailsRestarts(t *testing.T) {
	b := run(t)
	b.apply(b.build(), deployment("terminationMessagePath: x\nlivenessProbe: {exec: {command: ['false']}, periodSeconds: 1, failureThreshold: 1}"))
	b.within("it is started again", func() bool { return len(b.logs("main")) >= 2 })
	b.within("it is told", func() bool { return strings.Contains(b.notes(), "its liveness probe failed: exit code 1") })
}

func TestAJobIsReadyWhenItIsDone(t *testing.T) {
	b := run(t)
	b.apply(b.build(), "apiVersion: batch/v1\nkind: Job\nmetadata: {name: web}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: web, command: [sh, -c, 'sleep 0.05; echo done']}]}}}")
	if !slices.Equal(b.logs("main"), []string{"done"}) {
		t.Errorf("%v", b.logs("main"))
	}
}

func TestAStagedTreeFollowsItsSources(t *testing.T) {
	b := run(t)
	if err := os.MkdirAll(filepath.Join(b.dir, "pages"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.write("app", "1")
	b.write("pages/x", "2")
	b.image.Copies = []Copy{{Src: "app", Dest: "/app/app"}, {Src: "pages", Dest: "/app/www", Dir: true}}
	b.image.Cmd = []string{"sh", "-c", "cat app www/x /app/www/x; echo; exec sleep 60"}
	b.apply(b.build(), deployment(""))
	b.within("it sees its files", func() bool { return strings.Join(b.logs("main"), "") == "122" })
	a := b.project.Artifacts()[0]
	b.write("pages/x", "33")
	staged := filepath.Join(StageDir(b.State, "web"), "app", "www", "x")
	if moved, err := b.Put(a, filepath.Join(b.dir, "pages/x"), "/app/www/x", false); err != nil || !moved {
		t.Fatal(moved, err)
	}
	if data, _ := os.ReadFile(staged); string(data) != "33" {
		t.Errorf("staged %q", data)
	}
	if err := os.Remove(filepath.Join(b.dir, "pages/x")); err != nil {
		t.Fatal(err)
	}
	b.build()
	if _, err := os.Stat(staged); err == nil {
		t.Error("a deleted file is still staged")
	}
	if _, err := b.Put(a, filepath.Join(b.dir, "app"), "/elsewhere", false); err == nil {
		t.Error("a place that is none was written to")
	}
}

func TestABuildThatFailsNamesItsCommand(t *testing.T) {
	b := run(t)
	b.Use(b.project, Settings{Services: map[string]Service{"web": {Build: "echo no >&2; exit 3"}}}, nil)
	var lines []string
	_, _, err := b.Build(t.Context(), b.project.Artifacts()[0], func(line string) { lines = append(lines, line) })
	if err == nil || !strings.Contains(err.Error(), "failed with exit code 3") || !slices.Equal(lines, []string{"no"}) {
		t.Errorf("%v, %v", err, lines)
	}
}

func TestWhatCannotRunIsTheErrorAndTheRestRuns(t *testing.T) {
	b := run(t)
	ref := b.build()
	bad := strings.NewReplacer("name: web", "name: bad", "image: web", "image: "+ref).Replace(deployment("command: [no-such-program]"))
	changed, err := b.Apply(t.Context(), objects(t, strings.ReplaceAll(deployment(""), "image: web", "image: "+ref), bad))
	if err == nil || !strings.Contains(err.Error(), `"no-such-program" is not on this machine`) || len(changed) != 1 {
		t.Errorf("%v, %d changed", err, len(changed))
	}
	b.within("the other one runs", func() bool { return len(b.logs("main")) == 1 })
}

func TestProbesAsk(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "me" || r.Header.Get("X") != "1" {
			http.Error(w, "no", http.StatusTeapot)
		}
	}))
	defer web.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	states := health.NewServer()
	states.SetServingStatus("bad", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(server, states)
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(l) })
	defer work.Wait()
	defer server.Stop()
	run := func(ctx context.Context, args []string) error {
		var guard *proc.Guard
		return guard.Run(ctx, proc.Command{Args: args, Env: []string{"PATH=" + os.Getenv("PATH")}, Grace: time.Millisecond}, nil)
	}
	for _, tt := range []struct {
		name  string
		probe Probe
		ok    bool
	}{
		{"http", Probe{Kind: "http", URL: web.URL, Host: "me", Headers: []Header{{"X", "1"}}}, true},
		{"http with a bad status", Probe{Kind: "http", URL: web.URL}, false},
		{"tcp", Probe{Kind: "tcp", Address: l.Addr().String()}, true},
		{"tcp where nobody listens", Probe{Kind: "tcp", Address: "127.0.0.1:1"}, false},
		{"grpc", Probe{Kind: "grpc", Address: l.Addr().String()}, true},
		{"grpc of a service that does not serve", Probe{Kind: "grpc", Address: l.Addr().String(), Service: "bad"}, false},
		{"exec", Probe{Kind: "exec", Args: []string{"true"}}, true},
		{"exec that fails", Probe{Kind: "exec", Args: []string{"false"}}, false},
		{"exec that takes too long", Probe{Kind: "exec", Args: []string{"sleep", "60"}, Timeout: 50 * time.Millisecond}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.probe.Timeout == 0 {
				tt.probe.Timeout = 5 * time.Second
			}
			if err := tt.probe.ask(t.Context(), run); (err == nil) != tt.ok {
				t.Error(err)
			}
		})
	}
}

func TestAProxyLeadsToItsProcess(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }))
	defer server.Close()
	var p proxies
	defer p.close()
	wanted := []Proxy{{Listen: "127.0.0.1:0", To: strings.TrimPrefix(server.URL, "http://")}}
	if err := p.set(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	address := p.open[wanted[0]].listener.Addr().String()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || string(text) != "hi" {
		t.Errorf("%q, %v", text, err)
	}
	if err := p.set(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("it is still open")
	}
}

func TestToolsThatAreInstalledLaterAreFound(t *testing.T) {
	dir := t.TempDir()
	u := &unitRun{target: New(Options{Host: Host{IsDir: isDir}}, nil)}
	p := Process{Dir: dir, Env: []string{"PATH=/usr/bin"}}
	path := func() string { return vars(u.command(p).Env)["PATH"] }
	if got := path(); got != "/usr/bin" {
		t.Errorf("PATH %s", got)
	}
	tools := filepath.Join(dir, ".venv", "bin")
	if err := os.MkdirAll(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, want := path(), tools+string(filepath.ListSeparator)+"/usr/bin"; got != want {
		t.Errorf("PATH %s, want %s", got, want)
	}
}
