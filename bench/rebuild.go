package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// measureRebuild saves one source file of an image on a base of 200 MB, by turns in a session that assembles and in one that builds
// in full, and takes the time from just before the save until the registry names another manifest, and until the API server tells that
// a container of the Deployment runs with it. What the cluster alone needs is measured in the same run: the Deployment is patched to
// an image that is in the registry already.
func measureRebuild(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("%d saves on each road, by turns; clocks: a HEAD of the registry every 2 ms, a watch of the pods", l.builds), Samples: map[string][]float64{}}
	registry, err := l.cluster.LocalRegistry(ctx)
	if err != nil || registry == "" {
		return r, errors.Join(errors.New("the cluster announces no registry"), err)
	}
	var roads []*rebuilder
	for _, road := range []struct {
		name  string
		flags []string
	}{{"assembled", nil}, {"in full", []string{"--assemble=false"}}} {
		b, err := l.rebuilder(ctx, registry, road.name, road.flags)
		if err != nil {
			return r, err
		}
		defer b.session.stop()
		roads = append(roads, b)
	}
	for i := range l.builds + 1 {
		for _, b := range roads {
			samples := r.Samples
			if i == 0 {
				samples = map[string][]float64{} // the first one learns what the image before is made of
			}
			if err := b.save(ctx, i, samples); err != nil {
				return r, err
			}
		}
		if i > 0 {
			if err := roads[0].patch(ctx, r.Samples); err != nil {
				return r, err
			}
		}
	}
	for _, b := range roads {
		events, _, err := b.session.log(0)
		if err != nil {
			return r, err
		}
		for _, e := range events {
			if e.Kind == "buildEnded" || e.Kind == "stageEnded" {
				r.Samples[e.Kind+" "+e.Stage+" "+b.name] = append(r.Samples[e.Kind+" "+e.Stage+" "+b.name], milliseconds(e.Took))
			}
		}
	}
	r.Rows = rebuildRows(r.Samples)
	return r, ctx.Err()
}

func rebuildRows(samples map[string][]float64) []Row {
	var rows []Row
	add := func(name, unit string, value float64) { rows = append(rows, row("rebuild", name, unit, value)) }
	for _, road := range []string{"assembled", "in full"} {
		add(road+": save to manifest, p50", "ms", median(samples["manifest "+road]))
		add(road+": save to manifest, p90", "ms", percentile(samples["manifest "+road], 90))
		add(road+": save to running, p50", "ms", median(samples["running "+road]))
		add(road+": save to running, p90", "ms", percentile(samples["running "+road], 90))
		for _, stage := range []string{"tag", "build", "render", "deploy"} {
			add(road+": stage "+stage+" (event log)", "ms", median(samples["stageEnded "+stage+" "+road]))
		}
	}
	add("manifest, times faster", "", median(samples["manifest in full"])/median(samples["manifest assembled"]))
	add("patch to running, p50", "ms", median(samples["patch"]))
	return rows
}

// rebuilder is a session over a project of its own.
type rebuilder struct {
	*lab
	name, app, dir string
	manifest       string // URL
	session        *session
	before         []string // images that the Deployment had
	made           int      // which of them is patched in next
}

func (l *lab) rebuilder(ctx context.Context, registry, name string, flags []string) (*rebuilder, error) {
	app := "bench-rebuild-" + strings.ReplaceAll(name, " ", "-")
	b := &rebuilder{lab: l, name: name, app: app, dir: filepath.Join(l.tmp, app), manifest: "http://" + registry + "/v2/" + app + "/manifests/now"}
	for file, content := range map[string]string{
		"skaffold.yaml": "apiVersion: skaffold/v4beta14\nkind: Config\nmetadata: {name: " + app + "}\nbuild:\n  artifacts:\n  - image: " + app +
			"\nmanifests:\n  rawYaml: [k8s/*.yaml]\n",
		".dockerignore": ".git\nk8s\nskaffold.yaml\n",
		"Dockerfile": "FROM python:3.12-slim\nWORKDIR /srv\nCOPY requirements.txt .\nRUN cp requirements.txt /installed\nCOPY . .\n" +
			"CMD [\"sleep\", \"1000000\"]\n",
		"requirements.txt": "flask\n", "app.py": "print(0)\n", "lib/util.py": "x = 1\n",
		"k8s/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + app + "}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: " + app +
			"}}\n  template:\n    metadata: {labels: {app: " + app + "}}\n    spec:\n      terminationGracePeriodSeconds: 0\n      containers:\n      - {name: web, image: " + app + "}\n",
	} {
		if err := put(filepath.Join(b.dir, file), content); err != nil {
			return nil, err
		}
	}
	// Two roads must not find each other's steps in the engine's cache.
	if err := put(filepath.Join(b.dir, "who"), fmt.Sprint(app, rand.Uint64())); err != nil {
		return nil, err
	}
	if err := commit(ctx, b.dir); err != nil {
		return nil, err
	}
	s, err := l.dev(b.dir, append(flags, "--tag=now")...)
	if err != nil {
		return nil, err
	}
	b.session = s
	_, err = s.watching(ctx)
	return b, err
}

