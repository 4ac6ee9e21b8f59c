package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const (
	deployments = 50 // and as many Services
	oneSaved    = "w07"
	probed      = "probed"
)

// measureDeploy deploys 50 Deployments and 50 Services: for the first time, unchanged, and with one saved manifest.
func measureDeploy(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("50 Deployments of one sleeping pod and 50 Services; %d unchanged runs and %d saves; clocks: the process, the event log, a watch of the API server",
		l.rounds, l.manifests), Samples: map[string][]float64{}}
	dir, err := l.many()
	if err != nil {
		return r, err
	}
	defer l.drop(dir)
	first, err := l.once(ctx, dir, "run", "--status-check=false")
	if err != nil {
		return r, err
	}
	r.Rows = append(r.Rows, row("deploy", "100 objects for the first time, all applied", "ms", milliseconds(first.applied)))
	if err := l.allRun(ctx); err != nil {
		return r, err
	}
	if err := l.unchanged(ctx, dir, &r); err != nil {
		return r, err
	}
	if err := l.saved(ctx, dir, &r); err != nil {
		return r, err
	}
	return r, l.reported(ctx, &r)
}

// many writes the project.
func (l *lab) many() (string, error) {
	dir := filepath.Join(l.tmp, "many")
	for i := range deployments {
		if err := put(filepath.Join(dir, "k8s", fmt.Sprintf("w%02d.yaml", i)), sleeping(fmt.Sprintf("w%02d", i), 80)); err != nil {
			return "", err
		}
	}
	return dir, put(filepath.Join(dir, "skaffold.yaml"), "apiVersion: skaffold/v4beta13\nkind: Config\nmetadata: {name: many}\nmanifests: {rawYaml: [k8s/*.yaml]}\n")
}

func sleeping(name string, port int) string {
	return fmt.Sprintf(strings.ReplaceAll(`apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: box, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "1000000"], resources: {requests: {cpu: 1m, memory: 1Mi}}}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: %d}]}
`, "NAME", name), port)
}

// drop lets the pods go before the namespace, for the measures that come after.
func (l *lab) drop(dir string) {
	command := exec.Command(l.skiff, "delete", "--namespace="+l.namespace)
	command.Dir, command.Env = dir, l.environ()
	_ = command.Run() // the namespace is deleted at the end all the same
}

// outcome is one command that has ended.
type outcome struct {
	took    time.Duration
	applied time.Duration // until the last object was applied
	events  []logged
}

// once runs a command to its end.
func (l *lab) once(ctx context.Context, dir string, args ...string) (outcome, error) {
	log := filepath.Join(l.tmp, fmt.Sprintf("once-%d.jsonl", time.Now().UnixNano()))
	command := exec.CommandContext(ctx, l.skiff, append(args, "--namespace="+l.namespace, "--event-log-file="+log)...)
	command.Dir, command.Env = dir, l.environ()
	began := time.Now()
	text, err := command.CombinedOutput()
	o := outcome{took: time.Since(began)}
	if err != nil {
		return o, fmt.Errorf("skiff %s: %w: %s", args[0], err, text)
	}
	data, err := os.ReadFile(log)
	if err != nil {
		return o, err
	}
	o.events, _, err = parseLog(data)
	for _, e := range o.events {
		if e.Kind == "applied" {
			o.applied = e.Time.Sub(began)
		}
	}
	return o, err
}

// pods is the uid and the restarts of every pod, as one text.
func (l *lab) pods(ctx context.Context) (text string, running int, err error) {
	list, err := l.cluster.Typed.CoreV1().Pods(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", 0, err
	}
	for i := range list.Items {
		p := &list.Items[i]
		if runningID(p) != "" {
			running++
		}
		for _, s := range p.Status.ContainerStatuses {
			text += fmt.Sprintf("%s %d\n", p.UID, s.RestartCount)
		}
	}
	return text, running, nil
}

func (l *lab) allRun(ctx context.Context) error {
	return poll(ctx, 3*time.Minute, func() (bool, error) {
		_, running, err := l.pods(ctx)
		return running == deployments, err
	})
}

// unchanged runs the project again: for the clock directly, and once through a proxy that counts what is written.
func (l *lab) unchanged(ctx context.Context, dir string, r *Result) error {
	before, _, err := l.pods(ctx)
	if err != nil {
		return err
	}
	for range l.rounds {
		o, err := l.once(ctx, dir, "run")
		if err != nil {
			return err
		}
		r.Samples["unchanged"] = append(r.Samples["unchanged"], milliseconds(o.took))
	}
	writes, err := l.counted(ctx, dir)
	if err != nil {
		return err
	}
	after, _, err := l.pods(ctx)
	if err != nil {
		return err
	}
	restarted := 0.0
	if after != before {
		restarted = float64(deployments)
		for line := range strings.Lines(before) {
			if strings.Contains(after, line) {
				restarted--
			}
		}
	}
	r.Rows = append(r.Rows,
		row("deploy", "unchanged run, median", "ms", median(r.Samples["unchanged"])),
		row("deploy", "unchanged run, largest", "ms", percentile(r.Samples["unchanged"], 100)),
		row("deploy", "unchanged run: writes to the API server", "", float64(writes)),
		row("deploy", "unchanged run: pods replaced or restarted", "", restarted))
	return nil
}

