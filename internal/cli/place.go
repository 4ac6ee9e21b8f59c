package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/kube"
)

// answerTime is how long the current context may take to answer before the project runs on this machine instead.
const answerTime = 2 * time.Second

// connect finds out where the project runs, and tells it: in the cluster that is named, in the one that is current if it answers, or
// else here. docs/decisions/local.md has the table of it.
func (s *session) connect(ctx context.Context) error {
	if s.target == "local" {
		return s.here(ctx, "as --target says; --target=cluster takes a cluster")
	}
	if docker, err := forEngine(s.project); err != nil {
		return err
	} else if docker && s.target != "cluster" {
		return s.onEngine(ctx)
	}
	// What was built for a cluster is deployed there.
	if s.target == "cluster" || s.contextNamed() || s.command == "deploy" || s.command == "apply" {
		return s.connectCluster(ctx)
	}
	if err := s.find(); errors.Is(err, kube.ErrNone) {
		return s.here(ctx, "there is no cluster in the kubeconfig; --target=cluster insists on one")
	} else if err != nil {
		return err
	}
	if s.command == "delete" {
		return s.connectCluster(ctx)
	}
	short, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := s.cluster.Ping(short); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.command != "dev" {
			// A script that deploys to its cluster must hear that it is not there; only a person at the keyboard is helped by processes.
			return orHere(err)
		}
		name := s.cluster.Context
		s.cluster = nil
		return s.here(ctx, fmt.Sprintf("the context %s does not answer; --target=cluster insists on it", name))
	}
	return s.connectCluster(ctx)
}

// orHere adds to what can be done that the project runs on this machine, too.
func orHere(err error) error {
	var e *diag.Error
	if errors.As(err, &e) {
		e.Hint = strings.TrimPrefix(e.Hint+"; or run it on this machine: --target=local", "; ")
	}
	return err
}

// contextNamed says whether the user or the project named a cluster.
func (s *session) contextNamed() bool {
	return s.kubeContext != "" || s.kubeconfig != "" || len(s.project.Configs) > 0 && s.project.Configs[0].Deploy.KubeContext != ""
}

// noCluster says whether this machine knows of no cluster, and none was asked for.
func (s *session) noCluster() bool {
	if s.target == "cluster" || s.contextNamed() {
		return false
	}
	_, err := kube.Connect(s.kubeOptions(s.namespace))
	return errors.Is(err, kube.ErrNone)
}

// connectBuild finds out what is built: images, or, where nothing could make or take one and nobody asked for one, programs.
func (s *session) connectBuild(ctx context.Context) error {
	if s.target == "local" {
		return s.connect(ctx)
	}
	if s.noCluster() && !s.asksForImages() && !s.engineAnswers(ctx) {
		return s.here(ctx, "there is neither a cluster in the kubeconfig nor a Docker engine; --target=cluster builds images")
	}
	s.peek(ctx)
	return nil
}

// asksForImages says whether a flag makes sense only for images that something else takes.
func (s *session) asksForImages() bool {
	return s.quiet || s.output != "" || s.fileOutput != "" || s.push != "" || s.defaultRepo != "" || s.tag != "" || s.dryRun || len(s.platforms) > 0
}

func (s *session) engineAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	e, err := engine.Connect(engine.Options{Getenv: s.env})
	if err != nil {
		return false
	}
	_, err = e.Ping(ctx)
	return errors.Join(err, e.Close()) == nil
}
