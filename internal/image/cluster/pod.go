package cluster

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/kube"
)

// cleanupTime is how long the removal of a pod is tried after its build, also after Ctrl-C.
const cleanupTime = 20 * time.Second

// pod is a BuildKit that lives in a pod for one build.
type pod struct {
	o        Options
	artifact *config.KanikoArtifact
	place    *config.ClusterBuild
	image    string
}

var _ BuildKit = (*pod)(nil)

// Build starts the pod, has it build, and removes it whatever happens.
func (p *pod) Build(ctx context.Context, o engine.BuildOptions, to engine.Output, out func(line string)) (engine.Solved, error) {
	limit, err := patience(p.place)
	if err != nil {
		return engine.Solved{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	solved, err := p.build(bounded, o, to, out)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		return solved, diag.Errorf("raise build.cluster.timeout", "the build in the cluster did not end within %s", limit)
	}
	return solved, err
}

func (p *pod) build(ctx context.Context, o engine.BuildOptions, to engine.Output, out func(line string)) (engine.Solved, error) {
	wanted, err := spec(p.place, p.artifact)
	if err != nil {
		return engine.Solved{}, err
	}
	pods := p.o.Kube.Typed.CoreV1().Pods(p.place.Namespace)
	made, err := pods.Create(ctx, wanted, metav1.CreateOptions{})
	if err != nil {
		return engine.Solved{}, p.o.Kube.Explain(fmt.Errorf("build pod in namespace %s: %w", p.place.Namespace, err))
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		// The pod ends by itself later, should this fail.
		_ = pods.Delete(ctx, made.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	}()
	out(fmt.Sprintf("building in pod %s/%s with %s", made.Namespace, made.Name, builderImage(p.artifact)))
	if err := p.await(ctx, made.Name, out); err != nil {
		return engine.Solved{}, err
	}
	var channels sync.WaitGroup
	defer channels.Wait()
	live, end := context.WithCancel(ctx)
	defer end()
	kit := engine.NewRemote(engine.RemoteOptions{
		Address: "pod/" + made.Name, Auth: p.auth(), Getenv: p.o.Getenv,
		Dial: func(context.Context) (net.Conn, error) { return p.dial(live, &channels, made.Name), nil },
	})
	solved, err := kit.Build(ctx, p.adjust(o), p.output(to), out)
	if err != nil && ctx.Err() == nil {
		if why := p.ended(ctx, made.Name); why != nil {
			return solved, why
		}
	}
	return solved, err
}

// dial opens a channel to the daemon: a command in the pod hands its input and output on to the socket.
func (p *pod) dial(ctx context.Context, channels *sync.WaitGroup, name string) net.Conn {
	ours, theirs := net.Pipe()
	channels.Go(func() {
		defer theirs.Close()
		// What goes wrong ends the channel, and the build with it.
		_ = p.o.Kube.Exec(ctx, kube.Exec{
			Namespace: p.place.Namespace, Pod: name, Container: container, Command: []string{"buildctl", "dial-stdio"}, Stdin: theirs, Stdout: theirs,
		})
	})
	return ours
}

// adjust adds what Dockerfiles of the docker builder do not have.
func (p *pod) adjust(o engine.BuildOptions) engine.BuildOptions {
	o.Tags = append(append([]string{}, o.Tags...), p.artifact.Destination...)
	o.Labels = map[string]string{}
	for key, value := range p.artifact.Label {
		if value != nil {
			o.Labels[key] = *value
		}
	}
	return o
}

// output is where the image and its cache go.
func (p *pod) output(to engine.Output) engine.Output {
	to.Insecure = to.Insecure || p.artifact.Insecure || p.artifact.SkipTLS
	if c := p.artifact.Cache; c != nil && c.Repo != "" {
		to.CacheTo = append(to.CacheTo, "type=registry,mode=max,ref="+c.Repo)
	}
	return to
}

// auth is the credentials that the build may use: those of build.cluster.dockerConfig, or this machine's.
func (p *pod) auth() *engine.Auth {
	if d := p.place.DockerConfig; d != nil && d.Path != "" {
		dir := filepath.Dir(d.Path)
		return engine.LoadAuth(func(name string) string {
			if name == "DOCKER_CONFIG" {
				return dir
			}
			return p.o.Getenv(name)
		})
	}
	return p.o.Auth
}

// await returns when the pod's daemon answers, or says why it never will.
func (p *pod) await(ctx context.Context, name string, out func(line string)) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var result error
	ready, told := false, ""
	err := p.o.Kube.WatchPods(watching, []string{p.place.Namespace}, func(e kube.PodEvent) {
		if e.Pod.Name != name || watching.Err() != nil {
			return
		}
		waits, failed := judge(e.Pod)
		switch {
		case e.Deleted:
			result = diag.Errorf("see who deletes pods in the namespace", "the build pod %s was deleted", name)
		case failed != nil:
			result = failed
		case isReady(e.Pod):
			ready = true
		default:
			if waits != "" && waits != told {
				out(waits)
				told = waits
			}
			return
		}
		stop()
	})
	switch {
	case result != nil:
		return result
	case ready:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// ended says why the pod is not there any more, nil when it runs.
func (p *pod) ended(ctx context.Context, name string) error {
	found, err := p.o.Kube.Typed.CoreV1().Pods(p.place.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	_, failed := judge(found)
	return failed
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// judge says what a pod waits for, or why it cannot build.
func judge(p *corev1.Pod) (waits string, failed error) {
	fail := func(hint, format string, args ...any) error {
		e := diag.Errorf(hint, "the build pod %s: %s", p.Name, fmt.Sprintf(format, args...))
		e.Code = diag.CodeBuild
		return e
	}
	for _, s := range p.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			switch {
			case strings.Contains(w.Reason, "ImagePull") || w.Reason == "InvalidImageName" || w.Reason == "ErrImageNeverPull":
				return "", fail("correct kaniko.image, or name the secret to pull it with as kaniko.imagePullSecret", "the image %s cannot be pulled: %s", s.Image, w.Message)
			case strings.HasPrefix(w.Reason, "Create") && strings.HasSuffix(w.Reason, "Error"), w.Reason == "RunContainerError":
				return "", fail("", "it cannot be started: %s", w.Message)
			}
		}
		if t := s.State.Terminated; t != nil {
			if t.Reason == "OOMKilled" {
				return "", fail("raise build.cluster.resources.limits.memory", "it ran out of memory")
			}
			return "", fail("kaniko.image names the builder; a rootless BuildKit needs user namespaces on the node", "it ended with exit code %d: %s", t.ExitCode, orElse(t.Message, t.Reason))
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return "no node takes the build pod yet: " + c.Message, nil
		}
	}
	if p.Status.Phase == corev1.PodFailed {
		return "", fail("", "%s", orElse(p.Status.Message, p.Status.Reason))
	}
	return "", nil
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}