// counted runs the project through a proxy, and returns how many requests of it write.
func (l *lab) counted(ctx context.Context, dir string) (int64, error) {
	transport, err := rest.TransportFor(l.cluster.Config)
	if err != nil {
		return 0, err
	}
	target, err := url.Parse(l.cluster.Host)
	if err != nil {
		return 0, err
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, FlushInterval: -1}
	var writes, all atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Add(1)
		if r.Method != http.MethodGet {
			writes.Add(1)
		}
		forward.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer server.CloseClientConnections()
	file := filepath.Join(l.tmp, "proxy.kubeconfig")
	text := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: proxy, users: [{name: none}], contexts: [{name: proxy, context: {cluster: proxy, user: none}}], clusters: [{name: proxy, cluster: {server: %q}}]}", server.URL)
	if err := put(file, text); err != nil {
		return 0, err
	}
	if _, err := l.once(ctx, dir, "run", "--kubeconfig="+file); err != nil {
		return 0, err
	}
	if all.Load() == 0 {
		return 0, fmt.Errorf("nothing went through the proxy")
	}
	return writes.Load(), nil
}

// saved changes one manifest again and again while skiff dev runs, and takes the time until the API server tells of it.
func (l *lab) saved(ctx context.Context, dir string, r *Result) error {
	s, err := l.dev(dir)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.watching(ctx); err != nil {
		return err
	}
	w, err := l.cluster.Typed.CoreV1().Services(l.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + oneSaved})
	if err != nil {
		return err
	}
	defer w.Stop()
	<-w.ResultChan() // as it is now
	for i := range l.manifests {
		if err := pause(ctx, 150*time.Millisecond); err != nil {
			return err
		}
		began := time.Now()
		if err := put(filepath.Join(dir, "k8s", oneSaved+".yaml"), sleeping(oneSaved, 1000+i)); err != nil {
			return err
		}
		limit := time.NewTimer(10 * time.Second)
		select {
		case <-w.ResultChan():
			r.Samples["saved"] = append(r.Samples["saved"], milliseconds(time.Since(began)))
		case <-limit.C:
			return fmt.Errorf("save %d was not applied: %s", i, s.tail())
		}
		limit.Stop()
	}
	r.Rows = append(r.Rows,
		row("deploy", "one manifest saved, applied, p50", "ms", percentile(r.Samples["saved"], 50)),
		row("deploy", "one manifest saved, applied, p99", "ms", percentile(r.Samples["saved"], 99)))
	return nil
}

// reported applies a changed Deployment, and takes the time from when the API server tells that its rollout is over until skiff
// has reported it ready.
func (l *lab) reported(ctx context.Context, r *Result) error {
	dir := filepath.Join(l.tmp, probed)
	for i := range l.rounds + 1 {
		text, _, _ := strings.Cut(sleeping(probed, 80), "---")
		text = strings.Replace(text, `"1000000"], `, fmt.Sprintf(`"%d"], readinessProbe: {periodSeconds: 1, exec: {command: ["true"]}}, `, 1000000+i), 1)
		if err := put(filepath.Join(dir, "app.yaml"), text); err != nil {
			return err
		}
		over, err := l.rolledOut(ctx)
		if err != nil {
			return err
		}
		o, err := l.once(ctx, dir, "apply", "app.yaml")
		if err != nil {
			return err
		}
		at := <-over
		for _, e := range o.events {
			if e.Kind == "ready" && i > 0 {
				r.Samples["reported"] = append(r.Samples["reported"], milliseconds(e.Time.Sub(at)))
			}
		}
	}
	r.Rows = append(r.Rows, row("deploy", "rollout over, reported ready, p50", "ms", percentile(r.Samples["reported"], 50)))
	return nil
}

// rolledOut tells when the API server says that a newer generation of the Deployment runs. The watch stands when it returns.
func (l *lab) rolledOut(ctx context.Context) (<-chan time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	known := int64(0)
	if d, err := l.cluster.Typed.AppsV1().Deployments(l.namespace).Get(ctx, probed, metav1.GetOptions{}); err == nil {
		known = d.Generation
	}
	w, err := l.cluster.Typed.AppsV1().Deployments(l.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + probed})
	if err != nil {
		cancel()
		return nil, err
	}
	over := make(chan time.Time, 1)
	l.watches.Go(func() {
		defer cancel()
		defer w.Stop()
		defer close(over)
		for e := range w.ResultChan() {
			d, ok := e.Object.(*appsv1.Deployment)
			s := appsv1.DeploymentStatus{}
			if ok {
				s = d.Status
			}
			if ok && d.Generation > known && s.ObservedGeneration == d.Generation && s.UpdatedReplicas == 1 && s.Replicas == 1 && s.AvailableReplicas == 1 {
				over <- time.Now()
				return
			}
		}
	})
	return over, nil
}
