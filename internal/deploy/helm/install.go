package helm

import (
	"context"
	"fmt"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/release"
	"helm.sh/helm/v4/pkg/release/common"
	release1 "helm.sh/helm/v4/pkg/release/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/kube"
)

// install makes a release that is not there.
func (d *Deployer) install(ctx context.Context, r Release) ([]*kube.Object, error) {
	chart, err := r.Chart()
	if err != nil {
		return nil, err
	}
	s := r.Install.Settings
	i := action.NewInstall(d.operation(ctx, r.Namespace, s.HistoryMax))
	i.ReleaseName, i.Namespace = r.Name, r.Namespace
	i.CreateNamespace = r.CreateNamespace || s.CreateNamespace
	i.Timeout, i.WaitStrategy, i.WaitForJobs, i.RollbackOnFailure = timeoutOf(s), strategy(r, s), s.WaitForJobs, s.Atomic
	i.DisableHooks, i.SkipCRDs, i.SubNotes, i.EnableDNS = s.NoHooks, s.SkipCRDs, s.RenderSubNotes, s.EnableDNS
	i.SkipSchemaValidation, i.DisableOpenAPIValidation = s.SkipSchemaValidation, s.DisableOpenAPIValidation
	i.ForceReplace, i.TakeOwnership, i.ForceConflicts = s.Force || d.options.Force, s.TakeOwnership, s.ForceConflicts
	i.ServerSideApply = s.ServerSide != "false" && !i.ForceReplace
	i.ForceConflicts = i.ForceConflicts && i.ServerSideApply
	i.Description, i.Labels = s.Description, recordLabels(r, s)
	i.PostRenderer = post(r.Put)
	if i.CreateNamespace {
		if err := d.noteNamespace(ctx, r.Namespace); err != nil {
			return nil, err
		}
	}
	// From now on the release may be there, at least in parts.
	d.created(key{r.Namespace, r.Name})
	made, err := i.RunWithContext(ctx, chart, r.Install.Values)
	if err != nil {
		return nil, d.explain(ctx, r, "install", 0, err)
	}
	d.tell(r, "created")
	return d.made(ctx, r, made), nil
}

// recordLabels are those of helm's record.
func recordLabels(r Release, s Settings) map[string]string {
	all := map[string]string{inputsKey: r.Digest}
	for k, v := range s.Labels {
		all[k] = v
	}
	return all
}

// noteNamespace remembers a namespace that helm is about to make.
func (d *Deployer) noteNamespace(ctx context.Context, name string) error {
	_, err := d.cluster.Typed.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		d.mu.Lock()
		d.namespaces[name] = true
		d.mu.Unlock()
		return nil
	}
	if apierrors.IsForbidden(err) {
		return nil // helm says what it cannot do
	}
	return err
}

func (d *Deployer) created(k key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.installed = append(d.installed, k)
	d.looked[k] = true
}

// upgrade brings a release that is there to what the project wants. A release of helm 3 or Skaffold is taken over as it is.
func (d *Deployer) upgrade(ctx context.Context, r Release, was *record) ([]*kube.Object, error) {
	chart, err := r.Chart()
	if err != nil {
		return nil, err
	}
	s := r.Upgrade.Settings
	config := d.operation(ctx, r.Namespace, s.HistoryMax)
	if err := d.unblock(config, r, was, timeoutOf(s)); err != nil {
		return nil, err
	}
	u := action.NewUpgrade(config)
	u.Namespace = r.Namespace
	u.Timeout, u.WaitStrategy, u.WaitForJobs, u.RollbackOnFailure = timeoutOf(s), strategy(r, s), s.WaitForJobs, s.Atomic
	u.DisableHooks, u.SkipCRDs, u.SubNotes, u.EnableDNS = s.NoHooks, s.SkipCRDs, s.RenderSubNotes, s.EnableDNS
	u.SkipSchemaValidation, u.DisableOpenAPIValidation = s.SkipSchemaValidation, s.DisableOpenAPIValidation
	u.CleanupOnFail, u.TakeOwnership, u.MaxHistory = s.CleanupOnFail, s.TakeOwnership, config.Releases.MaxHistory
	u.ResetValues, u.ReuseValues, u.ResetThenReuseValues = s.ResetValues, s.ReuseValues, s.ResetThenReuseValues
	u.Description, u.Labels = s.Description, recordLabels(r, s)
	u.PostRenderer = post(r.Put)
	u.ForceReplace = s.Force || d.options.Force
	switch last := lastOf(config, r.Name); {
	case u.ForceReplace:
		u.ServerSideApply = "false"
	case s.ServerSide != "":
		u.ServerSideApply = s.ServerSide
		u.ForceConflicts = s.ServerSide == "true"
	case last != nil && last.ApplyMethod == string(release1.ApplyMethodServerSideApply):
		// A developer's release wins over who else touched its objects.
		u.ForceConflicts = true
	}
	made, err := u.RunWithContext(ctx, r.Name, chart, r.Upgrade.Values)
	if err != nil {
		return nil, d.explain(ctx, r, "upgrade", was.revision, err)
	}
	if r.RecreatePods {
		d.restart(ctx, r, made)
	}
	d.tell(r, "configured")
	return d.made(ctx, r, made), nil
}

func lastOf(config *action.Configuration, name string) *release1.Release {
	last, err := config.Releases.Last(name)
	if err != nil {
		return nil
	}
	one, _ := last.(*release1.Release)
	return one
}

// unblock takes over a release whose last operation never ended: who did it is gone when it is longer ago than it may take.
func (d *Deployer) unblock(config *action.Configuration, r Release, was *record, timeout time.Duration) error {
	last := lastOf(config, r.Name)
	if last == nil || !last.Info.Status.IsPending() {
		return nil
	}
	if since := time.Since(last.Info.LastDeployed); since < timeout {
		return d.pending(r, was.revision, timeout-since)
	}
	last.SetStatus(common.StatusFailed, "given up by skiff: its operation never ended")
	if err := config.Releases.Update(last); err != nil {
		return fmt.Errorf("take over release %s: %w", r.Name, err)
	}
	return nil
}

// made is the objects of a release, as the server has them now.
func (d *Deployer) made(ctx context.Context, r Release, made release.Releaser) []*kube.Object {
	one, ok := made.(*release1.Release)
	if !ok {
		return nil
	}
	return d.live(ctx, read(one.Manifest), r.Namespace)
}
