package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// measureWarm starts `skiff dev` on the tutorial when its image is known from an earlier session and its pod does not exist, and
// takes the time from just before the process is started until its line "Watching for changes" is read, and until the API server
// tells that the container runs (which is when the kubelet has said so, a little later than the process exists).
func measureWarm(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("%d sessions on examples/flask after one that built, medians; clocks: the line read from a pipe, a watch of the pod", l.rounds), Samples: map[string][]float64{}}
	dir, err := l.flask(ctx, "warm", nil)
	if err != nil {
		return r, err
	}
	// The first one builds, and is not counted.
	for i := range l.rounds + 1 {
		samples := r.Samples
		if i == 0 {
			samples = map[string][]float64{}
		}
		container, err := l.oneWarm(ctx, dir, samples)
		if err != nil {
			return r, err
		}
		bare, err := l.bare(ctx, container)
		if err != nil {
			return r, err
		}
		samples["bare"] = append(samples["bare"], milliseconds(bare))
	}
	add := func(name string, sample string) {
		r.Rows = append(r.Rows, row("warm", name, "ms", median(r.Samples[sample])))
	}
	add("\"Watching for changes\"", "watching")
	add("container runs", "running")
	add("the same pod made directly, until its container runs", "bare")
	add("cluster answers (event log)", "session")
	add("pod made (event log)", "applied")
	for _, stage := range []string{"tag", "build", "render", "deploy", "status"} {
		add("stage "+stage+" (event log)", stage)
	}
	return r, nil
}

func (l *lab) oneWarm(ctx context.Context, dir string, samples map[string][]float64) (none corev1.Container, err error) {
	if err := l.gone(ctx, flaskPod); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, firstLimit)
	defer cancel()
	told, err := l.starts(ctx, flaskPod)
	if err != nil {
		return none, err
	}
	s, err := l.dev(dir)
	if err != nil {
		return none, err
	}
	defer s.stop()
	watching, err := s.watching(ctx)
	if err != nil {
		return none, err
	}
	// skiff says that it watches when the pod is ready, so this has been told already, or is about to be.
	runs := <-told
	if runs.err != nil {
		return none, runs.err
	}
	events, _, err := s.log(0)
	samples["watching"] = append(samples["watching"], milliseconds(watching.Sub(s.started)))
	samples["running"] = append(samples["running"], milliseconds(runs.at.Sub(s.started)))
	for _, e := range events {
		switch e.Kind {
		case "session":
			samples["session"] = append(samples["session"], milliseconds(e.Time.Sub(s.started)))
		case "applied":
			samples["applied"] = append(samples["applied"], milliseconds(e.Time.Sub(s.started)))
		case "stageEnded":
			samples[e.Stage] = append(samples[e.Stage], milliseconds(e.Took))
		}
	}
	return runs.container, err
}
