package helm

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v4/pkg/action"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
)

// Cleanup uninstalls the releases that this session installed, and the namespaces that it made for them; a release that was
// there before stays as it is. ctx must outlive the session's.
func (d *Deployer) Cleanup(ctx context.Context) error {
	d.mu.Lock()
	mine := slices.Clone(d.installed)
	var namespaces []string
	for n := range d.namespaces {
		namespaces = append(namespaces, n)
	}
	d.mu.Unlock()
	slices.Reverse(mine)
	var list diag.List
	faults := make([]error, len(mine))
	var g errgroup.Group
	for i, k := range mine {
		g.Go(func() error {
			faults[i] = d.uninstall(ctx, k)
			return nil
		})
	}
	_ = g.Wait() // faults has the errors
	for _, err := range faults {
		if err != nil {
			list = append(list, diag.All(err)...)
		}
	}
	for _, n := range namespaces {
		err := d.cluster.Typed.CoreV1().Namespaces().Delete(ctx, n, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			list = append(list, diag.All(err)...)
		}
	}
	return list.Err()
}

// Delete uninstalls the releases of the project that are there, each before those that it depends on. With dryRun it only
// says which.
func (d *Deployer) Delete(ctx context.Context, releases []Release, dryRun bool) ([]kube.ID, error) {
	if len(releases) == 0 {
		return nil, nil
	}
	found, err := d.find(ctx, releases)
	if err != nil {
		return nil, err
	}
	var ids []kube.ID
	for _, r := range slices.Backward(releases) {
		k := key{r.Namespace, r.Name}
		if found[k] == nil {
			continue
		}
		ids = append(ids, kube.ID{Kind: "Release", Namespace: k.namespace, Name: k.name})
		if dryRun {
			continue
		}
		if err := d.uninstall(ctx, k); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// uninstallTime is how long hooks of an uninstall may take: the session wants to end.
const uninstallTime = time.Minute

func (d *Deployer) uninstall(ctx context.Context, k key) error {
	u := action.NewUninstall(d.operation(ctx, k.namespace, 0))
	u.IgnoreNotFound, u.WaitStrategy, u.Timeout, u.DeletionPropagation = true, helmkube.HookOnlyStrategy, uninstallTime, "background"
	_, err := u.Run(k.name)
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return d.explain(ctx, Release{Name: k.name, Namespace: k.namespace}, "uninstall", 0, err)
	}
	d.mu.Lock()
	d.installed = slices.DeleteFunc(d.installed, func(o key) bool { return o == k })
	delete(d.looked, k)
	d.mu.Unlock()
	if err == nil {
		d.tell(Release{Name: k.name, Namespace: k.namespace}, "deleted")
	}
	return nil
}
