package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/deploy"
	dockerdeploy "github.com/skiff-dev/skiff/internal/deploy/docker"
	"github.com/skiff-dev/skiff/internal/deploy/helm"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/forward"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/local"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/proc"
	"github.com/skiff-dev/skiff/internal/render"
	sources "github.com/skiff-dev/skiff/internal/render/all"
	"github.com/skiff-dev/skiff/internal/settings"
	"github.com/skiff-dev/skiff/internal/status"
	"github.com/skiff-dev/skiff/internal/tag"
	"github.com/skiff-dev/skiff/internal/task"
	"github.com/skiff-dev/skiff/internal/tree"
)

// rooms is what lives as long as the session: connections and what was learned over them.
type rooms struct {
	project  *config.Project
	settings settings.Values // of the user, for the cluster's context
	cluster  *kube.Cluster
	nodes    []string // platforms of the cluster's nodes, as far as they are known
	registry string   // where images go when the user names no place: what the cluster announces
	engine   *engine.Engine
	remote   *image.Registry
	index    *tree.Index
	cache    *image.Cache
	deployer *deploy.Deployer
	releases *helm.Deployer // nil: no project of the session had releases

	forwarder *forward.Forwarder // nil: nothing is forwarded

	local *local.Target // nil: the project runs in the cluster
	guard *proc.Guard   // of local

	docker     *dockerdeploy.Target // nil: the project does not run on the Docker engine
	engineLine *pipeline.Line       // of docker

	runner     *task.Runner // of tests, containers that run once, and hooks; nil: none was needed yet
	hookRunner *task.Hooks
	hookedSync *hookedSync // nil: nothing is synced to a cluster
}

// defaultDeadline is how long the status check waits when the project does not say, as Skaffold does.
const defaultDeadline = 10 * time.Minute

func (s *session) kubeOptions(namespace string) kube.Options {
	return kube.Options{
		Kubeconfig: s.kubeconfig, Context: s.kubeContext, Namespace: namespace, Getenv: s.env, Dir: s.Dir,
		StateDir: s.cachePath("discovery"),
		Warn:     func(text string) { s.bus.Send(event.Note{Text: text, Warn: true}) },
		Trace:    s.trace(),
	}
}

