package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
)

// manifest is the Job of a container: the project's own or a plain one, with the container's settings put in.
func (r *Runner) manifest(c container, namespace, ref string) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	kept := corev1.Container{Name: c.spec.Name}
	if path := c.mode.KubernetesCluster.JobManifestPath; path != "" {
		var err error
		if job, err = r.readJob(path); err != nil {
			return nil, at(c.pos, err)
		}
		found := false
		for _, theirs := range job.Spec.Template.Spec.Containers {
			if theirs.Name == c.spec.Name {
				kept, found = theirs, true
			}
		}
		if !found {
			return nil, &diag.Error{Pos: c.pos, What: fmt.Sprintf("the Job of %s has no container %q", path, c.spec.Name), Hint: "give the container of the Job the same name", Code: diag.CodeConfig}
		}
	}
	kept.Image, kept.Command, kept.Args = ref, c.spec.Command, c.spec.Args
	for _, pair := range r.environment(c) {
		name, value := cut(pair)
		kept.Env = append(kept.Env, corev1.EnvVar{Name: name, Value: value})
	}
	job.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
	job.Name, job.GenerateName, job.Namespace = c.job, "", namespace
	if job.Labels == nil {
		job.Labels = map[string]string{}
	}
	if job.Spec.Template.Labels == nil {
		job.Spec.Template.Labels = map[string]string{}
	}
	job.Labels[labelRun], job.Spec.Template.Labels[labelRun] = r.RunID, r.RunID
	if job.Spec.BackoffLimit == nil {
		job.Spec.BackoffLimit = new(int32)
	}
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	job.Spec.Template.Spec.Containers = []corev1.Container{kept}
	return overlay(job, c)
}

// overlay puts the overrides of the project file over the Job: a JSON merge patch (RFC 7396).
func overlay(job *batchv1.Job, c container) (*batchv1.Job, error) {
	text := c.mode.KubernetesCluster.Overrides
	if text == "" {
		return job, nil
	}
	fault := func(err error) error {
		return &diag.Error{Pos: c.pos, What: fmt.Sprintf("overrides of %q: %v", c.spec.Name, err), Hint: "write a JSON object with the fields of a Job", Code: diag.CodeConfig}
	}
	var patch map[string]any
	if err := json.Unmarshal([]byte(text), &patch); err != nil {
		return nil, fault(err)
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		return nil, err
	}
	changed := &batchv1.Job{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(merge(fields, patch), changed, true); err != nil {
		return nil, fault(err)
	}
	return changed, nil
}

// merge is what RFC 7396 calls MergePatch, for two objects.
func merge(into, patch map[string]any) map[string]any {
	for key, value := range patch {
		inner, isObject := value.(map[string]any)
		if value == nil {
			delete(into, key)
		} else if !isObject {
			into[key] = value
		} else {
			below, _ := into[key].(map[string]any)
			if below == nil {
				below = map[string]any{}
			}
			into[key] = merge(below, inner)
		}
	}
	return into
}

func (r *Runner) readJob(path string) (*batchv1.Job, error) {
	file := r.path(path)
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, diag.Errorf("check jobManifestPath", "read the Job: %w", err)
	}
	objects, err := kube.ReadObjects(file, data)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if o.GetKind() == "Job" && o.GroupVersionKind().Group == "batch" {
			job := &batchv1.Job{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, job); err != nil {
				return nil, &diag.Error{Pos: o.Pos(), What: fmt.Sprintf("not a Job: %v", err), Code: diag.CodeConfig}
			}
			return job, nil
		}
	}
	return nil, &diag.Error{Pos: diag.Pos{File: file}, What: "there is no batch/v1 Job in this file", Hint: "write the Job of the test there, or leave jobManifestPath out", Code: diag.CodeConfig}
}

// inCluster runs a container as a Job and returns its exit code. The Job is gone when it returns.
func (r *Runner) inCluster(ctx context.Context, c container, ref string, out *lines) (int, error) {
	cluster, err := r.Cluster(ctx)
	if err != nil {
		return 0, err
	}
	job, err := r.manifest(c, cluster.Namespace, ref)
	if err != nil {
		return 0, err
	}
	made, err := createJob(ctx, cluster, job)
	if err != nil {
		return 0, at(c.pos, fmt.Errorf("make Job/%s: %w", job.Name, cluster.Explain(err)))
	}
	defer func() {
		ctx, cancel := cleaning(ctx)
		defer cancel()
		if err := deleteJob(ctx, cluster, made); err != nil {
			r.warn(err)
		}
	}()
	w := &jobWatch{cluster: cluster, job: made, container: c.spec.Name, out: out}
	code, err := w.run(ctx)
	if err != nil && ctx.Err() == nil {
		err = at(c.pos, err)
	}
	return code, err
}

