package main

import (
	"context"
	"fmt"
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
		if err := l.oneWarm(ctx, dir, samples); err != nil {
			return r, err
		}
	}
	add := func(name string, sample string) {
		r.Rows = append(r.Rows, row("warm", name, "ms", median(r.Samples[sample])))
	}
	add("\"Watching for changes\"", "watching")
	add("container runs", "running")
	add("cluster answers (event log)", "session")
	for _, stage := range []string{"tag", "build", "render", "deploy", "status"} {
		add("stage "+stage+" (event log)", stage)
	}
	return r, nil
}

func (l *lab) oneWarm(ctx context.Context, dir string, samples map[string][]float64) error {
	if err := l.gone(ctx, flaskPod); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, firstLimit)
	defer cancel()
	runs, err := l.starts(ctx, flaskPod)
	if err != nil {
		return err
	}
	s, err := l.dev(dir)
	if err != nil {
		return err
	}
	defer s.stop()
	watching, err := s.watching(ctx)
	if err != nil {
		return err
	}
	// skiff watches when the pod is ready, so that it runs has been told already.
	running, err := runs()
	if err != nil {
		return err
	}
	events, _, err := s.log(0)
	samples["watching"] = append(samples["watching"], milliseconds(watching.Sub(s.started)))
	samples["running"] = append(samples["running"], milliseconds(running.Sub(s.started)))
	for _, e := range events {
		switch e.Kind {
		case "session":
			samples["session"] = append(samples["session"], milliseconds(e.Time.Sub(s.started)))
		case "stageEnded":
			samples[e.Stage] = append(samples[e.Stage], milliseconds(e.Took))
		}
	}
	return err
}
