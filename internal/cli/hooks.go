package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/task"
)

// around is the tests and hooks of a project, as the stages take them.
func (s *session) around(p *config.Project) (pipeline.Around, error) {
	var around pipeline.Around
	tests, renders, deploys, syncs := false, false, false, false
	for _, c := range p.Configs {
		tests = tests || len(c.Test) > 0
		renders = renders || len(c.Manifests.Hooks.Before)+len(c.Manifests.Hooks.After) > 0
		for _, one := range deployHooks(c) {
			deploys = deploys || len(one.hooks.Before)+len(one.hooks.After) > 0
		}
		for _, a := range c.Build.Artifacts {
			syncs = syncs || a.Sync != nil && len(a.Sync.Hooks.Before)+len(a.Sync.Hooks.After) > 0
		}
	}
	if !tests && !renders && !deploys && !syncs {
		return around, nil
	}
	tasks, err := s.tasks()
	if err != nil {
		return around, err
	}
	s.hooks()
	if tests && !s.skipTests && s.local == nil {
		if err := tasks.CheckTests(p); err != nil {
			return around, err
		}
		around.Tested = func(image string) bool { return task.HasTests(p, image) }
		around.TestFiles = func(ctx context.Context, image string) ([]string, error) { return tasks.TestFiles(ctx, p, image) }
		around.Test = func(ctx context.Context, images []pipeline.Built) error {
			refs := map[string]string{}
			for _, built := range images {
				refs[built.Image] = built.Ref
			}
			return tasks.Tests(ctx, p, refs)
		}
	}
	if renders {
		s.renderHooks(p, &around)
	}
	if deploys && s.local == nil {
		s.deployHooks(p, &around)
	}
	return around, nil
}

// hooks is what runs the session's hooks, with the variables that every command of this machine gets.
func (s *session) hooks() *task.Hooks {
	if s.hookRunner == nil {
		s.hookRunner = &task.Hooks{Runner: s.runner}
		add := func(name, value string) {
			if value != "" {
				s.hookRunner.Shared = append(s.hookRunner.Shared, name+"="+value)
			}
		}
		add("SKAFFOLD_DEFAULT_REPO", s.defaultRepo)
		if multi := s.settings.MultiLevelRepo; multi != nil {
			add("SKAFFOLD_MULTI_LEVEL_REPO", strconv.FormatBool(*multi))
		}
	}
	return s.hookRunner
}

// placeVars name the cluster and the namespaces that hooks may work on.
func (s *session) placeVars(namespaces []string) []string {
	name := ""
	if s.cluster != nil {
		name = s.cluster.Context
	}
	return []string{"SKAFFOLD_KUBE_CONTEXT=" + name, "SKAFFOLD_NAMESPACES=" + strings.Join(namespaces, ",")}
}

// namespaces are those of the session and of the objects, sorted.
func (s *session) namespaces(objects []*kube.Object) []string {
	var all []string
	if s.cluster != nil {
		all = append(all, s.cluster.Namespace)
	}
	for _, o := range objects {
		if ns := o.GetNamespace(); ns != "" {
			all = append(all, ns)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *session) renderHooks(p *config.Project, around *pipeline.Around) {
	around.BeforeRender = func(ctx context.Context) error {
		for _, c := range p.Configs {
			if _, err := s.hooks().Render(ctx, "before render", c, "before", c.Manifests.Hooks.Before, s.placeVars(s.namespaces(nil)), nil); err != nil {
				return err
			}
		}
		return nil
	}
	around.AfterRender = func(ctx context.Context, objects []*kube.Object) ([]*kube.Object, error) {
		var out []*kube.Object
		for i, c := range p.Configs {
			own := ownObjects(p, i, objects)
			changed, err := s.afterRender(ctx, c, own)
			if err != nil {
				return nil, err
			}
			out = append(out, changed...)
		}
		return out, nil
	}
}

// afterRender hands the manifests of one module to its hooks, and takes back what they make of them.
func (s *session) afterRender(ctx context.Context, c *config.Config, objects []*kube.Object) ([]*kube.Object, error) {
	hooks := c.Manifests.Hooks.After
	if len(hooks) == 0 {
		return objects, nil
	}
	var buf bytes.Buffer
	if err := kube.WriteObjects(&buf, objects); err != nil {
		return nil, err
	}
	changed, err := s.hooks().Render(ctx, "after render", c, "after", hooks, s.placeVars(s.namespaces(objects)), buf.Bytes())
	if err != nil || bytes.Equal(changed, buf.Bytes()) {
		return objects, err
	}
	out, err := kube.ReadObjects("", changed)
	if err != nil {
		fault := c.Fault("the hooks after render wrote no manifests: "+err.Error(), "write YAML documents of Kubernetes objects to standard output", "manifests", "hooks", "after")
		fault.Err = err
		return nil, fault
	}
	return out, nil
}

// ownObjects are the objects of one module: those whose file lies in its folder and in no deeper module's. What came from no file
// belongs to the first.
func ownObjects(p *config.Project, module int, objects []*kube.Object) []*kube.Object {
	if len(p.Configs) == 1 {
		return objects
	}
	var own []*kube.Object
	for _, o := range objects {
		best, length := 0, -1
		for i, c := range p.Configs {
			dir := filepath.Clean(c.Dir)
			if len(dir) > length && strings.HasPrefix(o.File, dir+string(filepath.Separator)) {
				best, length = i, len(dir)
			}
		}
		if best == module {
			own = append(own, o)
		}
	}
	return own
}

// deployerHooks are the hooks of one deployer.
type deployerHooks struct {
	name  string
	hooks config.DeployHooks
}

// deployHooks are those of a module, in the order in which its deployers run.
func deployHooks(c *config.Config) []deployerHooks {
	var all []deployerHooks
	if h := c.Deploy.Helm; h != nil {
		all = append(all, deployerHooks{"helm", h.Hooks})
	}
	if k := c.Deploy.Kubectl; k != nil {
		all = append(all, deployerHooks{"kubectl", k.Hooks})
	}
	return all
}

func (s *session) deployHooks(p *config.Project, around *pipeline.Around) {
	run := func(ctx context.Context, phase task.Phase, list string, namespaces []string) error {
		vars := append(s.placeVars(namespaces), "SKAFFOLD_RUN_ID="+s.runner.RunID)
		for _, c := range p.Configs {
			for _, one := range deployHooks(c) {
				hooks := one.hooks.Before
				if list == "after" {
					hooks = one.hooks.After
				}
				if err := s.hooks().Deploy(ctx, phase, c, []any{"deploy", one.name, "hooks", list}, hooks, vars, namespaces); err != nil {
					return err
				}
			}
		}
		return nil
	}
	around.BeforeDeploy = func(ctx context.Context) error {
		return run(ctx, "before deploy", "before", s.namespaces(nil))
	}
	around.AfterDeploy = func(ctx context.Context, objects []*kube.Object) error {
		return run(ctx, "after deploy", "after", s.namespaces(objects))
	}
}