// createJob makes the Job. One of the same name that an earlier session left is taken away first; any other is waited for, until ctx or
// Skaffold's 30 seconds end.
func createJob(ctx context.Context, cluster *kube.Cluster, job *batchv1.Job) (*batchv1.Job, error) {
	jobs := cluster.Typed.BatchV1().Jobs(job.Namespace)
	made, err := jobs.Create(ctx, job, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return made, err
	}
	old, err := jobs.Get(ctx, job.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if old.Labels[labelRun] != "" && (old.Status.Succeeded+old.Status.Failed > 0 || old.DeletionTimestamp != nil) {
		if err := deleteJob(ctx, cluster, old); err != nil {
			return nil, err
		}
	}
	if err := waitGone(ctx, cluster, old); err != nil {
		return nil, err
	}
	return jobs.Create(ctx, job, metav1.CreateOptions{})
}

// waitGone watches until a Job is gone.
func waitGone(ctx context.Context, cluster *kube.Cluster, job *batchv1.Job) error {
	ctx, cancel := context.WithTimeoutCause(ctx, gonePatience, diag.Errorf("wait until it ends, or delete it",
		"another Job/%s is there", job.Name))
	defer cancel()
	gone := errors.New("gone")
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	seen := false
	err := cluster.Watch(ctx, batchv1.SchemeGroupVersion.WithResource("jobs"), job.Namespace,
		metav1.ListOptions{FieldSelector: "metadata.name=" + job.Name},
		func() {
			if !seen {
				stop(gone)
			}
		},
		func(o *unstructured.Unstructured, deleted bool) {
			if seen = !deleted && o.GetUID() == job.UID; !seen {
				stop(gone)
			}
		})
	if errors.Is(context.Cause(ctx), gone) {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func deleteJob(ctx context.Context, cluster *kube.Cluster, job *batchv1.Job) error {
	policy := metav1.DeletePropagationBackground
	err := cluster.Typed.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{
		PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &job.UID},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// jobWatch follows one Job to its end.
type jobWatch struct {
	cluster   *kube.Cluster
	job       *batchv1.Job
	container string
	out       *lines

	mu      sync.Mutex
	logging bool
	logs    sync.WaitGroup
	end     func(err error)
	code    int
}

// gonePatience is how long a Job of the same name is waited for, as Skaffold does.
const gonePatience = 30 * time.Second

// errEnded is the cause with which the watches of a Job stop when it has ended.
var errEnded = errors.New("the container has ended")

func (w *jobWatch) run(ctx context.Context) (int, error) {
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)
	w.end = end
	var watches sync.WaitGroup
	look := func(resource, selector string, field bool, see func(*unstructured.Unstructured)) {
		watches.Go(func() { w.watch(inner, resource, selector, field, see) })
	}
	look("pods", "batch.kubernetes.io/job-name="+w.job.Name, false, func(o *unstructured.Unstructured) { w.pod(ctx, o) })
	look("events", "involvedObject.uid="+string(w.job.UID), true, w.event)
	<-inner.Done()
	watches.Wait()
	w.logs.Wait()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if cause := context.Cause(inner); !errors.Is(cause, errEnded) {
		return 0, cause
	}
	return w.code, nil
}

func (w *jobWatch) watch(ctx context.Context, resource, selector string, field bool, see func(*unstructured.Unstructured)) {
	o := metav1.ListOptions{LabelSelector: selector}
	if field {
		o = metav1.ListOptions{FieldSelector: selector}
	}
	err := w.cluster.Watch(ctx, corev1.SchemeGroupVersion.WithResource(resource), w.job.Namespace, o, nil,
		func(o *unstructured.Unstructured, deleted bool) {
			if deleted && resource == "pods" && o.GetDeletionTimestamp() != nil {
				w.end(diag.Errorf("run it again", "pod %s was deleted while it ran", o.GetName()))
			} else if !deleted {
				see(o)
			}
		})
	// Events are a help, not a need: who may not read them still gets the result.
	if err != nil && ctx.Err() == nil && resource == "pods" {
		w.end(w.cluster.Explain(err))
	}
}

// event ends the wait for a Job whose pod is refused, by a quota for instance: nothing would ever come.
func (w *jobWatch) event(o *unstructured.Unstructured) {
	var e corev1.Event
	if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &e) == nil && e.Type == corev1.EventTypeWarning && e.Reason == "FailedCreate" {
		w.end(diag.Errorf("see kubectl describe for the Job's events", "Job/%s gets no pod: %s", w.job.Name, e.Message))
	}
}

// pod looks at the Job's pod: what keeps it from running, its output, its end.
func (w *jobWatch) pod(ctx context.Context, o *unstructured.Unstructured) {
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &pod); err != nil || !metav1.IsControlledBy(&pod, w.job) {
		return
	}
	for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if why := s.State.Waiting; why != nil && stuck(why.Reason) {
			w.end(diag.Errorf("check the image's name, and that the cluster may read it", "container %q does not start: %s: %s", s.Name, why.Reason, why.Message))
			return
		}
		if s.Name != w.container {
			continue
		}
		if s.State.Running != nil || s.State.Terminated != nil {
			w.follow(ctx, pod.Name)
		}
		if t := s.State.Terminated; t != nil {
			w.code = int(t.ExitCode)
			if w.code == 0 && t.Signal != 0 {
				w.code = 128 + int(t.Signal)
			}
			w.end(errEnded)
			return
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		w.end(diag.Errorf("see kubectl describe pod", "pod %s failed: %s", pod.Name, words(pod.Status.Reason, pod.Status.Message)))
	}
}

func words(reason, message string) string {
	switch {
	case reason == "":
		return message
	case message == "":
		return reason
	}
	return reason + ": " + message
}

// stuck is a reason for waiting that does not go away by itself.
func stuck(reason string) bool {
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return true
	}
	return false
}

// follow hands on the container's output from its first line, once.
func (w *jobWatch) follow(ctx context.Context, pod string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.logging {
		return
	}
	w.logging = true
	w.logs.Go(func() {
		stream, err := w.cluster.Logs(ctx, w.job.Namespace, pod, &corev1.PodLogOptions{Container: w.container, Follow: true})
		if err == nil {
			defer stream.Close()
			_, err = io.Copy(w.out, stream)
		}
		if err != nil && ctx.Err() == nil {
			w.out.say(fmt.Sprintf("the output cannot be read: %v", err))
		}
	})
}
