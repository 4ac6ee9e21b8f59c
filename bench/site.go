package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
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
	watches   sync.WaitGroup
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
	s.watches.Wait()
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

// started is when the API server first told that a container runs, and which.
type started struct {
	at        time.Time
	container corev1.Container
	err       error
}

// starts watches for the start of the pod's container, until ctx ends. The watch stands when starts returns.
func (s *site) starts(ctx context.Context, pod string) (<-chan started, error) {
	w, err := s.cluster.Typed.CoreV1().Pods(s.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + pod})
	if err != nil {
		return nil, fmt.Errorf("watch pod %s: %w", pod, err)
	}
	told := make(chan started, 1)
	s.watches.Go(func() {
		defer w.Stop()
		for e := range w.ResultChan() {
			if p, isPod := e.Object.(*corev1.Pod); isPod && runningID(p) != "" {
				told <- started{at: time.Now(), container: p.Spec.Containers[0]}
				return
			}
		}
		told <- started{err: errors.New("the watch ended")}
	})
	return told, nil
}

// bare makes a pod with the same container directly, and takes the time until the API server tells that it runs: no tool can be
// faster than the cluster. The pod is deleted again.
func (s *site) bare(ctx context.Context, container corev1.Container) (time.Duration, error) {
	const name = "bare"
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	told, err := s.starts(ctx, name)
	if err != nil {
		return 0, err
	}
	pods := s.cluster.Typed.CoreV1().Pods(s.namespace)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: container.Name, Image: container.Image, Ports: container.Ports}},
	}}
	begin := time.Now()
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return 0, fmt.Errorf("create pod %s: %w", name, err)
	}
	runs := <-told
	if runs.err != nil {
		return 0, runs.err
	}
	if err := pods.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		return 0, fmt.Errorf("delete pod %s: %w", name, err)
	}
	return runs.at.Sub(begin), s.gone(ctx, name)
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
