package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/kube"
)

// site is a namespace of its own in the cluster, so that nothing else is touched.
type site struct {
	cluster   *kube.Cluster
	namespace string
}

func openSite(ctx context.Context) (*site, error) {
	cluster, err := kube.Connect(kube.Options{Getenv: os.Getenv})
	if err != nil {
		return nil, err
	}
	s := &site{cluster: cluster, namespace: "skiff-bench-" + strconv.Itoa(os.Getpid())}
	_, err = cluster.Typed.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create namespace %s: %w", s.namespace, err)
	}
	// A pod is refused until the controller has made the namespace's service account.
	err = poll(ctx, 30*time.Second, func() (bool, error) {
		_, err := cluster.Typed.CoreV1().ServiceAccounts(s.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, ignoreNotFound(err)
	})
	if err != nil {
		s.close(ctx)
		return nil, fmt.Errorf("wait for the service account of %s: %w", s.namespace, err)
	}
	return s, nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// close deletes the namespace without waiting for it.
func (s *site) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.cluster.Typed.CoreV1().Namespaces().Delete(ctx, s.namespace, metav1.DeleteOptions{}); err != nil {
		fmt.Fprintf(os.Stderr, "delete namespace %s: %v\n", s.namespace, err)
	}
}

// gone waits until the pod is no more.
func (s *site) gone(ctx context.Context, pod string) error {
	err := poll(ctx, 60*time.Second, func() (bool, error) {
		_, err := s.cluster.Typed.CoreV1().Pods(s.namespace).Get(ctx, pod, metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("wait for the end of pod %s: %w", pod, err)
	}
	return nil
}

// running is the id of a pod's only container, once it runs.
func (s *site) running(ctx context.Context, pod string) (id string, err error) {
	err = poll(ctx, 60*time.Second, func() (bool, error) {
		p, err := s.cluster.Typed.CoreV1().Pods(s.namespace).Get(ctx, pod, metav1.GetOptions{})
		if err == nil {
			id = runningID(p)
		}
		return id != "", ignoreNotFound(err)
	})
	if err != nil {
		return "", fmt.Errorf("wait for the container of pod %s: %w", pod, err)
	}
	return id, nil
}

// starts tells when the API server first says that the pod's container runs. The watch stands when starts returns; the wait
// ends with ctx.
func (s *site) starts(ctx context.Context, pod string) (wait func() (time.Time, error), err error) {
	w, err := s.cluster.Typed.CoreV1().Pods(s.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + pod})
	if err != nil {
		return nil, fmt.Errorf("watch pod %s: %w", pod, err)
	}
	return func() (time.Time, error) {
		defer w.Stop()
		for {
			select {
			case <-ctx.Done():
				return time.Time{}, ctx.Err()
			case e, ok := <-w.ResultChan():
				if !ok {
					return time.Time{}, errors.New("the watch ended")
				}
				if p, isPod := e.Object.(*corev1.Pod); isPod && runningID(p) != "" {
					return time.Now(), nil
				}
			}
		}
	}, nil
}

func runningID(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running != nil {
			return c.ContainerID
		}
	}
	return ""
}

// poll asks until the answer is yes; it is for what is not measured.
func poll(ctx context.Context, limit time.Duration, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := ask(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
