package filesync

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// state is what one session knows. The goroutine of Run owns it.
type state struct {
	syncer    *Syncer
	sel       Selection
	pods      map[string]*corev1.Pod // by namespace/name
	artifacts map[string]*overlay
	workers   map[instance]*worker
	start     func(*worker)
	deaf      bool // the journal cannot be written, and that was told
}

// instance is one life of a container: a restart is another instance.
type instance struct {
	pod       types.UID
	container string
	id        string
}

func (st *state) choose(sel Selection) {
	st.sel = sel
	for _, pod := range st.pods {
		st.look(pod)
	}
	st.forget()
}

func (st *state) pod(e kube.PodEvent) {
	key := e.Pod.Namespace + "/" + e.Pod.Name
	if old := st.pods[key]; old != nil && old.UID != e.Pod.UID {
		// A list after a lost watch may tell of the new pod first.
		if e.Deleted {
			return
		}
		st.drop(old, nil)
	}
	if e.Deleted {
		delete(st.pods, key)
		st.drop(e.Pod, nil)
		return
	}
	st.pods[key] = e.Pod
	st.look(e.Pod)
}

// look starts a worker for each running container that is ours and stops those of instances that are over.
func (st *state) look(pod *corev1.Pod) {
	keep := map[instance]bool{}
	if st.sel != nil && pod.DeletionTimestamp == nil {
		for _, m := range st.sel.Members(pod) {
			id := running(pod, m.Container)
			if m.Artifact == "" || id == "" {
				continue
			}
			key := instance{pod.UID, m.Container, id}
			keep[key] = true
			if w := st.workers[key]; w != nil {
				w.setCurrent(m.Current)
				continue
			}
			st.add(key, pod, m)
		}
	}
	st.drop(pod, keep)
}

func (st *state) add(key instance, pod *corev1.Pod, m kube.Member) {
	w := newWorker(st.syncer.cluster, st.syncer.sink, target{
		namespace: pod.Namespace, pod: pod.Name, container: m.Container, artifact: m.Artifact, image: m.Image, lazy: m.Init,
	})
	w.setCurrent(m.Current)
	w.note = func(ops []Op) {
		if err := st.syncer.journal.note(key.id, ops, time.Now()); err != nil && !st.deaf {
			st.deaf = true
			st.syncer.sink.Send(event.Note{Warn: true, Text: "what is synced cannot be remembered beyond this session: " + err.Error()})
		}
	}
	ops := st.syncer.journal.earlier(key.id)
	if ops = append(ops, st.overlay(m.Artifact).since(m.Image, m.Current)...); len(ops) > 0 {
		w.note(ops)
		w.replay(ops, time.Now())
	}
	st.workers[key] = w
	st.start(w)
}

// drop stops the workers of a pod, except those in keep.
func (st *state) drop(pod *corev1.Pod, keep map[instance]bool) {
	for key, w := range st.workers {
		if key.pod == pod.UID && !keep[key] {
			delete(st.workers, key)
			w.gone()
		}
	}
}

func running(pod *corev1.Pod, container string) string {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for _, c := range list {
			if c.Name == container && c.State.Running != nil {
				return c.ContainerID
			}
		}
	}
	return ""
}

func (st *state) overlay(artifact string) *overlay {
	o := st.artifacts[artifact]
	if o == nil {
		o = &overlay{ops: map[string]entry{}, bases: map[string]Seq{}}
		st.artifacts[artifact] = o
	}
	return o
}

func (st *state) built(artifact, ref string, mark Seq) {
	o := st.overlay(artifact)
	o.bases[ref], o.latest = mark, ref
	st.forget()
}

// forget drops what no container can need any more.
func (st *state) forget() {
	used := map[string]map[string]bool{}
	for _, w := range st.workers {
		if used[w.artifact] == nil {
			used[w.artifact] = map[string]bool{}
		}
		used[w.artifact][w.image] = true
	}
	for artifact, o := range st.artifacts {
		o.forget(used[artifact])
	}
}

func (st *state) push(artifact string, ops []Op, seq Seq, since time.Time) []chan error {
	st.overlay(artifact).add(ops, seq)
	var waits []chan error
	for _, w := range st.workers {
		if w.artifact != artifact {
			continue
		}
		wait := make(chan error, 1)
		w.note(ops)
		w.push(ops, since, wait)
		waits = append(waits, wait)
	}
	return waits
}