// digest is what the registry names now.
func (b *rebuilder) digest(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, b.manifest, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return resp.Header.Get("Docker-Content-Digest"), nil
}

// save changes one line, and waits for the manifest and for the container.
func (b *rebuilder) save(ctx context.Context, i int, samples map[string][]float64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	// Everything rests before: the last rollout has ended.
	if err := pause(ctx, 1500*time.Millisecond+rand.N(300*time.Millisecond)); err != nil {
		return err
	}
	old, err := b.digest(ctx)
	if err != nil {
		return err
	}
	told, err := b.rolls(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := overwrite(filepath.Join(b.dir, "app.py"), fmt.Appendf(nil, "print(%d)  # %d\n", i, begin.UnixNano())); err != nil {
		return err
	}
	for now := old; now == old; {
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return fmt.Errorf("%s: no new manifest: %w: %s", b.name, err, b.session.tail())
		}
		if now, err = b.digest(ctx); err != nil {
			return err
		}
	}
	samples["manifest "+b.name] = append(samples["manifest "+b.name], milliseconds(time.Since(begin)))
	runs := <-told
	if runs.err != nil {
		return fmt.Errorf("%s: %w: %s", b.name, runs.err, b.session.tail())
	}
	samples["running "+b.name] = append(samples["running "+b.name], milliseconds(runs.at.Sub(begin)))
	b.before = append(b.before, runs.container.Image)
	return nil
}

// rolls watches for a container of the Deployment that was not there before.
func (b *rebuilder) rolls(ctx context.Context) (<-chan started, error) {
	selector := metav1.ListOptions{LabelSelector: "app=" + b.app}
	pods, err := b.cluster.Typed.CoreV1().Pods(b.namespace).List(ctx, selector)
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s: %w", b.app, err)
	}
	known := map[types.UID]bool{}
	for _, p := range pods.Items {
		known[p.UID] = true
	}
	selector.ResourceVersion = pods.ResourceVersion
	w, err := b.cluster.Typed.CoreV1().Pods(b.namespace).Watch(ctx, selector)
	if err != nil {
		return nil, fmt.Errorf("watch the pods of %s: %w", b.app, err)
	}
	told := make(chan started, 1)
	b.watches.Go(func() {
		defer w.Stop()
		for e := range w.ResultChan() {
			if p, isPod := e.Object.(*corev1.Pod); isPod && !known[p.UID] && runningID(p) != "" {
				told <- started{at: time.Now(), container: p.Spec.Containers[0]}
				return
			}
		}
		told <- started{err: errors.New("no new container runs")}
	})
	return told, nil
}

// patch rolls a Deployment of its own to images that are there: what the cluster needs in any case.
func (b *rebuilder) patch(ctx context.Context, samples map[string][]float64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	bare := *b
	bare.app = "bench-bare"
	image := b.before[b.made]
	b.made++
	deployments := b.cluster.Typed.AppsV1().Deployments(b.namespace)
	if b.made == 1 {
		d, err := deployments.Get(ctx, b.app, metav1.GetOptions{})
		if err != nil {
			return err
		}
		labels := map[string]string{"app": bare.app}
		spec := d.Spec
		spec.Selector, spec.Template.Labels = &metav1.LabelSelector{MatchLabels: labels}, labels
		spec.Template.Spec.Containers[0].Image = image
		told, err := bare.rolls(ctx)
		if err != nil {
			return err
		}
		if _, err := deployments.Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: bare.app}, Spec: spec}, metav1.CreateOptions{}); err != nil {
			return err
		}
		return (<-told).err
	}
	if err := pause(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	told, err := bare.rolls(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	data := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"web","image":%q}]}}}}`, image)
	if _, err := deployments.Patch(ctx, bare.app, types.StrategicMergePatchType, []byte(data), metav1.PatchOptions{}); err != nil {
		return err
	}
	runs := <-told
	if runs.err == nil {
		samples["patch"] = append(samples["patch"], milliseconds(runs.at.Sub(begin)))
	}
	return runs.err
}
