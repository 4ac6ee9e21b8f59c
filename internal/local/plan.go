package local

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Input is all that a plan depends on.
type Input struct {
	Images   map[string]Image  // by artifact
	Refs     map[string]string // image reference as rendered -> artifact
	Objects  []*kube.Object
	Settings Settings
	State    string // the folder for volumes and staged trees
	Host     Host
}

// defaultNamespace is where an object is that names no namespace.
const defaultNamespace = "default"

// planner is a plan while it is made.
type planner struct {
	Input
	plan   Plan
	drafts []*draft
	data   map[string]map[string]string // "ConfigMap/default/x" -> its data
	ports  map[int]string               // local port -> who has it
	reach  []reach
}

// draft is a unit while it is planned.
type draft struct {
	object     *kube.Object
	unit       Unit
	pod        corev1.PodSpec
	labels     map[string]string
	notes      map[string]string // annotations
	containers []*container
	broken     bool
	external   bool // a server that the project does not build; without it the rest still runs
}

// container is one container of a draft.
type container struct {
	corev1.Container
	init    bool
	image   Image
	own     Service // settings
	process Process
	layout  Layout
	moved   map[int]int // ports that are elsewhere here
	where   string
}

// Compose makes the plan. It looks at nothing but its input.
func Compose(in Input) Plan {
	p := &planner{Input: in, data: map[string]map[string]string{}, ports: map[int]string{}}
	for _, o := range in.Objects {
		p.remember(o)
	}
	for _, o := range in.Objects {
		p.draft(o)
	}
	p.externals()
	p.unknown()
	for _, d := range p.drafts {
		p.assignPorts(d)
	}
	p.routes()
	for _, d := range p.drafts {
		p.finish(d)
	}
	return p.plan
}

// find notes something about a draft's container, or about the draft itself.
func (p *planner) find(level Level, d *draft, c *container, topic, hint, format string, args ...any) {
	f := Finding{Level: level, Where: d.unit.Object, Topic: topic, Text: fmt.Sprintf(format, args...), Hint: hint, Pos: d.object.Pos()}
	if c != nil {
		f.Where = c.where
	}
	if level == Broken {
		d.broken = true
		if d.external {
			f.Level = Gap
		}
	}
	p.plan.Findings = append(p.plan.Findings, f)
}

// draft takes an object that runs pods, as far as its images are built here.
func (p *planner) draft(o *kube.Object) {
	spec := kube.PodSpec(o)
	if spec == nil {
		return
	}
	d := &draft{object: o, unit: Unit{Object: o.ID().String(), Name: o.GetName(), Namespace: namespaceOf(o), Job: o.GetKind() == "Job"}}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &d.pod); err != nil {
		// The other reader says which field it is.
		if data, marshal := json.Marshal(spec); marshal == nil {
			err = cmp.Or(json.Unmarshal(data, &corev1.PodSpec{}), err)
		}
		p.find(Broken, d, nil, "manifest", "correct its type; in YAML, yes, no, on, off, y, n and numbers are texts only in quotes", "the pod cannot be read: %v", err)
		return
	}
	d.labels, d.notes = podMeta(o)
	d.unit.Labels = d.labels
	if !p.wanted(d) {
		return
	}
	for _, c := range d.pod.InitContainers {
		p.container(d, c, true)
	}
	for _, c := range d.pod.Containers {
		p.container(d, c, false)
	}
	if slices.ContainsFunc(d.containers, func(c *container) bool { return !c.init }) {
		p.drafts = append(p.drafts, d)
	}
}

// wanted says whether the workload runs without being asked for.
func (p *planner) wanted(d *draft) bool {
	kind := d.object.GetKind()
	replicas, given, _ := unstructured.NestedInt64(d.object.Object, "spec", "replicas")
	suspended, _, _ := unstructured.NestedBool(d.object.Object, "spec", "suspend")
	switch {
	case kind == "CronJob" && !p.once(d):
		p.find(Differs, d, nil, "schedule", "to run it once, say in skiff.yaml: local: {services: {"+d.unit.Name+": {run: once}}}", "it is not run by its schedule here")
		return false
	case kind == "CronJob":
		p.find(Differs, d, nil, "schedule", "", "it runs once, now and when it changes, and not by its schedule")
		d.unit.Job = true
	case given && replicas == 0, suspended:
		return false
	case given && replicas > 1:
		p.find(Differs, d, nil, "replicas", "", "1 process instead of %d replicas", replicas)
	}
	return true
}

// once says whether the project asks for one run of a CronJob, by its name or by that of a container or an image.
func (p *planner) once(d *draft) bool {
	for _, c := range d.pod.Containers {
		if p.Settings.service(c.Name, d.unit.Name, p.Refs[c.Image], c.Image).Run == Once {
			return true
		}
	}
	return false
}

// container takes a container whose image is an artifact.
func (p *planner) container(d *draft, spec corev1.Container, init bool) {
	artifact, ours := p.Refs[spec.Image]
	if !ours {
		artifact = spec.Image
	}
	image, known := p.Images[artifact]
	c := &container{Container: spec, init: init, image: image, moved: map[int]int{}, where: d.unit.Object + ", container " + spec.Name}
	c.own = p.Settings.service(spec.Name, d.object.GetName(), artifact)
	switch {
	case c.own.Skip:
		return
	case !known && c.own.Command == "":
		p.foreign(d, c)
		return
	}
	c.process = Process{Container: spec.Name, Image: spec.Image, Restart: restartOf(d, spec, init), Grace: proc.DefaultGrace}
	if known {
		c.process.Artifact = image.Name
	}
	if s := d.pod.TerminationGracePeriodSeconds; s != nil {
		c.process.Grace = time.Duration(max(*s, 0)) * time.Second
	}
	if d.unit.Job {
		limit, given, _ := unstructured.NestedInt64(d.object.Object, append(jobPath(d.object), "backoffLimit")...)
		if !given {
			limit = 6
		}
		switch {
		case init:
		case limit == 0:
			c.process.Restart = proc.Never
		default:
			c.process.Restart, c.process.Limit = proc.OnFailure, int(limit)
		}
	}
	c.layout = layout(image, p.stage(image))
	if c.own.Dir != "" {
		c.layout.Dir = filepath.Join(image.Context, filepath.FromSlash(c.own.Dir))
	}
	for _, compiled := range image.Compiles {
		c.layout.add(compiled.Output, Program(p.State, image.Name, compiled))
	}
	d.containers = append(d.containers, c)
	p.unsupported(d, c)
}