// connectCluster finds the cluster, asks whether it answers, and tells where the project runs.
func (s *session) connectCluster(ctx context.Context) error {
	if err := s.find(); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.cluster.Ping(gctx) })
	g.Go(func() error {
		s.askNodes(gctx)
		return nil
	})
	if s.defaultRepo == "" {
		g.Go(func() (err error) {
			s.registry, err = s.cluster.LocalRegistry(gctx)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.bus.Send(event.Session{
		Command: s.command, Target: "cluster", Context: s.cluster.Context, Namespace: s.cluster.Namespace,
		Registry: s.repo(), Why: s.why(),
	})
	return nil
}

// peek learns from the cluster where images go. Builds and renders work without one, so they do not wait for it for long.
func (s *session) peek(ctx context.Context) {
	if err := s.find(); err != nil || s.defaultRepo != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s.registry, _ = s.cluster.LocalRegistry(ctx)
}

// find reads the kubeconfig: the flags win over the project, and that over the current context.
func (s *session) find() error {
	o := s.kubeOptions(s.namespace)
	for _, c := range s.project.Configs {
		if o.Context == "" {
			o.Context = c.Deploy.KubeContext
		}
		if k := c.Deploy.Kubectl; k != nil && k.DefaultNamespace != nil && s.namespace == "" && *k.DefaultNamespace != "" {
			o.Namespace = *k.DefaultNamespace
		}
	}
	cluster, err := kube.Connect(o)
	if err != nil {
		return errors.Join(err, s.readSettings(""))
	}
	s.cluster = cluster
	return s.readSettings(cluster.Context)
}

// readSettings takes what the user has set once for all projects; a flag wins over it.
func (s *session) readSettings(context string) error {
	file := settingsPath(s.World)
	if file == "" {
		return nil
	}
	open, err := settings.Open(file)
	if err != nil {
		return diag.WithCode(diag.CodeConfig, err)
	}
	if s.settings, err = open.For(context); err != nil {
		return diag.WithCode(diag.CodeConfig, err)
	}
	if s.defaultRepo == "" {
		s.defaultRepo = s.settings.DefaultRepo
	}
	return nil
}

// isLocal is whether the cluster is on this machine and sees the engine's images: as the user has set it, or by its name.
func (s *session) isLocal() bool {
	if set := s.settings.LocalCluster; set != nil {
		return *set
	}
	return s.cluster != nil && s.cluster.IsLocal()
}

// why says how the context was chosen, and how to take another.
func (s *session) why() string {
	switch {
	case s.kubeContext != "":
		return "as --kube-context says"
	case len(s.project.Configs) > 0 && s.project.Configs[0].Deploy.KubeContext != "":
		return "as deploy.kubeContext says; --kube-context takes another"
	}
	return "the current context; --kube-context takes another, --target=local this machine"
}

// repo is where images go: what the user says, or what the cluster announces.
func (s *session) repo() string {
	if s.defaultRepo != "" {
		return s.defaultRepo
	}
	return s.registry
}

// pushes is whether images leave the engine: by flag, by the project, or because the cluster cannot see the engine's images.
func (s *session) pushes() bool {
	if push, err := strconv.ParseBool(s.push); err == nil {
		return push
	}
	for _, c := range s.project.Configs {
		if l := c.Build.Local; l != nil && l.Push != nil {
			return *l.Push
		}
	}
	if docker, err := forEngine(s.project); docker && err == nil {
		return false // the engine that builds the images also runs them
	}
	return s.registry != "" || !s.isLocal() || s.loadDisabled()
}

// open makes what builds need, once for the session. Nothing is sent anywhere.
func (s *session) open() error {
	if s.engine != nil {
		return nil
	}
	var err error
	if s.engine, err = engine.Connect(engine.Options{Getenv: s.env}); err != nil {
		return err
	}
	if err := s.openIndex(); err != nil {
		return err
	}
	s.remote = image.NewRegistry(s.engine.Auth(), s.insecureRegistries())
	if s.cacheArtifacts {
		file := s.cacheFile
		if file == "" {
			file = s.cachePath("images.json")
		}
		s.cache = image.NewCache(image.CacheOptions{
			File: s.path(file), Index: s.index, Registry: s.remote, Engine: s.engine,
			Bases: s.cachePath("bases.json"), History: s.cachePath("history/" + projectKey(s.project)),
			Warn: func(text string) { s.bus.Send(event.Note{Text: text, Warn: true}) },
		})
	}
	return nil
}

// openIndex reads what is known of the project's files.
func (s *session) openIndex() (err error) {
	if s.index == nil {
		s.index, err = tree.OpenIndex(s.cachePath("files/" + projectKey(s.project)))
	}
	return err
}

// close writes down what the next session may use.
func (s *session) close() {
	if s.index != nil {
		// An index that cannot be written costs the next session time, and nothing else.
		_ = s.index.Save()
	}
	if s.engine != nil {
		_ = s.engine.Close()
	}
	_ = s.guard.Close()
}

func (s *session) insecureRegistries() []string {
	all := slices.Concat(s.insecure, s.settings.InsecureRegistries)
	for _, c := range s.project.Configs {
		all = append(all, c.Build.InsecureRegistries...)
	}
	return all
}

// line wires the stages for one loaded project.
func (s *session) line(ctx context.Context, project *config.Project) (*pipeline.Line, error) {
	if s.command != "build" && s.command != "why" && s.command != "diagnose" && s.command != "apply" {
		if err := refuse(project); err != nil {
			return nil, err
		}
	}
	if s.notice != "" {
		s.bus.Send(event.Note{Text: s.notice})
		s.notice = ""
	}
	s.tellMissing(project)
	if err := s.open(); err != nil {
		return nil, err
	}
	manifests, err := s.sources(ctx, project)
	if err != nil {
		return nil, err
	}
	labels, err := s.labelMap()
	if err != nil {
		return nil, err
	}
	if err := s.guardBuilds(project); err != nil {
		return nil, err
	}
	rules, err := s.moreRules()
	if err != nil {
		return nil, err
	}
	l := &pipeline.Line{
		Project: project, Push: s.pushes(), Sink: s.bus,
		Images: image.Set{
			Builders: s.builders(ctx),
			Cache:    s.cache, Limit: s.limit(project),
		},
		Render: render.Options{Sources: manifests, Labels: labels, Namespace: s.namespace, Rules: rules},
	}
	if l.Platforms, err = s.platformsOf(project); err != nil {
		return nil, err
	}
	if s.skipRender {
		l.Render = render.Options{Sources: manifests}
	}
	if l.Around, err = s.around(project); err != nil {
		return nil, err
	}
	if l.Around.Build, err = s.buildHooks(project); err != nil {
		return nil, err
	}
	var o status.Options
	if l.Check, o, err = s.statusOptions(project); err != nil {
		return nil, err
	}
	l.Iterative = s.iterativeStatus
	if s.local != nil {
		return l, s.runHere(project, l)
	}
	if l.Names, err = s.names(ctx, project, l); err != nil {
		return nil, err
	}
	if s.docker != nil {
		return l, s.runOnEngine(ctx, project, l)
	}
	if s.cluster != nil {
		if s.plan {
			l.Before = s.confirm
		}
		l.Load = s.loads(l.Push && s.command != "deploy")
		l.Place = s.withReleases(pipeline.Cluster{Deployer: s.deployerOnce(project), Kube: s.cluster, Status: o, Sink: s.bus}, project, l.Render)
	}
	return l, s.checkBuilds(l)
}

// checkBuilds asks before anything is built whether every image can be: all that is missing is told at once.
func (s *session) checkBuilds(l *pipeline.Line) error {
	switch s.command {
	case "build", "dev", "run", "debug":
		return diag.WithCode(diag.CodeBuild, errors.Join(image.Check(l.Images.Builders, s.targets(l.Project))...))
	}
	return nil
}

// sources is where the manifests come from: the project, or the command line of apply.
func (s *session) sources(ctx context.Context, project *config.Project) ([]render.Source, error) {
	if s.command == "apply" {
		return s.named()
	}
	o, err := s.sourceOptions(ctx)
	if err != nil {
		return nil, err
	}
	manifests, err := sources.Sources(project, o)
	return manifests, diag.WithCode(diag.CodeConfig, err)
}

// deployerOnce keeps one deployer for the session, so that it knows what the session created, whatever happens to the file.
func (s *session) deployerOnce(project *config.Project) *deploy.Deployer {
	if s.deployer == nil {
		s.deployer = deploy.New(s.cluster, s.applyOptions(project), s.bus)
	}
	return s.deployer
}

func projectName(p *config.Project) string {
	for _, c := range p.Configs {
		if c.Metadata.Name != "" {
			return c.Metadata.Name
		}
	}
	return filepath.Base(p.Dir)
}

// projectKey is a file name for what belongs to one checkout.
func projectKey(p *config.Project) string {
	sum := sha256.Sum256([]byte(p.Dir + "\x00" + p.File))
	return hex.EncodeToString(sum[:8])
}

// owner is one person's checkout of the project.
func (s *session) owner(p *config.Project) string {
	name := s.Home
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return name + "\x00" + s.Host + "\x00" + p.Dir
}

// names is how images that are to be made are called: with the registry, and with the tag of the project's policy.
func (s *session) names(ctx context.Context, project *config.Project, l *pipeline.Line) (func(context.Context, []*config.Artifact) ([]string, error), error) {
	tagger, err := tag.New(project, tag.Options{
		Tag: s.tag, Environ: s.Environ(), Index: s.index, Run: s.templates(ctx).Run,
		Warn: func(text string) { s.bus.Send(event.Note{Text: text, Warn: true}) },
		Files: func(ctx context.Context, a *config.Artifact) ([]string, error) {
			inputs, err := l.Inputs(ctx, a)
			if err != nil {
				return nil, err
			}
			return inputs.Files(ctx)
		},
	})
	if err != nil {
		return nil, err
	}
	multiLevel := s.settings.MultiLevelRepo != nil && *s.settings.MultiLevelRepo
	return func(ctx context.Context, artifacts []*config.Artifact) ([]string, error) {
		refs, err := tagger.Tags(ctx, artifacts)
		for i, a := range artifacts {
			if err == nil {
				refs[i] = tag.Ref(a.Image, refs[i], s.repo(), multiLevel)
			}
		}
		return refs, err
	}, nil
}

// limit is how many builds run at once.
func (s *session) limit(project *config.Project) int {
	if s.buildConcurrency >= 0 {
		return s.buildConcurrency
	}
	limit, given := 0, false
	for _, c := range project.Configs {
		if l := c.Build.Local; l != nil && l.Concurrency != nil {
			if n := *l.Concurrency; !given || n > 0 && (limit == 0 || n < limit) {
				limit, given = n, true
			}
		}
	}
	if !given {
		return runtime.NumCPU()
	}
	return limit
}

func (s *session) labelMap() (map[string]string, error) {
	labels := map[string]string{}
	for _, l := range s.labels {
		key, value, _ := strings.Cut(l, "=")
		if key == "" {
			return nil, usage("write --label=key=value", fmt.Errorf("--label=%s", l))
		}
		labels[key] = value
	}
	return labels, nil
}