// foreign is a container whose image is not built here.
func (p *planner) foreign(d *draft, c *container) {
	name := imageName(c.Image)
	if _, ok := p.Settings.external(name, d.object.GetName(), c.Name); ok {
		return
	}
	hint := "add to skiff.yaml: local: {external: {" + name + ": {command: …, port: …}}}, or {address: HOST:PORT} where one runs"
	if program, command := wellKnown(name); program != "" {
		if _, err := p.Host.Look(program, p.State, p.Host.Env); err == nil {
			hint = fmt.Sprintf("%s is on the PATH; add to skiff.yaml: local: {external: {%s: {command: %s, port: %d}}}", program, name, command, firstPort(c))
		}
	}
	what := "does not run here; what needs it does not work, the rest does"
	if c.init {
		what = "is left out: init containers run only when their image is built here"
	}
	p.find(Gap, d, c, "image", hint, "image %s is not built by the project and %s", c.Image, what)
}

// finish turns a draft into a unit, unless something in it cannot run.
func (p *planner) finish(d *draft) {
	p.volumes(d)
	for _, c := range d.containers {
		p.environment(d, c)
		p.command(d, c)
		if c.init && c.process.Restart == proc.Never {
			d.unit.Inits = append(d.unit.Inits, c.process)
			continue
		}
		p.probes(d, c)
		p.lifecycle(d, c)
		c.process.Sidecar, c.process.After = c.init, len(d.unit.Inits)
		d.unit.Processes = append(d.unit.Processes, c.process)
	}
	p.aliases(d)
	if !d.broken {
		p.plan.Units = append(p.plan.Units, d.unit)
	}
}

// stage is where the copy of what a Dockerfile copies is kept.
func (p *planner) stage(i Image) string { return StageDir(p.State, i.Name) }

// StageDir is where the copy of what an artifact's Dockerfile copies is kept, if one is needed.
func StageDir(state, artifact string) string {
	return filepath.Join(state, "stage", fileName(artifact))
}

// Program is where a compiled program of an artifact is kept, or the folder of several.
func Program(state, artifact string, c Compile) string {
	kept := c.Output
	if c.From != "" {
		kept = c.From
	}
	return filepath.Join(state, "bin", fileName(artifact), fileName(strings.Trim(kept, "/")), filepath.FromSlash(c.File))
}

func restartOf(d *draft, c corev1.Container, init bool) proc.Policy {
	switch {
	case init && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways:
		return proc.Always // a sidecar in the form of Kubernetes 1.29
	case init:
		return proc.Never
	case d.pod.RestartPolicy != "":
		return proc.Policy(d.pod.RestartPolicy)
	}
	return proc.Always
}

// jobPath is where the specification of a job stands.
func jobPath(o *kube.Object) []string {
	if o.GetKind() == "CronJob" {
		return []string{"spec", "jobTemplate", "spec"}
	}
	return []string{"spec"}
}

// podMeta is the labels and annotations of the pods that an object runs.
func podMeta(o *kube.Object) (labels, annotations map[string]string) {
	path := []string{"spec", "template", "metadata"}
	switch o.GetKind() {
	case "Pod":
		path = []string{"metadata"}
	case "CronJob":
		path = append(jobPath(o), "template", "metadata")
	}
	labels, _, _ = unstructured.NestedStringMap(o.Object, append(path, "labels")...)
	annotations, _, _ = unstructured.NestedStringMap(o.Object, append(path, "annotations")...)
	return labels, annotations
}

func namespaceOf(o *kube.Object) string {
	if ns := o.GetNamespace(); ns != "" {
		return ns
	}
	return defaultNamespace
}

// imageName is the last part of an image's name: "redis" of "docker.io/library/redis:7".
func imageName(ref string) string {
	name := kube.Repository(ref)
	return name[strings.LastIndexByte(name, '/')+1:]
}

// fileName is a name as one part of a path.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|@`, r) {
			return '_'
		}
		return r
	}, name)
}

func firstPort(c *container) int {
	if len(c.Ports) > 0 {
		return int(c.Ports[0].ContainerPort)
	}
	return 0
}

// wellKnown is how a server is started whose image needs no words to be known, and the program that this takes.
func wellKnown(image string) (program, command string) {
	known := map[string][2]string{
		"redis": {"redis-server", "redis-server --port 6379"}, "valkey": {"valkey-server", "valkey-server --port 6379"},
		"memcached": {"memcached", "memcached -l 127.0.0.1 -p 11211"}, "nats": {"nats-server", "nats-server -p 4222"},
		"etcd": {"etcd", "etcd"}, "minio": {"minio", "minio server data"}, "rabbitmq": {"rabbitmq-server", "rabbitmq-server"},
		"mongo":    {"mongod", "mkdir -p data && exec mongod --port 27017 --dbpath data"},
		"postgres": {"postgres", "test -d data || initdb -U postgres -D data; exec postgres -D data -p 5432 -k /tmp"},
	}[image]
	return known[0], known[1]
}
